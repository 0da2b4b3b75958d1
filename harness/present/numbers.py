"""Numbers as text: fixed decimals for exact figures, supported digits for measured ones."""

import math
from decimal import ROUND_HALF_EVEN, Decimal

# Figures below one keep this many significant digits, so that 0.00947 does not become 0.009.
SMALL_DIGITS = 3
# A measured value never shows more, however narrow its interval.
MOST_DIGITS = 4
# A measured value without an interval: what a single unreplicated timing can carry at most.
UNSUPPORTED_DIGITS = 2


def _place(value: float) -> int:
    """Exponent of ten of the leading digit: 1 for 52.4, -2 for 0.031."""
    return math.floor(math.log10(abs(value)))


def _quantized(value: float, exponent: int) -> str:
    rounded = Decimal(value).quantize(Decimal(1).scaleb(exponent), rounding=ROUND_HALF_EVEN)
    return f"{rounded:f}"


def fixed(value: float, decimals: int) -> str:
    """An exact figure with fixed decimals; below one, at least three significant digits."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if abs(value) < 1:
        decimals = max(decimals, SMALL_DIGITS - 1 - _place(value))
    return f"{value:.{decimals}f}"


def supported(value: float, low: float | None, high: float | None) -> str:
    """A measured value with no more digits than its interval supports.

    The last digit shown stands at the place of the leading digit of the interval's half width
    (JCGM 100:2008, 7.2.6: an uncertainty is given to one, at most two digits and the value to the
    same place). One digit always remains, and never more than `MOST_DIGITS` are shown. Without an
    interval, or with one of no width (a single sample), `UNSUPPORTED_DIGITS` remain.

    Args:
        value: the estimate.
        low: lower end of its interval, same unit.
        high: upper end of its interval, same unit.
    """
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    lead = _place(value)
    if low is None or high is None or low == high or not math.isfinite(high - low):
        return _quantized(value, lead - UNSUPPORTED_DIGITS + 1)
    exponent = max(lead - MOST_DIGITS + 1, _place(abs(high - low) / 2))
    return _quantized(value, min(exponent, lead))


def percent(share: float, decimals: int = 2) -> str:
    """A relative difference as signed per cent without its sign `%`; never `-0.00`."""
    text = f"{100 * share:+.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text
