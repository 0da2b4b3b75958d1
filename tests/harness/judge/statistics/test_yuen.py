import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.significance import critical_t, welch, yuen


def written_out(values, cut):
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
    mean, stderr = written_out(values, cut)
    made = yuen(values)
    freedom = len(values) - 2 * cut - 1
    assert math.log(made.ratio) == pytest.approx(mean, abs=1e-12)
    assert made.stderr == pytest.approx(stderr, rel=1e-9, abs=1e-12)
    if stderr > 0:
        assert made.freedom == freedom
    half = critical_t(0.05, freedom) * stderr
    assert math.log(made.low) == pytest.approx(mean - half, abs=1e-9)
    assert math.log(made.high) == pytest.approx(mean + half, abs=1e-9)


def test_a_known_example():
    # By hand: cut 1 of 5 at each end, kept 2 3 4, winsorised 2 2 3 4 4 with sum of squares 4.
    made = yuen([1.0, 2.0, 3.0, 4.0, 100.0])
    assert math.log(made.ratio) == pytest.approx(3.0)
    assert made.stderr == pytest.approx(math.sqrt(4 / (3 * 2)))
    assert made.freedom == 2


def test_a_wild_value_costs_no_power():
    quiet = [0.051, 0.049, 0.050, 0.052, 0.048, 0.050, 0.049, 0.051, 0.050, 0.050, 0.051, 0.049]
    wild = [*quiet[:-1], -0.6]
    ones = [1.0] * len(wild)
    assert welch(ones, [math.exp(v) for v in wild]).p > 0.5
    assert yuen(wild).p < 1e-6


def test_few_values_are_all_kept_and_the_test_is_that_of_student():
    """Against a group that does not spread, Welch's test is Student's of the other one."""
    values = [0.2, 0.1, 0.4, 0.3]
    made, student = yuen(values), welch([1.0] * 4, [math.exp(v) for v in values])
    assert made.freedom == student.freedom == 3
    for found, expected in zip(vars(made).values(), vars(student).values(), strict=True):
        assert found == pytest.approx(expected, rel=1e-12)


def test_pairs_that_do_not_spread():
    assert yuen([0.0] * 10).p == 1
    made = yuen([0.5] * 10)
    assert (made.p, made.low, made.high) == (0, made.ratio, made.ratio)
    assert made.ratio == pytest.approx(math.exp(0.5))


@pytest.mark.parametrize(
    ("values", "share"), [([], 0.2), ([1.0], 0.2), ([1.0] * 9, 0.5), ([1.0] * 9, -0.1)]
)
def test_what_cannot_be_yuen(values, share):
    with pytest.raises(ValueError, match="trimming needs"):
        yuen(values, share)
