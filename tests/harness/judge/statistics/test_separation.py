import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.separation import separate, sizes
from harness.judge.statistics.significance import share_of_look

LOOKS = sizes(3, 12)
ROWS = st.dictionaries(
    st.sampled_from("ABCD"), st.lists(st.floats(0, 1), min_size=12, max_size=12), min_size=2
)


def drawn(chance, means, deviations, number=LOOKS[-1]):
    """Rows by number, of normal values."""
    both = enumerate(zip(means, deviations, strict=True))
    return {row: [chance.gauss(m, s) for _ in range(number)] for row, (m, s) in both}


def test_looks_are_known_beforehand():
    assert sizes(3, 12) == (3, 5, 8, 12)
    assert sizes(3, 10) == (3, 5, 8, 10)
    assert sizes(5, 5) == (5,)
    assert sizes(6, 2) == (6,)  # a limit takes away nothing that the suite asks for
    assert sum(map(share_of_look, range(200))) == pytest.approx(1)


def test_the_first_look_asks_for_what_every_row_lacks():
    found = separate({"A": [], "B": [0.1], "C": [0.1] * 3}, 0.01, LOOKS)
    assert found.lacking == {"A": 3, "B": 3}
    assert found.stopped == {}


def test_only_rows_of_an_open_pair_go_on():
    """A and B scatter around one another; C is far from both, and needs no more."""
    rows = {"A": [0.50, 0.52, 0.51], "B": [0.515, 0.505, 0.51], "C": [0.900, 0.9001, 0.9002]}
    found = separate(rows, 0.001, LOOKS)
    assert found.lacking == {"A": 5, "B": 5}
    ((name, stopped),) = found.stopped.items()
    assert (name, stopped.why, stopped.values) == ("C", "separated", 3)
    assert set(stopped.apart) == {"A", "B"}


def test_a_difference_that_is_known_well_enough_ends_a_pair():
    """Two judgements of the same trainings: each seed moves both alike."""
    rows = {"A": [0.40, 0.55, 0.70], "A, pruned": [0.4001, 0.5499, 0.7001]}
    found = separate(rows, 0.01, LOOKS)
    assert {stop.why for stop in found.stopped.values()} == {"narrow"}
    assert found.lacking == {}
    same = separate({"A": [0.4, 0.5, 0.6], "A again": [0.4, 0.5, 0.6]}, 0.01, LOOKS)
    assert {(stop.why, stop.values) for stop in same.stopped.values()} == {("narrow", 3)}


def test_rounds_end_at_the_limit():
    rows = {"A": [0.3, 0.7] * 6, "B": [0.7, 0.3] * 6, "C": [0.1 + n / 1e6 for n in range(12)]}
    found = separate(rows, 0.01, LOOKS)
    assert found.lacking == {}
    assert {name: stop.why for name, stop in found.stopped.items()} == {
        "A": "limit", "B": "limit", "C": "separated",
    }  # fmt: skip
    assert found.stopped["A"].apart == ("C",)


def test_a_row_alone_has_nothing_to_be_told_apart_from():
    assert separate({"A": [0.5] * 3}, 0.01, LOOKS).stopped["A"].why == "separated"


def test_rows_without_values_take_their_share_of_the_level():
    rows = {"A": [0.50, 0.51, 0.52], "B": [0.80, 0.82, 0.81]}
    assert separate(rows, 0.001, (3,)).stopped["A"].why == "separated"
    assert separate(rows, 0.001, (3,), rows=12).stopped["A"].why == "limit"


@given(ROWS, st.floats(0.001, 0.5), st.data())
@settings(deadline=None, max_examples=40)
def test_a_run_that_is_taken_up_has_the_same_rounds(rows, within, data):
    """From any number of values that are there already, in steps or at once."""
    there = {name: data.draw(st.integers(0, 12)) for name in rows}
    rounds = []
    while (found := separate({n: v[: there[n]] for n, v in rows.items()}, within, LOOKS)).lacking:
        assert all(size > there[name] and size in LOOKS for name, size in found.lacking.items())
        there.update(found.lacking)
        rounds.append(found.lacking)
    assert len(rounds) <= len(LOOKS) * len(rows)
    assert found == separate(rows, within, LOOKS)


def test_equal_rows_are_told_apart_seldom_however_often_one_looks():
    """Of grids of four equal rows with spreads up to tenfold at most 5 % have a false call."""
    chance, grids = random.Random(7), 400
    false = sum(
        any(stop.apart for stop in separate(rows, 0.0005, LOOKS).stopped.values())
        for rows in (drawn(chance, [0.7] * 4, [0.002, 0.005, 0.01, 0.02]) for _ in range(grids))
    )
    assert false / grids <= 0.05 + 2 * (0.05 * 0.95 / grids) ** 0.5


def test_rows_that_differ_are_told_apart_and_end_early():
    chance, early, apart = random.Random(8), 0, 0
    for _ in range(40):
        found = separate(drawn(chance, [0.6, 0.7, 0.8], [0.002] * 3), 0.001, LOOKS).stopped
        apart += all(stop.why == "separated" for stop in found.values())
        early += max(stop.values for stop in found.values()) < LOOKS[-1]
    assert apart == 40
    assert early >= 38
