"""Power laws: exponents that are put in come out, and a second term is seen."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.judge.statistics.power_law import fit_power_law

SIZES = st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True)


@settings(deadline=None, max_examples=100)
@given(SIZES, st.floats(-3, 4), st.floats(1e-6, 1e6))
def test_an_exact_law_gives_its_exponent(sizes, exponent, factor):
    assume(max(sizes) >= 1.1 * min(sizes))
    law = fit_power_law(sizes, [factor * size**exponent for size in sizes])
    assert law.exponent == pytest.approx(exponent, abs=1e-8)
    assert (law.smallest, law.largest, law.points) == (min(sizes), max(sizes), len(sizes))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.floats(1, 1e6), min_size=3, max_size=8, unique=True),
    st.data(),
    st.floats(1e-3, 1e3),
    st.floats(1e-3, 1e3),
)
def test_units_do_not_matter_and_the_exponent_lies_between_the_slopes(x, data, of_x, of_y):
    assume(all(abs(math.log(a / b)) > 1e-3 for a in x for b in x if a != b))
    y = data.draw(st.lists(st.floats(1e-3, 1e3), min_size=len(x), max_size=len(x)))
    law = fit_power_law(x, y)
    scaled = fit_power_law([each * of_x for each in x], [each * of_y for each in y])
    assert scaled.exponent == pytest.approx(law.exponent, rel=1e-6, abs=1e-6)
    points = sorted((math.log(a), math.log(b)) for a, b in zip(x, y, strict=True))
    slopes = [(v1 - v0) / (u1 - u0) for (u0, v0), (u1, v1) in pairwise(points)]
    slack = 1e-9 * (1 + abs(law.exponent))
    assert min(slopes) - slack <= law.exponent <= max(slopes) + slack


def test_against_numbers_worked_out_by_hand():
    # log2: u = 0, 1, 2; v = 0, 1, 3. Slope 3 / 2.
    law = fit_power_law([1, 2, 4], [1, 2, 8])
    assert law.exponent == pytest.approx(1.5)


def test_a_lower_term_shows_in_the_exponent():
    sizes = [2**k for k in range(4, 12)]
    assert 1.1 < fit_power_law(sizes, [n**2 + 100 * n for n in sizes]).exponent < 1.9


def test_several_values_at_one_size_are_one_point():
    law = fit_power_law([10, 10, 100], [1, 4, 20])
    assert law.points == 2
    assert law.exponent == pytest.approx(1.0)  # the geometric mean of 1 and 4 is 2


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [1], "as many"),
        ([], [], "two different"),
        ([3, 3], [1, 2], "two different"),
        ([1, 2], [0, 1], "positive"),
        ([0, 2], [1, 1], "positive"),
        ([1, 2], [1, math.inf], "finite"),
        ([1, math.nan], [1, 1], "positive"),
    ],
)
def test_what_has_no_exponent_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        fit_power_law(x, y)
