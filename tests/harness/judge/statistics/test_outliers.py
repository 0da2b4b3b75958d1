"""Outliers: the cut in robust standard deviations, and what must not change it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.intervals import THRESHOLD, outliers

# Median 100, median absolute deviation 1: one robust standard deviation is 1 / 0.6745.
AROUND_100 = [98.0, 99.0, 99.0, 100.0, 100.0, 100.0, 101.0, 101.0, 102.0]
STDEV = 1 / 0.6745

TIMES = st.lists(st.integers(1, 10**6).map(float), min_size=3, max_size=40)


@pytest.mark.parametrize(("off", "found"), [(9.9, []), (10.1, [9]), (-10.1, [9])])
def test_the_cut_is_ten_robust_standard_deviations(off, found):
    # The added sample moves neither the median nor the median deviation.
    assert THRESHOLD == 10.0
    assert outliers([*AROUND_100, 100.0 + off * STDEV]) == found


def test_equal_samples_have_no_outliers():
    assert outliers([0.5] * 20) == []


def test_one_other_among_equal_samples_is_judged_by_the_mean_deviation():
    # Mean absolute deviation of one in n at distance d is d / n, so the cut is 10 x 1.2533 d / n.
    assert outliers([1.0] * 19 + [2.0]) == [19]
    assert outliers([1.0] * 9 + [2.0]) == []


@pytest.mark.parametrize("few", [[], [1.0], [1.0, 1000.0]])
def test_two_samples_say_nothing_about_a_third(few):
    assert outliers(few) == []


@settings(deadline=None, max_examples=60)
@given(TIMES, st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_unit_does_not_matter(samples, factor):
    assert outliers([factor * sample for sample in samples]) == outliers(samples)


@settings(deadline=None, max_examples=60)
@given(TIMES)
def test_never_half_of_the_samples(samples):
    found = outliers(samples)
    assert len(found) <= len(samples) // 2
    assert all(0 <= index < len(samples) for index in found)


@settings(deadline=None, max_examples=60)
@given(TIMES)
def test_a_larger_threshold_finds_no_more(samples):
    assert set(outliers(samples, 20.0)) <= set(outliers(samples, 5.0))
