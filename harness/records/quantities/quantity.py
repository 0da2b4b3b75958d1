"""A quantity: one thing that a row holds, with dimension, head and usual unit."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from harness.measure.convention import ConventionSpec
from harness.messages import HarnessError, hint

# Numbers as text: fixed decimals for exact figures, supported digits for measured ones.

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


# Units: the names by which papers and tables scale stored SI base values.

Dimension = Literal[
    "operations",
    "count",
    "bytes",
    "seconds",
    "ratio",
    "pixels",
    "text",
    "intensity",
    "bandwidth",
    "energy",
    "power",
]

_DECIMAL = {"1": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

# MB is 10^6 bytes and MiB 2^20, always: the 4.9 % between them decides verdicts.
UNITS: Mapping[Dimension, Mapping[str, float]] = {
    "operations": _DECIMAL | _BINARY,
    "count": _DECIMAL | _BINARY,
    "bytes": {
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
    },
    "seconds": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "ratio": {"1": 1.0, "%": 0.01},
    "pixels": {"px": 1.0},
    "text": {"1": 1.0},
    "intensity": {"FLOP/B": 1.0},
    "bandwidth": {"B/s": 1.0, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12},
    "energy": {"J": 1.0, "mJ": 1e-3, "kJ": 1e3},
    "power": {"W": 1.0, "mW": 1e-3, "kW": 1e3},
}


@dataclass(frozen=True)
class Unit:
    """A named factor: a stored value divided by `factor` is the value in this unit."""

    name: str
    factor: float

    def scale(self, value: float) -> float:
        """A stored value in this unit."""
        return value / self.factor


def unit(name: str, dimension: Dimension) -> Unit:
    """The unit of that name.

    Raises:
        HarnessError: a dimension has no such unit; names the ones that it has.
    """
    known = UNITS[dimension]
    if name not in known:
        raise HarnessError(
            f"unit {name!r} does not measure {dimension}{hint(name, known)}; "
            f"known: {', '.join(known)}"
        )
    return Unit(name, known[name])


def with_unit(head: str, name: str) -> str:
    """A head with its unit; plain counts and ratios have none to name."""
    if name in ("1", ""):
        return head
    return f"{head}, {name}" if "(" in name else f"{head} ({name})"


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Quantity:
    """One thing that a row holds."""

    name: str  # how suites call it, and its name in CSV files (SI base units)
    head: str  # how tables and plots call it
    dimension: Dimension  # what its units measure
    # its value in a row, in SI base units; `None` if not measured
    read: Callable[[Row], Any] = field(repr=False)
    unit: str | None = "1"  # usual unit; `None` for operations, whose unit is the convention's
    decimals: int = 3  # of an exact value in its usual unit
    # names of the row's values that bound it, for measured quantities
    interval: tuple[str, str] | None = None
    # its interval in SI base units, for quantities derived from measured ones
    spread: Callable[[Row], tuple[float, float] | None] | None = field(default=None, repr=False)
    interval_note: str = ""  # what value and interval are, for the foot of a plot
    rounded: bool = True  # whether its text has no more digits than its interval supports
    note: str = ""  # what exactly it is, for the foot of a table
    # what "FLOPs" means for this one; `None`: what the suite says
    convention: ConventionSpec | None = None
    symbol: str = ""  # what formulas call it; empty if they do not

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
        """Its value as a number; `None` for text, truth values and what was not measured."""
        value = self.read(row)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value

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


# Direction: whether less or more of a quantity is better, where that can be said at all.

Direction = Literal["min", "max"]

_COSTS = frozenset({"operations", "bytes", "seconds", "energy", "power"})
"""Dimensions of which less is better, save what is named below."""

_LESS = frozenset({"params", "affinity_elements", "executed_over_algorithmic"})
_ACCURACIES = frozenset({"miou", "pixel_acc", "boundary_f"})
_MORE = _ACCURACIES | {"flops_per_second", "bytes_per_second", "share_of_roof"}
# Given by the task, or a property of the machine or of the measurement: nothing to be good at.
_NEITHER = frozenset({"input_bytes", "attainable_flops_per_second"})


def direction(quantity: Quantity) -> Direction | None:
    """`min` for costs, `max` for accuracies and for what is achieved; `None` for all else."""
    if quantity.name in _MORE:
        return "max"
    if quantity.name in _NEITHER:
        return None
    return "min" if quantity.dimension in _COSTS or quantity.name in _LESS else None


def is_accuracy(quantity: Quantity) -> bool:
    """Whether it is a share of right answers, of which few points matter."""
    return quantity.name in _ACCURACIES
