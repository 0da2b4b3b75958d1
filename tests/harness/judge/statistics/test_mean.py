import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.intervals import mean_interval


def test_the_interval_of_a_textbook():
    # Student 1908, section IX: hours of sleep gained by drug B less A; t(9) = 2.262 for 95 %.
    gains = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = mean_interval(gains)
    assert found.mean == pytest.approx(1.58)
    assert found.high - found.mean == pytest.approx(2.262 * 1.230 / 10**0.5, rel=1e-3)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_one_value_has_no_interval():
    assert mean_interval([0.7]).mean == 0.7
    assert (mean_interval([0.7]).low, mean_interval([0.7]).high) == (None, None)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=6), st.floats(-5, 5), st.floats(0.1, 5))
def test_it_moves_and_stretches_with_the_values(values, shift, stretch):
    plain = mean_interval(values)
    moved = mean_interval([shift + stretch * value for value in values])
    assert moved.low == pytest.approx(shift + stretch * plain.low, abs=1e-6)
    assert moved.high == pytest.approx(shift + stretch * plain.high, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_it_covers_as_often_as_it_says(n):
    chance, covered, trials = random.Random(n), 0, 2000
    for _ in range(trials):
        found = mean_interval([chance.gauss(3, 2) for _ in range(n)], 0.9)
        covered += found.low <= 3 <= found.high
    assert abs(covered / trials - 0.9) < 3.5 * (0.9 * 0.1 / trials) ** 0.5


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError, match="finite"):
        mean_interval(values)
