"""A quantity: one thing that a row holds, with dimension, head and usual unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.present.units import Dimension, Unit, unit, with_unit
from harness.suite.presentation import ConventionSpec

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Quantity:
    """One thing that a row holds.

    Attributes:
        name: how suites call it, and its name in CSV files (SI base units).
        head: how tables and plots call it.
        dimension: what its units measure.
        read: its value in a row, in SI base units; `None` if not measured.
        unit: usual unit; `None` for operations, whose unit is the convention's.
        decimals: of an exact value in its usual unit.
        interval: names of the row's values that bound it, for measured quantities.
        spread: its interval in SI base units, for quantities derived from measured ones.
        interval_note: what value and interval are, for the foot of a plot.
        rounded: whether its text has no more digits than its interval supports.
        note: what exactly it is, for the foot of a table.
        convention: what "FLOPs" means for this one; `None`: what the suite says.
        symbol: what formulas call it; empty if they do not.
    """

    name: str
    head: str
    dimension: Dimension
    read: Callable[[Row], Any] = field(repr=False)
    unit: str | None = "1"
    decimals: int = 3
    interval: tuple[str, str] | None = None
    spread: Callable[[Row], tuple[float, float] | None] | None = field(default=None, repr=False)
    interval_note: str = ""
    rounded: bool = True
    note: str = ""
    convention: ConventionSpec | None = None
    symbol: str = ""

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
