"""Change points: the same as Apache Otava finds, and what holds for every series."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.change_points import ChangePoint, find_change_points

OTAVA = json.loads((Path(__file__).parent / "data" / "otava.json").read_text(encoding="utf-8"))
CASES = [pytest.param(case, id=f"{case['series']}-{case['window_len']}") for case in OTAVA["cases"]]


def ours(case, spread):
    return find_change_points(
        OTAVA["series"][case["series"]],
        window=case["window_len"],
        max_p=case["max_pvalue"],
        min_magnitude=case["min_magnitude"],
        spread=spread,
    )


@pytest.mark.parametrize("case", CASES)
def test_as_apache_otava_with_both_neighbours_judged_again(case):
    found, theirs = ours(case, "population"), case["both_neighbours"]
    assert [point.index for point in found] == [point["index"] for point in theirs]
    for point, their in zip(found, theirs, strict=True):
        assert point.p == pytest.approx(their["p"], rel=1e-9)
        assert point.mean_before == pytest.approx(their["mean_before"], rel=1e-12)
        assert point.mean_after == pytest.approx(their["mean_after"], rel=1e-12)


def test_apache_otava_as_released_differs_only_where_it_keeps_stale_neighbours():
    """At its own usual settings nothing differs; `make_otava_fixture.py` says what is stale."""
    same = [
        [point.index for point in ours(case, "population")]
        == [point["index"] for point in case["as_released"]]
        for case in OTAVA["cases"]
    ]
    usual = [case["window_len"] == 50 for case in OTAVA["cases"]]
    assert all(s for s, u in zip(same, usual, strict=True) if u)
    assert sum(same) == 30
    assert len(same) == 36


@pytest.mark.parametrize("case", [case for case in CASES if case.values[0]["window_len"] == 50])
def test_the_test_of_student_finds_no_more_than_otava(case):
    found = {point.index for point in ours(case, "sample")}
    assert found <= {point["index"] for point in case["both_neighbours"]}
    assert len(found) >= len(case["both_neighbours"]) - 1


def noise(seed, n, stdev=0.01):
    draw = random.Random(seed)
    return [1 + draw.gauss(0, stdev) for _ in range(n)]


def test_noise_alone_seldom_has_a_change():
    """Rates of 4,000 series were 3.7 % and 0.9 %: three standard deviations more of 200 fail."""
    series = [noise(seed, 100) for seed in range(200)]
    assert sum(bool(find_change_points(each)) for each in series) <= 0.077 * 200
    assert sum(bool(find_change_points(each, min_magnitude=0.02)) for each in series) <= 0.03 * 200


@pytest.mark.parametrize(("step", "after", "least"), [(0.03, 5, 0.85), (0.05, 5, 0.98)])
def test_a_step_is_found_after_a_few_values(step, after, least):
    hits = 0
    for seed in range(60):
        values = noise(seed, 60 + after)
        values[60:] = [value * (1 + step) for value in values[60:]]
        found = find_change_points(values, min_magnitude=0.02)
        hits += any(abs(point.index - 60) <= 1 for point in found)
    assert hits >= least * 60


def test_an_exact_step_is_found_exactly():
    (point,) = find_change_points([2.0] * 10 + [3.0] * 8)
    assert point == ChangePoint(10, 2.0, 3.0, 0.0, 0.0, 0.0)
    assert point.change == pytest.approx(0.5)
    assert point.magnitude == pytest.approx(0.5)


def test_magnitude_is_the_same_in_both_directions():
    assert ChangePoint(1, 2.0, 3.0, 0, 0, 0).magnitude == pytest.approx(0.5)
    assert ChangePoint(1, 3.0, 2.0, 0, 0, 0).magnitude == pytest.approx(0.5)
    assert ChangePoint(1, 0.0, 3.0, 0, 0, 0).magnitude == float("inf")
    assert ChangePoint(1, 0.0, 0.0, 0, 0, 0).magnitude == 0


def test_a_level_that_comes_back_is_two_changes():
    values = noise(3, 40) + [1.2 * value for value in noise(4, 12)] + noise(5, 40)
    assert [p.index for p in find_change_points(values, min_magnitude=0.02)] == [40, 52]


SERIES = st.lists(st.floats(0.5, 2.0), max_size=80)


@settings(deadline=None, max_examples=60)
@given(SERIES, st.integers(2, 60), st.sampled_from([0.001, 0.05]), st.sampled_from([0.0, 0.1]))
def test_points_hold_what_was_asked_and_describe_the_parts_between_them(
    values, window, max_p, least
):
    found = find_change_points(values, window=window, max_p=max_p, min_magnitude=least)
    ends = [0, *(point.index for point in found), len(values)]
    assert all(a < b for a, b in pairwise(ends)) or not found
    for point, (a, b), (_, c) in zip(found, pairwise(ends), pairwise(ends[1:]), strict=False):
        assert point.p < max_p
        assert point.magnitude > least
        assert point.mean_before == pytest.approx(sum(values[a:b]) / (b - a))
        assert point.mean_after == pytest.approx(sum(values[b:c]) / (c - b))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 90), st.sampled_from([1e-6, 0.37, 4096.0, 1e9]))
def test_the_unit_does_not_matter(seed, n, factor):
    draw = random.Random(seed)
    steps = [draw.choice((1.0, 1.1, 1.3)) for _ in range(n // 15 + 1)]
    values = [steps[k // 15] * (1 + draw.gauss(0, 0.02)) for k in range(n)]
    found = find_change_points(values)
    scaled = find_change_points([value * factor for value in values])
    assert [point.index for point in scaled] == [point.index for point in found]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0] * 50])
def test_nothing_to_find(values):
    assert find_change_points(values) == ()


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1.0, float("nan")], {}),
        ([[1.0], [2.0]], {}),
        ([1.0], {"window": 1}),
        ([1.0], {"max_p": 0.0}),
        ([1.0], {"min_magnitude": -0.1}),
    ],
)
def test_what_is_no_series_is_refused(values, options):
    with pytest.raises(ValueError, match=r"needed|finite"):
        find_change_points(values, **options)
