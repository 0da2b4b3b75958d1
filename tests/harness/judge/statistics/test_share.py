import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.statistics.share import Share


def test_the_interval_of_wilson():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert (Share(81, 263).low, Share(81, 263).high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (Share(0, 20).low, Share(0, 20).high) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert (Share(1, 29).low, Share(1, 29).high) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_hits_and_misses_mirror_each_other(hits, misses):
    one, other = Share(hits, hits + misses), Share(misses, hits + misses)
    assert one.low == pytest.approx(1 - other.high)
    assert 0 <= one.low <= one.high <= 1


def test_nothing_says_nothing():
    nothing = Share(0, 0)
    assert math.isnan(nothing.share)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def test_the_interval_covers():
    draw = random.Random(0)
    for p in (0.01, 0.1, 0.5):
        hits = [sum(draw.random() < p for _ in range(200)) for _ in range(1000)]
        found = [Share(each, 200) for each in hits]
        assert sum(each.low <= p <= each.high for each in found) >= 920


def test_more_hits_than_chance_allows():
    assert [Share(hits, 3).exceeds(0.01) for hits in range(4)] == [False, False, True, True]
    assert not Share(20, 1000).exceeds(0.01)
    assert Share(22, 1000).exceeds(0.01)
    assert Share(5500, 10_000).exceeds(0.5)
    assert Share(30, 100).rest == Share(70, 100)
