"""Digits: exact figures keep theirs, measured ones show what their interval supports."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records.quantities.quantity import fixed, half_width, percent, supported


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (52.374, 52.0, 52.8, "52.4"),  # half width 0.4: tenths
        (52.374, 48.0, 58.0, "52"),  # half width 5: ones
        (52.374, 30.0, 80.0, "50"),  # half width 25: tens
        (52.374, 0.0, 900.0, "50"),  # one digit always remains
        (0.0312345, 0.03120, 0.03126, "0.03123"),
        (52.374, 52.374, 52.374, "52"),  # no width, as of one sample: two digits
        (1234.5678, 1234.5677, 1234.5679, "1235"),
        (52.374, None, None, "52"),  # nothing known: two digits
        (0.0, 0.0, 0.0, "0"),
    ],
)
def test_measured_values_show_what_their_interval_supports(value, low, high, text):
    assert supported(value, low, high) == text


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-6, 1e6), st.floats(1e-5, 0.5))
def test_last_digit_is_never_finer_than_the_interval(value, share):
    half = share * value
    text = supported(value, value - half, value + half)
    # The place of the last digit shown: trailing zeros of a whole number are no digits.
    whole = len(text) - len(text.rstrip("0")) if "." not in text else None
    place = 10.0**whole if whole is not None else float(Decimal(1).scaleb(-len(text.split(".")[1])))
    assert place > half / 10 * 0.999
    assert len(text.replace(".", "").strip("0")) <= 4
    # Rounding moves the value by less than the interval does, so nothing true is lost.
    assert abs(float(text) - value) <= max(half, value / 2) * 1.001


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (618.58, 3, "618.580"),
        (0.009472, 3, "0.00947"),
        (-0.00012345, 1, "-0.000123"),
        (0, 3, "0"),
        (2307.31, 1, "2307.3"),
        (float("inf"), 3, "inf"),
    ],
)
def test_exact_figures(value, decimals, text):
    assert fixed(value, decimals) == text


@pytest.mark.parametrize(
    ("share", "text"), [(-0.0674, "-6.74"), (0.2298, "+22.98"), (-0.00001, "0.00"), (0, "0.00")]
)
def test_differences_in_per_cent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (1420.0, 1400.0, 1460.0, "40"),
        (1746.0, 1600.0, 1850.0, "200"),  # 1700 is shown: hundreds
        (52.374, 52.0, 52.8, "0.5"),  # the longer half, rounded up
        (1.4, 1.38, 1.44, "0.04"),  # what subtraction of binary numbers leaves is no width
        (52.374, 52.374, 52.374, ""),
        (52.374, None, None, ""),
        (0.0, -1.0, 1.0, ""),
    ],
)
def test_half_an_interval_ends_at_the_place_of_its_value(value, low, high, text):
    assert half_width(value, low, high) == text


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-6, 1e6), st.floats(0, 1, exclude_min=True), st.floats(0, 1, exclude_min=True))
def test_half_an_interval_covers_it_and_has_the_digits_of_the_value(value, below, above):
    low, high = value * (1 - below), value * (1 + above)
    text, shown = half_width(value, low, high), supported(value, low, high)
    if low == high:
        assert text == ""
        return
    half = Decimal(text)
    assert float(half) >= max(high - value, value - low) * (1 - 1e-9)
    assert Decimal(text).as_tuple().exponent == Decimal(shown).as_tuple().exponent
