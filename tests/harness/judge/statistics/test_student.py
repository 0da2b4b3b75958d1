"""Student's distribution against printed tables, closed forms and integration of its density."""

import math
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.significance import critical_t, two_sided_p

# Abramowitz and Stegun 1964, table 26.10, percentage points of the t distribution: three decimals.
PRINTED = {
    0.05: {1: 12.706, 2: 4.303, 5: 2.571, 10: 2.228, 30: 2.042, 60: 2.000, 120: 1.980},
    0.01: {1: 63.657, 2: 9.925, 5: 4.032, 10: 3.169, 30: 2.750, 60: 2.660, 120: 2.617},
}

freedoms = st.floats(min_value=0.5, max_value=1e4)
ts = st.floats(min_value=0, max_value=1e4)


@pytest.mark.parametrize(
    ("p", "freedom", "t"), [(p, f, t) for p, row in PRINTED.items() for f, t in row.items()]
)
def test_printed_percentage_points(p, freedom, t):
    assert critical_t(p, freedom) == pytest.approx(t, abs=5.01e-4)


@settings(deadline=None, max_examples=50)
@given(t=st.floats(min_value=1e-6, max_value=1e9))
def test_one_and_two_degrees_have_closed_forms(t):
    assert two_sided_p(t, 1) == pytest.approx(2 / math.pi * math.atan2(1, t), rel=1e-12)
    root = math.sqrt(2 + t * t)
    assert two_sided_p(t, 2) == pytest.approx(2 / (root * (root + t)), rel=1e-12)


def central_probability(t, freedom):
    """Of -t to t: the finite sums 26.7.3 and 26.7.4 of Abramowitz and Stegun 1964."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


@settings(deadline=None, max_examples=50)
@given(t=st.floats(min_value=0, max_value=30), freedom=st.integers(1, 200))
def test_whole_degrees_are_the_finite_sums(t, freedom):
    assert two_sided_p(t, freedom) == pytest.approx(1 - central_probability(t, freedom), abs=1e-11)


@settings(deadline=None, max_examples=20)
@given(t=st.floats(min_value=0.01, max_value=8), freedom=st.floats(min_value=0.7, max_value=60))
def test_fractional_degrees_are_the_integral_of_the_density(t, freedom):
    front = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    front /= math.sqrt(freedom * math.pi)

    def density(x):
        return front * (1 + x * x / freedom) ** (-(freedom + 1) / 2)

    steps = 2000
    h = t / steps
    inner = sum((4 if i % 2 else 2) * density(i * h) for i in range(1, steps))
    central = 2 * h / 3 * (density(0) + inner + density(t))  # Simpson's rule, both sides
    assert two_sided_p(t, freedom) == pytest.approx(1 - central, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(t=ts, freedom=freedoms)
def test_symmetric_falling_and_a_probability(t, freedom):
    p = two_sided_p(t, freedom)
    assert 0 <= p <= 1
    assert two_sided_p(-t, freedom) == p
    assert two_sided_p(t + 0.5, freedom) <= p


@settings(deadline=None, max_examples=50)
@given(p=st.floats(min_value=1e-9, max_value=0.999), freedom=freedoms)
def test_critical_t_inverts(p, freedom):
    assert two_sided_p(critical_t(p, freedom), freedom) == pytest.approx(p, rel=1e-8)


@pytest.mark.parametrize("t", [0.5, 1.96, 4.0, 6.0])
def test_many_degrees_are_normal(t):
    assert two_sided_p(t, 1e9) == pytest.approx(2 * NormalDist().cdf(-t), rel=1e-6)


def test_far_tails_keep_their_digits():
    assert two_sided_p(1e6, 2) == pytest.approx(1e-12, rel=1e-9)
    assert two_sided_p(1e200, 5) == two_sided_p(math.inf, 5) == 0
    assert two_sided_p(0, 3.5) == 1


@pytest.mark.parametrize(
    "arguments", [(math.nan, 2), (1, 0), (1, -3), (1, math.inf), (1, math.nan)]
)
def test_p_refuses(arguments):
    with pytest.raises(ValueError, match="degrees"):
        two_sided_p(*arguments)


@pytest.mark.parametrize("p", [0, 1, -0.1, math.nan])
def test_critical_t_refuses(p):
    with pytest.raises(ValueError, match="probability"):
        critical_t(p, 3)
