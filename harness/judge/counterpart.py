"""Counterparts: which of our quantities stands beside a printed figure, and how it is made."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.judge.statistics.power_law import PowerLaw, fit_power_law
from harness.measure.convention import ConventionSpec
from harness.measure.metric import Unit, unit
from harness.messages import HarnessError
from harness.records.quantities.derived import axis_of, sweep_name
from harness.records.quantities.quantity import Quantity, Row
from harness.records.quantities.registry import find
from harness.suite.presentation import FigureSpec, ReferenceSpec

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

EXPONENT_TOLERANCE = 0.05
"""Of an exponent, absolute. Orders that papers compare lie 1/2 apart at least, ten times as far."""


def fit(rows: Iterable[Row], quantity: Quantity, over: Quantity) -> PowerLaw | None:
    """The power law through the rows of one sweep.

    Returns:
        `None` where fewer than two sizes have a value, or a value is 0.
    """
    pairs = [(over.number(row), quantity.number(row)) for row in rows]
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    try:
        return fit_power_law([x for x, _ in known], [y for _, y in known])
    except ValueError:
        return None


def swept_with(row: Row, rows: Iterable[Row], over: Quantity) -> list[Row]:
    """The rows of the sweep that a row belongs to."""
    axis = axis_of(over)
    name = sweep_name(row, axis)
    return [each for each in rows if sweep_name(each, axis) == name]


def end(swept: Sequence[Row], over: Quantity) -> Row:
    """The largest row of a sweep: there a printed order is judged, once."""
    return max(swept, key=lambda each: over.number(each) or 0.0)


def ends_sweep(row: Row, swept: Sequence[Row], over: Quantity) -> bool:
    """Whether a row is the largest of its sweep."""
    return row.get("label") == end(swept, over).get("label")


def range_text(law: PowerLaw, over: Quantity) -> str:
    """`N = 4,096 to 1,048,576, 5 sizes`."""
    symbol = over.symbol or over.head
    return f"{symbol} = {law.smallest:,.0f} to {law.largest:,.0f}, {law.points} sizes"


@dataclass(frozen=True)
class Counterpart:
    """How ours is made for one printed figure."""

    figure: str  # key of the printed figure
    quantity: Quantity | None  # ours; `None` if nothing measured corresponds
    unit: Unit  # of the printed figure, and so of ours beside it
    tolerance: float  # relative
    unjudged: str = ""  # why it is not judged; empty if it is
    relative_to: str | None = None  # label of the row that ours is divided by
    minus: str | None = None  # label of the row that is subtracted from every other
    explained: Mapping[str, str] = field(default_factory=dict)  # label: by what arithmetic
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
    def base(self) -> str | None:
        """The one row over which ours is an overhead; `None` where there are several, or none."""
        labels = {*self.minus_of.values(), *([self.minus] if self.minus is not None else [])}
        return labels.pop() if len(labels) == 1 else None

    @property
    def combined(self) -> bool:
        """Whether other rows take part in ours."""
        return (
            self.relative_to is not None
            or self.minus is not None
            or bool(self.minus_of or self.over)
        )

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
        own = str(row.get("label"))
        value = self.instead.get(own, self.quantity).number(row)
        label = self.minus_of.get(own, self.minus)
        # A row that others are overheads over is printed whole.
        if label is None or label == own:
            return value
        other = by_label.get(label)
        taken = None if other is None else self.quantity.number(other)
        return None if value is None or taken is None else value - taken

    def ours(self, row: Row, by_label: Mapping[str, Row]) -> float | None:
        """Ours in the printed unit; `None` if not measured."""
        value = self.stored(row, by_label)
        return None if value is None else self.unit.scale(value)


def counterpart(
    key: str, reference: ReferenceSpec, rows: Collection[Row], convention: ConventionSpec
) -> Counterpart:
    """The counterpart of a printed figure.

    Args:
        reference: says how; `USUAL_COUNTERPARTS` where it does not.

    Raises:
        HarnessError: the reference names an unknown quantity or unit.
    """
    spec = reference.figures.get(key)
    if spec is None:
        found = _usual(key, reference, rows, convention)
    else:
        found = _given(key, spec, reference, rows, convention)
    return replace(found, unjudged=found.unjudged or reference.unjudged or "")


def _usual(
    key: str, reference: ReferenceSpec, rows: Collection[Row], convention: ConventionSpec
) -> Counterpart:
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
        if over.dimension == "text":
            raise HarnessError(
                f"{over.name!r} is text; name a size to grow over, such as positions"
            )
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
    usual = reference.tolerance if over is None else EXPONENT_TOLERANCE
    return Counterpart(
        key,
        quantity,
        shown,
        usual if spec.tolerance is None else spec.tolerance,
        unjudged,
        spec.relative_to,
        explained=spec.explained,
        not_reproducible=spec.not_reproducible,
        instead={label: find(name, rows) for label, name in spec.instead.items()},
        minus_of=spec.minus_of,
        over=over,
    )
