"""What a metric is: how suites call it, the function behind it, and the values that it stores.

`harness.measure.METRICS` has a row for each of the harness's own, `harness.measure.own` reads those
that users declare. Data only: the functions are imported in the process of a case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.case import from_plain
from harness.messages import HarnessError, hint

# Units: the names by which papers and tables scale stored SI base values.

Dimension = Literal[
    "operations", "count", "bytes", "seconds", "ratio", "pixels", "text", "intensity", "bandwidth",
    "energy", "power", "rate",
]  # fmt: skip
Direction = Literal["min", "max"]


@dataclass(frozen=True)
class Scale:
    """The units of a dimension, its base unit first."""

    units: Mapping[str, float]  # name: what one of it is in base units
    # among which the size of a value chooses where nobody does, from the smallest
    ladder: tuple[str, ...] = ()
    costs: bool = False  # whether less is better, where a value says nothing else

    @property
    def base(self) -> str:
        """The unit in which rows store it."""
        return next(iter(self.units))


_PREFIXES = {
    **{"1": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40},
}
_KIBI = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_POWERS = ("1", "k", "M", "G", "T")

# MB is 10^6 bytes and MiB 2^20, always: the 4.9 % between them decides verdicts.
SCALES: Mapping[Dimension, Scale] = {
    "operations": Scale(_PREFIXES, _POWERS, costs=True),
    "count": Scale(_PREFIXES, _POWERS),
    "bytes": Scale({"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, **_KIBI}, ("B", *_KIBI), costs=True),
    "seconds": Scale(
        {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}, ("ns", "us", "ms", "s"), costs=True
    ),
    "ratio": Scale({"1": 1.0, "%": 0.01}),
    "pixels": Scale({"px": 1.0}),
    "text": Scale({"1": 1.0}),
    "intensity": Scale({"FLOP/B": 1.0}),
    "bandwidth": Scale({"B/s": 1.0, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12}),
    "energy": Scale({"J": 1.0, "mJ": 1e-3, "kJ": 1e3}, ("mJ", "J", "kJ"), costs=True),
    "power": Scale({"W": 1.0, "mW": 1e-3, "kW": 1e3}, costs=True),
    "rate": Scale({"1/s": 1.0, "inputs/s": 1.0, "1": 1.0}),  # "1": the head says it, as FPS does
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
    known = SCALES[dimension].units
    if name not in known:
        raise HarnessError(
            f"unit {name!r} does not measure {dimension}{hint(name, known)}; "
            f"known: {', '.join(known)}"
        )
    return Unit(name, known[name])


def unit_of_size(value: float, dimension: Dimension) -> Unit:
    """The largest unit of the ladder in which a value is at least 1; the smallest below that."""
    scale = SCALES[dimension]
    units = [unit(name, dimension) for name in scale.ladder or (scale.base,)]
    return next((each for each in reversed(units) if abs(value) >= each.factor), units[0])


# Values: what a metric stores, one row of data each.

Better = Literal["lower", "higher", "neither"]
Compared = Literal["exactly", "statistically"]


@dataclass(frozen=True)
class Value:
    """A value of a row, under its stored name and in SI base units."""

    name: str  # in records, rows and CSV files, and how suites call it
    head: str = ""  # how tables and plots call it; empty: rows and JSON have it, no column
    dimension: Dimension = "text"  # what its units measure
    unit: str | None = "1"  # usual unit; `None` for operations, whose unit is the convention's
    decimals: int = 3  # of an exact value in its usual unit
    note: str = ""  # what exactly it is, for the foot of a table
    better: Better | None = None  # `None`: lower for what costs, see `SCALES`
    # between runs: `exactly` what follows from module and input alone and is the same on every
    # machine; `statistically` what varies from process to process; `None`: not at all
    compared: Compared | None = None
    # name of a truth value of the row: where it is false, the value is shown and not compared
    compared_if: str | None = None
    # names of the row's values that bound it, for measured ones
    interval: tuple[str, str] | None = None
    interval_note: str = ""  # what value and interval are, for the foot of a plot
    # names of the row's lists, the first of which that it has holds what the interval is of; with
    # the length from which on rows can be compared
    samples: tuple[tuple[str, int], ...] = ()
    rounded: bool = True  # whether its text has no more digits than its interval supports
    symbol: str = ""  # what formulas call it; empty if they do not
    always: bool = True  # whether rows without it say so by `None`
    # its type, as `harness.case.from_plain` takes types; `None`: a number, or text where that is
    # its dimension
    kind: Any = None

    def fits(self, value: Any) -> bool:
        """Whether plain data of any origin is a value of this kind, or says that there is none."""
        try:
            from_plain(self.kind or (str if self.dimension == "text" else float), value)
        except ValueError:
            return value is None
        return True

    @property
    def direction(self) -> Direction | None:
        """`min` where less is better, `max` where more is; `None` where neither can be said."""
        if self.better is None:
            return "min" if SCALES[self.dimension].costs else None
        directions: dict[Better, Direction] = {"lower": "min", "higher": "max"}
        return directions.get(self.better)

    @property
    def is_measured(self) -> bool:
        """Whether runs are compared in it by statistics, on one machine only."""
        return self.compared == "statistically"


@dataclass(frozen=True)
class Metric:
    """One thing that is measured of a case."""

    name: str  # as suites have it
    function: str  # `module:function`, called with the job in the process of the case
    values: tuple[Value, ...]  # that it stores, in the order of rows
    # names of the quantities that it is looked at for; its own name as a column means the first
    columns: tuple[str, ...] = ()
    # whether it needs neither the case's memory nor its time and gives the same answer everywhere
    static: bool = False
