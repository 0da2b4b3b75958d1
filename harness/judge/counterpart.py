"""Counterparts: which of our quantities stands beside a printed figure, and how it is made."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.judge.growth import TOLERANCE, ends_sweep, fit, swept_with
from harness.judge.statistics.power_law import PowerLaw
from harness.messages import HarnessError
from harness.records.quantities.quantity import Quantity, Row, Unit, unit
from harness.records.quantities.registry import find
from harness.suite.presentation import ConventionSpec, FigureSpec, ReferenceSpec

# Printed figure: our quantity and the printed unit (None: the convention's). Papers write "MB" for
# what CUDA tools report in MiB; without a word in the suite it is shown so, and not judged.
USUAL_COUNTERPARTS: Mapping[str, tuple[str, str | None]] = {
    "gflops": ("operations", None),
    "params_m": ("params", "M"),
    "memory_mb": ("memory", "MiB"),
    "time_ms": ("latency", "ms"),
}

OTHER_HARDWARE = "a time on other hardware and software than the paper's"
MEMORY_UNSAID = "the suite does not say which of our memory figures this printed one is"
ACCURACIES = ("miou", "pixel_acc", "boundary_f")
NO_COUNTERPART = "nothing that this suite measures is its counterpart"
OTHER_DATA = "a larger network on other data in the paper; what compares is the order of the rows"
SHOWN_ONLY = "shown for orientation; the suite does not judge it"


EXPONENT = Unit("exponent", 1.0)
"""Of a power law; a pure number, named so that nobody takes it for the quantity itself."""


@dataclass(frozen=True)
class Counterpart:
    """How ours is made for one printed figure."""

    figure: str  # key of the printed figure
    quantity: Quantity | None  # ours; `None` if nothing measured corresponds
    unit: Unit  # of the printed figure, and so of ours beside it
    tolerance: float  # relative
    unjudged: str = ""  # why it is not judged; empty if it is
    relative_to: str | None = None  # label of the row that ours is divided by
    minus: tuple[str, ...] = ()  # labels of rows that are subtracted from ours
    not_reproducible: Mapping[str, str] = field(default_factory=dict)  # label: why
    # label: the quantity that stands there instead of `quantity`
    instead: Mapping[str, Quantity] = field(default_factory=dict)
    # label: label of the row that is subtracted from that row alone
    minus_of: Mapping[str, str] = field(default_factory=dict)
    # what ours is fitted over, where an exponent of growth is printed; the tolerance is then
    # absolute
    over: Quantity | None = None
    # what the paper calls the unit, where that is not known to be `unit`
    printed_unit: str | None = None

    @property
    def combined(self) -> bool:
        """Whether other rows take part in ours."""
        return self.relative_to is not None or bool(self.minus or self.minus_of or self.over)

    def stored(self, row: Row, by_label: Mapping[str, Row]) -> float | None:
        """Ours in SI base units (a ratio where `relative_to` is given); `None` if not measured.

        An exponent stands at the row where its sweep ends, and only there.
        """
        if self.quantity is None:
            return None
        if self.over is not None:
            law = self.law(row, by_label)
            return None if law is None else law.exponent
        value = self._net(row, by_label)
        if value is None or self.relative_to is None:
            return value
        other = by_label.get(self.relative_to)
        below = None if other is None else self._net(other, by_label)
        return value / below if below else None

    def law(self, row: Row, by_label: Mapping[str, Row]) -> PowerLaw | None:
        """The power law of the sweep that ends at a row; `None` elsewhere."""
        if self.quantity is None or self.over is None:
            return None
        swept = swept_with(row, by_label.values(), self.over)
        if not ends_sweep(row, swept, self.over):
            return None
        return fit(swept, self.quantity, self.over)

    def _net(self, row: Row, by_label: Mapping[str, Row]) -> float | None:
        assert self.quantity is not None
        value = self.instead.get(str(row.get("label")), self.quantity).number(row)
        # A row that others are overheads over is printed whole.
        own = str(row.get("label"))
        minus = self.minus if own not in self.minus else ()
        if own in self.minus_of:
            minus = (*minus, self.minus_of[own])
        for label in minus:
            other = by_label.get(label)
            taken = None if other is None else self.quantity.number(other)
            if value is None or taken is None:
                return None
            value -= taken
        return value

    def ours(self, row: Row, by_label: Mapping[str, Row]) -> float | None:
        """Ours in the printed unit; `None` if not measured."""
        value = self.stored(row, by_label)
        return None if value is None else self.unit.scale(value)


def counterpart(
    key: str, reference: ReferenceSpec, rows: Collection[Row], convention: ConventionSpec
) -> Counterpart:
    """The counterpart of a printed figure.

    Args:
        key: of the printed figure.
        reference: says how; `USUAL_COUNTERPARTS` where it does not.
        rows: of the suite.
        convention: of the suite.

    Raises:
        HarnessError: the reference names an unknown quantity or unit.
    """
    spec = reference.figures.get(key)
    if spec is not None:
        return _given(key, spec, reference, rows, convention)
    if key not in USUAL_COUNTERPARTS:
        return Counterpart(key, None, Unit("1", 1.0), reference.tolerance, NO_COUNTERPART)
    name, unit_name = USUAL_COUNTERPARTS[key]
    quantity = find(name, rows)
    shown = quantity.usual_unit(convention)
    if unit_name is not None:
        shown = unit(unit_name, quantity.dimension)
    unjudged = {"bytes": MEMORY_UNSAID, "seconds": OTHER_HARDWARE}.get(quantity.dimension, "")
    printed_unit = "MB as printed" if quantity.dimension == "bytes" else None
    return Counterpart(
        key, quantity, shown, reference.tolerance, unjudged, printed_unit=printed_unit
    )


def _given(
    key: str,
    spec: FigureSpec,
    reference: ReferenceSpec,
    rows: Collection[Row],
    convention: ConventionSpec,
) -> Counterpart:
    quantity = find(spec.value, rows)
    over = None if spec.over is None else find(spec.over, rows)
    if over is not None:
        numeric(over)
        shown = EXPONENT
    elif spec.relative_to is not None:
        shown = unit(spec.unit or "1", "ratio")
    elif spec.unit is not None:
        shown = unit(spec.unit, quantity.dimension)
    else:
        shown = quantity.usual_unit(convention)
    # A time depends on hardware whatever the suite says, and so does a ratio of times.
    unjudged = OTHER_HARDWARE if quantity.dimension == "seconds" else ""
    if not spec.judged:
        trained = quantity.name in ACCURACIES
        unjudged = unjudged or (OTHER_DATA if trained else SHOWN_ONLY)
    usual = reference.tolerance if over is None else TOLERANCE
    return Counterpart(
        key,
        quantity,
        shown,
        usual if spec.tolerance is None else spec.tolerance,
        unjudged,
        spec.relative_to,
        spec.minus,
        spec.not_reproducible,
        {label: find(name, rows) for label, name in spec.instead.items()},
        spec.minus_of,
        over,
    )


def numeric(over: Quantity) -> Quantity:
    """A quantity that something can grow over.

    Raises:
        HarnessError: it is text.
    """
    if over.dimension == "text":
        raise HarnessError(f"{over.name!r} is text; name a size to grow over, such as positions")
    return over
