"""Welch's test on logarithms against a published example, and its interval by simulation."""

import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.judge.statistics.significance import welch

# Hours of sleep that two soporific drugs added (Student 1908, "The Probable Error of a Mean"). R's
# documentation of t.test has t = -1.8608, df = 17.776, p = 0.07939 and an interval of the
# difference from -3.3654832 to 0.2054832 for them.
FIRST = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)

positive = st.floats(min_value=1e-6, max_value=1e3)
groups = st.lists(positive, min_size=2, max_size=8)


def test_the_sleep_data():
    found = welch([math.exp(x) for x in SECOND], [math.exp(x) for x in FIRST])
    assert math.log(found.ratio) / found.stderr == pytest.approx(-1.8608, abs=5e-5)
    assert found.freedom == pytest.approx(17.776, abs=5e-4)
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert math.log(found.low) == pytest.approx(-3.3654832, abs=5e-8)
    assert math.log(found.high) == pytest.approx(0.2054832, abs=5e-8)


@settings(deadline=None, max_examples=100)
@given(a=groups, b=groups)
def test_the_ratio_lies_in_its_interval_and_exchanging_sides_inverts_it(a, b):
    there, back = welch(a, b), welch(b, a)
    assert there.low <= there.ratio <= there.high
    assert 0 <= there.p <= 1
    assert back.p == pytest.approx(there.p, rel=1e-9, abs=1e-12)
    assert back.ratio == pytest.approx(1 / there.ratio, rel=1e-9)


@settings(deadline=None, max_examples=100)
@given(a=groups, b=groups, unit=st.floats(min_value=1e-3, max_value=1e3))
def test_the_unit_does_not_matter(a, b, unit):
    there = welch(a, b)
    assume(there.stderr > 1e-9)  # else nothing but rounding spreads
    scaled = welch([x * unit for x in a], [x * unit for x in b])
    assert scaled.ratio == pytest.approx(there.ratio, rel=1e-9)
    assert scaled.p == pytest.approx(there.p, rel=1e-5, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(a=groups, b=groups)
def test_p_below_five_percent_is_an_interval_without_one(a, b):
    found = welch(a, b)
    if abs(found.p - 0.05) > 1e-6:
        assert (found.p < 0.05) == (not found.low <= 1 <= found.high)


@pytest.mark.parametrize("spread_b", [0.01, 0.05])
def test_the_interval_covers_the_true_ratio(spread_b):
    draw = random.Random(20)
    rounds, covered = 1000, 0
    for _ in range(rounds):
        a = [math.exp(draw.gauss(0, 0.01)) for _ in range(5)]
        b = [1.03 * math.exp(draw.gauss(0, spread_b)) for _ in range(5)]
        found = welch(a, b)
        covered += found.low <= 1.03 <= found.high
    # 95 % with a standard deviation of 0.7 %; Welch's approximation itself errs by less than 1 %.
    assert 0.93 <= covered / rounds <= 0.975


def test_no_spread_at_all():
    assert welch([2.0, 2.0], [2.0, 2.0, 2.0]).p == 1
    found = welch([2.0, 2.0], [3.0, 3.0])
    assert (found.p, found.low) == (0, found.high)
    assert found.ratio == pytest.approx(1.5)


def test_wild_noise_has_an_end_beyond_floats_and_no_error():
    found = welch([1e-300, 1e300], [1e-300, 1e299])
    assert found.high == math.inf
    assert found.low == 0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1.0], [1.0, 2.0], "at least 2"),
        ([1.0, 0.0], [1.0, 2.0], "positive"),
        ([1.0, math.nan], [1.0, 2.0], "positive"),
        ([1.0, math.inf], [1.0, 2.0], "positive"),
    ],
)
def test_refuses(a, b, message):
    with pytest.raises(ValueError, match=message):
        welch(a, b)
