"""A quantity: a value that tables, plots and comparisons read out of a row; numbers as text."""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

from harness.measure.convention import ConventionSpec
from harness.measure.metric import Unit, Value, unit

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Quantity(Value):
    """A value of a row, stored or made of stored ones, and how it is read."""

    # its value in a row, in SI base units; `None` if not measured
    read: Callable[[Row], Any] = field(kw_only=True, repr=False)
    # its interval in SI base units, for quantities derived from measured ones
    spread: Callable[[Row], tuple[float, float] | None] | None = field(default=None, repr=False)
    # what "FLOPs" means for this one; `None`: what the suite says
    convention: ConventionSpec | None = None

    def usual_unit(self, convention: ConventionSpec) -> Unit:
        """The unit in which it is shown when nothing else is asked for."""
        if self.unit is None:
            counted = self.convention or convention
            return Unit(counted.unit_name, counted.unit)
        return unit(self.unit, self.dimension)

    def titled(self, shown: Unit, convention: ConventionSpec) -> str:
        """Head with unit; the convention is named where the unit does not say it."""
        name = shown.name
        convention = self.convention or convention
        if self.unit is None and convention.name not in name.casefold():
            name = f"{name}, {convention.name}" if name != "1" else convention.name
        return with_unit(self.head, name)

    def number(self, row: Row) -> float | None:
        """Its value as a number; `None` for text, truth values, infinities and what is absent."""
        value = self.read(row)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value if abs(value) <= sys.float_info.max else None

    @property
    def has_interval(self) -> bool:
        """Whether rows can hold an interval of it."""
        return self.interval is not None or self.spread is not None

    def bounds(self, row: Row) -> tuple[float, float] | None:
        """Ends of its interval in SI base units; `None` where the row has none."""
        if self.spread is not None:
            return self.spread(row)
        if self.interval is None:
            return None
        low, high = (row.get(name) for name in self.interval)
        return None if low is None or high is None else (low, high)

    def sampled(self, row: Row) -> tuple[int, int] | None:
        """How many samples its interval is of, and from how many on rows can be compared."""
        lists = ((row.get(name), least) for name, least in self.samples)
        return next(((len(values), least) for values, least in lists if values), None)

    def compared_number(self, row: Row) -> float | None:
        """Its value as runs are compared in it; `None` where it is no measurement."""
        refused = self.compared_if is not None and row.get(self.compared_if) is False
        return None if refused else self.number(row)


# Figures below one keep this many significant digits, so that 0.00947 does not become 0.009.
SMALL_DIGITS = 3
# A measured value never shows more, however narrow its interval.
MOST_DIGITS = 4
# A measured value without an interval: what a single unreplicated timing can carry at most.
UNSUPPORTED_DIGITS = 2


def _leading(value: float) -> int:
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
        decimals = max(decimals, SMALL_DIGITS - 1 - _leading(value))
    return f"{value:.{decimals}f}"


def supported(value: float, low: float | None, high: float | None) -> str:
    """A measured value with no more digits than its interval supports.

    The last digit shown stands at the place of the leading digit of the interval's half width
    (JCGM 100:2008, 7.2.6: an uncertainty is given to one, at most two digits and the value to the
    same place). One digit always remains, and never more than `MOST_DIGITS` are shown. Without an
    interval, or with one of no width (a single sample), `UNSUPPORTED_DIGITS` remain.

    Args:
        low: lower end of its interval, same unit.
        high: upper end of its interval, same unit.
    """
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    return _quantized(value, _last_place(value, low, high))


def _last_place(value: float, low: float | None, high: float | None) -> int:
    """Exponent of ten of the last digit that an interval supports."""
    lead = _leading(value)
    if low is None or high is None or low == high or not math.isfinite(high - low):
        return lead - UNSUPPORTED_DIGITS + 1
    return min(max(lead - MOST_DIGITS + 1, _leading(abs(high - low) / 2)), lead)


def half_width(value: float, low: float | None, high: float | None) -> str:
    """The longer half of an interval, to the last place of the `supported` value; or nothing.

    Rounded up: what is said covers the interval, of values as narrow as `MOST_DIGITS` can show.
    """
    if value == 0 or low is None or high is None or low == high:
        return ""
    if not math.isfinite(value) or not math.isfinite(high - low):
        return ""
    place = Decimal(1).scaleb(_last_place(value, low, high))
    half = Decimal(f"{max(high - value, value - low):.10g}")  # of what subtraction leaves, nothing
    return f"{half.quantize(place, rounding=ROUND_CEILING):f}"


_LOPSIDED = 10.0
"""From which ratio of its halves on an interval is said by its ends."""

_SLIGHT = 0.05
"""Up to which share of a value the longer half of its interval says enough."""


def is_lopsided(value: float, low: float, high: float) -> bool:
    """Whether half an interval is much shorter than the other one, so that `±` would mislead."""
    shorter, longer = sorted((value - low, high - value))
    return longer > _SLIGHT * abs(value) and longer > _LOPSIDED * max(shorter, 0.0)


def ends(value: float, low: float, high: float) -> str:
    """The ends of an interval, rounded outwards to the last place of the `supported` value."""
    place = Decimal(1).scaleb(_last_place(value, low, high))
    texts = [
        f"{Decimal(f'{end:.10g}').quantize(place, rounding=way):f}"
        for end, way in ((low, ROUND_FLOOR), (high, ROUND_CEILING))
    ]
    return "–".join(texts)


def percent(share: float, decimals: int = 2) -> str:
    """A relative difference as signed per cent without its sign `%`; never `-0.00`."""
    text = f"{100 * share:+.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def with_unit(head: str, name: str) -> str:
    """A head with its unit; plain counts and ratios have none to name."""
    if name in ("1", ""):
        return head
    return f"{head}, {name}" if "(" in name else f"{head} ({name})"
