"""Rows held against the fastest: pairs of one round, ratios with intervals, sentences."""

import random

import pytest

from harness.judge.relative import against, conclusions, relative_of, with_relative

DRIFT = (1.0, 1.3, 0.9, 1.6, 1.1)


def row(label, times, **more):
    middle = sorted(times)[len(times) // 2]
    several = {"latency_processes_seconds": list(times)} if len(times) > 1 else {}
    size = {"input": [[1, 8, 4, 4]], "pass": "inference"}
    return {"label": label, "status": "ok", "latency_seconds": middle, **several, **size, **more}


def slower(times, by, seed=0):
    noise = random.Random(seed)
    return [each * by * (1 + 0.002 * noise.random()) for each in times]


def found(rows, to=None):
    return {each["label"]: relative_of(each) for each in with_relative(rows, to)}


def test_rounds_are_pairs_so_that_what_drifts_between_them_cancels():
    rows = [row("A", DRIFT), row("B", slower(DRIFT, 1.2))]
    b = found(rows)["B"]
    assert b.ratio == pytest.approx(1.2, rel=0.01)
    assert 1.19 < b.low < b.ratio < b.high < 1.21
    assert (b.verdict, b.mark) == ("slower", "")
    assert str(b) == f"1.20 ({b.low:.2f} to {b.high:.2f})"


def test_processes_that_took_turns_within_their_case_are_no_pairs():
    rows = [row("A", DRIFT, turns=True), row("B", slower(DRIFT, 1.2), turns=True)]
    b = found(rows)["B"]
    assert b.low < 1 < b.high
    assert (b.verdict, b.mark) == ("unclear", "~")


def test_the_fastest_is_1_and_a_failed_row_is_nothing():
    rows = [row("A", DRIFT), row("B", slower(DRIFT, 2)), row("C", DRIFT, status="oom")]
    made = {each["label"]: each for each in with_relative(rows)}
    assert (made["A"]["relative"], made["A"]["relative_to"], relative_of(made["A"])) == (
        1,
        "A",
        None,
    )
    assert "relative" not in made["C"]


def test_what_is_as_fast_within_2_percent_is_marked_so():
    b = found([row("A", DRIFT), row("B", slower(DRIFT, 1.005))])["B"]
    assert (b.verdict, b.mark) == ("same", "=")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_processes_have_a_ratio_and_tell_nothing(count):
    rows = [row("A", DRIFT[:count]), row("B", slower(DRIFT[:count], 1.5))]
    b = found(rows)["B"]
    assert (b.low, b.high, b.verdict) == (None, None, "unclear")
    assert str(b) == "1.5"
    (said,) = conclusions(with_relative(rows))
    assert said.startswith("A took the least time, B 1.5 times as much, in too few processes")


def test_rows_of_each_input_have_a_fastest_of_their_own():
    large = [[1, 8, 64, 64]]
    rows = [
        row("A 4", DRIFT),
        row("B 4", slower(DRIFT, 2)),
        row("A 64", slower(DRIFT, 30), input=large),
        row("B 64", slower(DRIFT, 10), input=large),
        row("alone", DRIFT, **{"pass": "training"}),
    ]
    made = {each["label"]: each.get("relative_to") for each in with_relative(rows)}
    assert made == {"A 4": "A 4", "B 4": "A 4", "A 64": "B 64", "B 64": "B 64", "alone": None}
    small, big = conclusions(with_relative(rows))
    assert small.startswith("1x8x4x4: A 4 is 2.00 times (")
    assert big.startswith("1x8x64x64: B 64 is 3.00 times (")


def test_a_named_row_is_1_and_faster_ones_are_below():
    rows = [row("A", DRIFT), row("B", slower(DRIFT, 2)), row("C", slower(DRIFT, 4, seed=1))]
    against_b = found(rows, "B")
    assert against_b["A"].ratio == pytest.approx(0.5, rel=0.01)
    assert [against_b[each].verdict for each in "AC"] == ["faster", "slower"]
    (said,) = conclusions(with_relative(rows, "B"))
    assert said.startswith("A takes 0.50 (0.50 to 0.50) times as long as B; B is 2.00 times (")
    assert said.endswith("as fast as the next, C.")


def test_a_name_without_its_input_is_the_row_of_each_input():
    def of(name, side, times):
        shape = [[1, 8, side, side]]
        return row(f"{name} {side}", times, input=shape, factors={"input": [1, 8, side, side]})

    rows = [
        {**of(name, side, slower(DRIFT, by)), "label": f"{name} 1x8x{side}x{side}"}
        for name, side, by in (("A", 4, 1), ("B", 4, 2), ("A", 9, 5), ("B", 9, 20))
    ]
    made = [(each["label"], each["relative_to"]) for each in with_relative(rows, "A")]
    assert made == [
        ("A 1x8x4x4", "A 1x8x4x4"),
        ("B 1x8x4x4", "A 1x8x4x4"),
        ("A 1x8x9x9", "A 1x8x9x9"),
        ("B 1x8x9x9", "A 1x8x9x9"),
    ]


def test_a_named_row_that_failed_leaves_no_ratio_of_another():
    rows = with_relative(
        [row("A", DRIFT), row("B", slower(DRIFT, 2)), row("C", DRIFT, status="oom")]
    )
    assert all("relative" not in each for each in with_relative(rows, "C"))


def test_rows_that_are_not_told_apart_are_named():
    noise = random.Random(3)
    wild = [each * noise.uniform(0.6, 1.6) for each in DRIFT]
    rows = [
        row("A", DRIFT),
        row("B", slower(DRIFT, 1.004)),
        row("C", slower(DRIFT, 3)),
        row("D", wild),
    ]
    fastest, *_ = {each["relative_to"] for each in with_relative(rows)}
    (said,) = conclusions(with_relative(rows, "A"))
    assert fastest in "AD"
    assert "A is within 2 % of B; A and D are not surely different; A is 3.00 times (" in said


def test_equal_code_is_rarely_told_apart():
    """At p < 0.01 over the rows at most one comparison in a hundred has any call."""
    noise, called = random.Random(1), 0
    for _ in range(400):
        times = {
            name: [0.01 * noise.lognormvariate(0, 0.05) for _ in range(5)] for name in "ABCDEF"
        }
        called += any(each.verdict in ("slower", "faster") for each in against("A", times).values())
    assert called <= 10
