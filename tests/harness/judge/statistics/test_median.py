"""The median's interval: against enumeration, against exact sums, and by simulation."""

import itertools
import random
import statistics
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.intervals import median_interval, quartiles

finite = st.floats(-1e6, 1e6)


def held(n, cut):
    """Probability that the median lies between x_(cut+1) and x_(n-cut), by enumeration."""
    sides = itertools.product((0, 1), repeat=n)
    good = sum(cut < sum(below) < n - cut for below in sides)
    return Fraction(good, 2**n)


HELD = {(n, cut): held(n, cut) for n in range(1, 13) for cut in range((n + 1) // 2)}


def best_cut(n, confidence):
    """The narrowest symmetric interval that reaches a confidence; the range if none does."""
    cuts = [cut for cut in range((n + 1) // 2) if HELD[n, cut] >= Fraction(confidence)]
    return max(cuts, default=0)


@given(
    st.lists(finite, min_size=1, max_size=12),
    st.sampled_from([0.5, 0.75, 0.8, 0.9, 0.95, 0.96875, 0.99, 0.999]),
)
@settings(deadline=None, max_examples=300)
def test_interval_of_few_samples_by_enumeration(samples, confidence):
    interval = median_interval(samples, confidence)
    ordered, n = sorted(samples), len(samples)
    cut = best_cut(n, confidence)
    assert (interval.low, interval.high) == (ordered[cut], ordered[n - 1 - cut])
    assert interval.confidence == float(HELD[n, cut])
    assert interval.median == statistics.median(samples)


@pytest.mark.parametrize("n", [31, 100, 399, 401, 1000, 3001])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_interval_of_many_samples_by_exact_sums(n, confidence):
    tail, cut = 0, -1  # of 2^n; cut is the largest with 2 P(B <= cut) <= 1 - confidence
    while Fraction(2 * (tail + comb(n, cut + 1)), 2**n) <= Fraction(1.0 - confidence):
        cut += 1
        tail += comb(n, cut)
    interval = median_interval([float(i) for i in range(n)], confidence)
    assert (interval.low, interval.high) == (cut, n - 1 - cut)
    assert interval.confidence == pytest.approx(1 - 2 * tail / 2**n, rel=1e-9)


def test_a_million_samples_do_not_overflow():
    n = 1_000_000
    interval = median_interval(range(n))
    half_width = 1.959964 * n**0.5 / 2  # normal approximation, exact to a rank or two here
    assert interval.low == pytest.approx(n / 2 - half_width, abs=3)
    assert interval.high == pytest.approx(n / 2 + half_width, abs=3)
    assert interval.confidence == pytest.approx(0.95, abs=1e-3)
    assert interval.confidence >= 0.95


NORMAL = statistics.NormalDist(10.0, 1.0)


def normal(source):
    return source.gauss(10.0, 1.0)


def lognormal(source):
    return source.lognormvariate(0.0, 1.0)


def bimodal(source):
    """Two clock frequencies: 40 % of the samples around 1, the others around 3."""
    return source.gauss(1.0 if source.random() < 0.4 else 3.0, 0.1)


# The bimodal median: 0.4 + 0.6 Phi((m - 3) / 0.1) = 0.5.
MEDIANS = {
    normal: 10.0,
    lognormal: 1.0,
    bimodal: 3.0 + 0.1 * statistics.NormalDist().inv_cdf(1 / 6),
}


@pytest.mark.parametrize("n", [6, 10, 31])
@pytest.mark.parametrize("draw", MEDIANS, ids=lambda draw: draw.__name__)
def test_coverage_by_simulation(draw, n):
    source = random.Random(f"{draw.__name__} {n}")
    trials, hits, confidence = 3000, 0, 0.0
    for _ in range(trials):
        interval = median_interval([draw(source) for _ in range(n)])
        hits += interval.low <= MEDIANS[draw] <= interval.high
        confidence = interval.confidence
    assert hits / trials >= 0.93
    # Not wider than it says, either: four standard errors of the simulation.
    error = (confidence * (1 - confidence) / trials) ** 0.5
    assert abs(hits / trials - confidence) < 4 * error


@given(st.lists(finite, min_size=1, max_size=60), st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=100)
def test_interval_holds_the_median_of_the_samples(samples, confidence):
    interval = median_interval(samples, confidence)
    assert min(samples) <= interval.low <= interval.median <= interval.high <= max(samples)
    assert 0.0 <= interval.confidence <= 1.0
    if len(samples) > 1 and 1 - confidence >= 2 * 0.5 ** len(samples):
        assert interval.confidence >= confidence - 1e-12


@pytest.mark.parametrize(
    ("n", "confidence"), [(1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)]
)
def test_too_few_samples_give_their_range_and_its_confidence(n, confidence):
    interval = median_interval(range(n))
    assert (interval.low, interval.high) == (0, n - 1)
    assert interval.confidence == confidence


def test_order_does_not_matter_and_input_is_kept():
    samples = [5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 7.0]
    before = list(samples)
    assert median_interval(samples) == median_interval(sorted(samples))
    assert samples == before


def test_equal_samples_have_an_interval_of_no_width():
    interval = median_interval([2.0] * 20)
    assert interval.low == interval.median == interval.high == 2.0


def test_even_number_of_samples_takes_the_middle():
    assert median_interval([1.0, 2.0, 4.0, 8.0]).median == 3.0


@pytest.mark.parametrize("empty", [[], ()])
def test_no_samples(empty):
    with pytest.raises(ValueError, match="at least one"):
        median_interval(empty)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([3.0], (3.0, 3.0)),
        ([1.0, 2.0], (1.25, 1.75)),
        ([1.0, 2.0, 3.0, 4.0, 5.0], (2.0, 4.0)),
        ([4.0, 1.0, 3.0, 2.0], (1.75, 3.25)),
    ],
)
def test_quartiles(samples, expected):
    assert quartiles(samples) == expected
