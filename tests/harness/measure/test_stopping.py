"""Stopping criteria: interchangeable, and each says what it still waits for."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.sampling import (
    FixedCount,
    RelativeStdev,
    RunningMoments,
    SettledNoise,
    TimeBudget,
)


def fed(criterion, samples):
    for sample in samples:
        criterion.add(sample)
    return criterion


def stops_after(criterion, samples):
    """How many samples the criterion took; `None` if all were too few."""
    for taken, sample in enumerate(samples, 1):
        criterion.add(sample)
        if criterion.finished():
            return taken
    return None


@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=50))
@settings(deadline=None, max_examples=50)
def test_moments_without_keeping_samples(values):
    moments = fed(RunningMoments(), values)
    assert moments.count == len(values)
    assert moments.total == pytest.approx(sum(values))
    assert moments.mean == pytest.approx(statistics.fmean(values))
    expected = statistics.stdev(values) / statistics.fmean(values)
    assert moments.relative_stdev == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_spread_of_one_sample_is_unknown():
    assert fed(RunningMoments(), [1.0]).relative_stdev == float("inf")


@pytest.mark.parametrize("kind", [RelativeStdev, SettledNoise])
def test_steady_samples_stop_at_the_minimum_count(kind):
    assert stops_after(kind(), [0.1] * 50) == 10


@pytest.mark.parametrize("kind", [RelativeStdev, SettledNoise])
def test_short_samples_go_on_until_half_a_second(kind):
    # Exact in binary, so that the sum reaches half a second at the 128th sample.
    assert stops_after(kind(), [2.0**-8] * 500) == 128


def test_spread_beyond_the_limit_never_stops():
    assert stops_after(RelativeStdev(), [1.0, 1.1] * 500) is None


def test_spread_shrinks_below_the_limit():
    # One outlier among ones: stdev / mean is about 0.1 / sqrt(n), below 0.5 % from n = 401 on.
    samples = [1.1] + [1.0] * 600
    taken = stops_after(RelativeStdev(), samples)
    assert statistics.stdev(samples[:taken]) / statistics.fmean(samples[:taken]) < 0.005
    before = samples[: taken - 1]
    assert statistics.stdev(before) / statistics.fmean(before) >= 0.005


def test_noise_that_has_settled_stops_too():
    """A steady 5 % of noise: more samples cannot lower it.

    The noise is 5 % from the second sample on; 64 values of it, checked at every 16th sample, are
    complete at the 80th.
    """
    assert stops_after(SettledNoise(), [1.0, 1.0732] + [1.1, 1.0] * 500) == 80


def test_noise_that_still_grows_does_not_stop():
    assert stops_after(SettledNoise(), [1.05**i for i in range(200)]) is None


@pytest.mark.parametrize(
    ("samples", "unmet"),
    [
        ([1.0] * 3, "3 of 10 samples"),
        ([0.01] * 20, "0.2 of 0.5 s sampled"),
        ([1.0, 2.0] * 10, "relative stdev 34.20%, wanted below 0.50%"),
    ],
)
@pytest.mark.parametrize("kind", [RelativeStdev, SettledNoise])
def test_first_unmet_condition_is_named(kind, samples, unmet):
    criterion = fed(kind(), samples)
    assert not criterion.finished()
    assert criterion.unmet() == unmet


def test_fixed_count():
    assert stops_after(FixedCount(7), [1.0] * 20) == 7
    assert fed(FixedCount(7), [1.0] * 2).unmet() == "2 of 7 samples"


def test_time_budget():
    assert stops_after(TimeBudget(2.0), [0.5] * 20) == 4
    assert fed(TimeBudget(2.0), [0.5]).unmet() == "0.5 of 2 s sampled"
