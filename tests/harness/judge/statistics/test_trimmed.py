import math
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.intervals import trimmed
from harness.judge.statistics.significance import welch


def yuen(values, cut):
    """Trimmed mean and its standard error, written out as Yuen 1974 does."""
    ordered = sorted(values)
    n = len(ordered)
    h = n - 2 * cut
    kept = ordered[cut : n - cut]
    winsorised = [kept[0]] * cut + kept + [kept[-1]] * cut
    mean_w = sum(winsorised) / n
    squares = sum((value - mean_w) ** 2 for value in winsorised)
    return sum(kept) / h, math.sqrt(squares / (h * (h - 1)))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1, 1, width=32), min_size=5, max_size=40, unique=True))
def test_mean_and_standard_error_are_those_of_yuen(values):
    cut = math.floor(0.2 * len(values))
    mean, stderr = yuen(values, cut)
    made = trimmed(values)
    assert len(made) == len(values) - 2 * cut
    assert fmean(made) == pytest.approx(mean, abs=1e-12)
    assert stdev(made) / math.sqrt(len(made)) == pytest.approx(stderr, rel=1e-9, abs=1e-12)


def test_a_known_example():
    # By hand: cut 1 of 5 at each end, kept 2 3 4, winsorised 2 2 3 4 4 with sum of squares 4.
    made = trimmed([1.0, 2.0, 3.0, 4.0, 100.0])
    assert fmean(made) == pytest.approx(3.0)
    assert stdev(made) / math.sqrt(3) == pytest.approx(math.sqrt(4 / (3 * 2)))


def test_a_wild_value_costs_no_power():
    quiet = [0.051, 0.049, 0.050, 0.052, 0.048, 0.050, 0.049, 0.051, 0.050, 0.050, 0.051, 0.049]
    wild = [*quiet[:-1], -0.6]
    ones = [1.0] * len(wild)
    assert welch(ones, [math.exp(v) for v in wild]).p > 0.5
    cleaned = [math.exp(v) for v in trimmed(wild)]
    assert welch(ones[: len(cleaned)], cleaned).p < 1e-6


def test_few_values_stay_as_they_are():
    assert trimmed([2.0, 1.0, 4.0, 3.0]) == [1.0, 2.0, 3.0, 4.0]
    assert trimmed([5.0] * 10) == [5.0] * 6


@pytest.mark.parametrize(("values", "share"), [([], 0.2), ([1.0], 0.5), ([1.0], -0.1)])
def test_what_cannot_be_trimmed(values, share):
    with pytest.raises(ValueError, match="trimming needs"):
        trimmed(values, share)
