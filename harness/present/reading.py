"""Reading: a named quantity of a suite, bound to its printed counterpart if it has one.

Tables and plots ask for quantities by the same names and must show the same figures; both go
through here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.judge.counterpart import Counterpart
from harness.judge.part import Part, convention_of
from harness.judge.verdict import counterparts, rows_by_label
from harness.measure.convention import ConventionSpec
from harness.measure.metric import Unit
from harness.messages import HarnessError, hint
from harness.present.formats import Spread
from harness.records.quantities.quantity import (
    Quantity,
    Row,
    ends,
    fixed,
    half_width,
    is_lopsided,
    supported,
    with_unit,
)
from harness.records.quantities.registry import axes, find

# Short names stand beside these printed figures, whichever quantity the reference makes ours of.
_PRINTED_AS: Mapping[str, str] = {
    "params": "params_m",
    "flops": "gflops",
    "operations": "gflops",
    "memory": "memory_mb",
    "latency": "time_ms",
}

# Between a quantity and the label of the row that is taken off it: `operations over ResNet-50`.
OVER = " over "

# Decimals of printed figures' usual units where the unit is not the quantity's usual one.
_RATIO_DECIMALS = 4
EXPONENT_DECIMALS = 3


@dataclass(frozen=True)
class Reading:
    """A quantity as a suite's tables and plots show it."""

    quantity: Quantity  # ours
    unit: Unit  # in which it is shown
    convention: ConventionSpec  # what "FLOPs" means
    by: Counterpart | None  # how it is bound to a printed figure, if it is
    by_label: Mapping[str, Row]  # all rows of the suite, for overheads and ratios

    @property
    def is_text(self) -> bool:
        """Whether its values are no numbers."""
        return self.quantity.dimension == "text"

    @property
    def name(self) -> str:
        """Head without unit: what is divided or subtracted is said."""
        head = self.quantity.head
        if self.by is not None and self.by.base is not None:
            head = f"{head} over {self.by.base}"
        elif self.by is not None and self.by.minus_of:  # rows of their own, which the suite names
            head = f"{head} over base"
        if self.by is not None and self.by.relative_to is not None:
            head = f"{head} / {self.by.relative_to}"
        return head

    @property
    def head(self) -> str:
        """Head with unit, and convention where it matters."""
        if self.by is not None and (self.by.relative_to or self.by.over):
            return with_unit(self.name, self.unit.name)
        titled = self.quantity.titled(self.unit, self.convention)
        return titled.replace(self.quantity.head, self.name, 1)

    def stored(self, row: Row) -> float | None:
        """Ours in SI base units."""
        if self.by is not None:
            # What is no overhead stands among overheads only where the paper prints it there.
            whole = self.by.minus_of and str(row.get("label")) not in self.by.minus_of
            if whole and self.verdict(row) is None:
                return None
            return self.by.stored(row, self.by_label)
        return self.quantity.number(row)

    def ours(self, row: Row) -> float | None:
        """Ours in the shown unit."""
        value = self.stored(row)
        return None if value is None else self.unit.scale(value)

    def interval(self, row: Row) -> tuple[float, float] | None:
        """The interval of a measured value in the shown unit."""
        if self.by is not None and self.by.combined:
            return None
        bounds = self.quantity.bounds(row)
        return None if bounds is None else (self.unit.scale(bounds[0]), self.unit.scale(bounds[1]))

    def spread(self, row: Row) -> Spread | None:
        """How sure a measured value is; `None` of what has no samples, or follows from several."""
        number, found = self.ours(row), self.quantity.sampled(row)
        if number is None or found is None or (self.by is not None and self.by.combined):
            return None
        bounds = self.interval(row)
        if bounds is None:
            return Spread("", "", *found)
        low, high = bounds
        if self.quantity.rounded and is_lopsided(number, low, high):
            return Spread("", ends(number, low, high), *found)
        if self.quantity.rounded:
            return Spread(half_width(number, low, high), "", *found)
        return Spread(f"{max(high - number, number - low):.{self.decimals}f}", "", *found)

    def verdict(self, row: Row) -> Mapping[str, Any] | None:
        """The printed figure beside this row, judged; `None` if the paper prints none."""
        if self.by is None:
            return None
        found: Mapping[str, Any] | None = (row.get("verdicts") or {}).get(self.by.figure)
        return found

    def text(self, row: Row) -> str | None:
        """Ours as text in the shown unit; `None` if not measured."""
        if self.is_text:
            value = self.quantity.read(row)
            return None if value is None else str(value)
        number = self.ours(row)
        if number is None:
            return None
        measured = self.quantity.has_interval and self.quantity.rounded
        if measured and (self.by is None or self.by.over is None):
            low, high = self.interval(row) or (None, None)
            return supported(number, low, high)
        return fixed(number, self.decimals)

    @property
    def decimals(self) -> int:
        """Of an exact figure in the shown unit; bytes, operations and counts are whole."""
        if self.by is not None and self.by.over is not None:
            return EXPONENT_DECIMALS
        if self.by is not None and self.by.relative_to is not None:
            return _RATIO_DECIMALS
        counted = self.quantity.dimension == "count" and self.quantity.unit != "1"
        whole = counted or self.quantity.dimension in ("bytes", "operations")
        return 0 if whole and self.unit.factor == 1 else self.quantity.decimals


def read(name: str, part: Part, rows: Sequence[Row]) -> Reading:
    """The reading of that name.

    A grid axis is ours, also where the paper prints a column of its name (`k` of a kernel size). A
    name stands beside a printed figure if it is the figure's own name, its short name (`flops`
    for `gflops`), or the quantity that the reference makes its counterpart of. `params over LABEL`
    is an overhead: the quantity less that of the row of that label.

    Raises:
        HarnessError: no quantity, printed figure or row has that name; names the nearest.
    """
    convention = convention_of(part)
    if OVER in name:
        return _overhead(name, rows, convention)
    by = counterparts(part, rows)
    bound = by.get(name) or by.get(_PRINTED_AS.get(name, ""))
    if bound is not None and bound.quantity is not None:
        quantity = bound.quantity
    elif bound is not None and name not in axes(rows):
        quantity, bound = _printed_alone(name), None
    else:
        quantity = find(name, rows)
        bound = next(
            (
                each
                for each in by.values()
                if each.quantity is not None
                and each.quantity.name == quantity.name
                and not each.combined
            ),
            None,
        )
    unit = quantity.usual_unit(convention) if bound is None else bound.unit
    return Reading(quantity, unit, convention, bound, rows_by_label(rows))


def _overhead(name: str, rows: Sequence[Row], convention: ConventionSpec) -> Reading:
    base, _, label = name.partition(OVER)
    by_label = rows_by_label(rows)
    if label not in by_label:
        raise HarnessError(f"no case is labelled {label!r}{hint(label, by_label)}")
    quantity = find(base, rows)
    unit = quantity.usual_unit(convention)
    by = Counterpart(name, quantity, unit, 0.0, minus=label)
    return Reading(quantity, unit, convention, by, by_label)


def _printed_alone(figure: str) -> Quantity:
    """A printed figure of which we measure no counterpart, as the paper prints it."""

    def printed(row: Row) -> Any:
        verdict = (row.get("verdicts") or {}).get(figure)
        return None if verdict is None else verdict["printed_text"]

    return Quantity(figure, f"{figure} (reported)", note="as printed", read=printed)
