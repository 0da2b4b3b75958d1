"""Verdicts: what a paper prints against what we count, figure by figure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from harness.judge.counterpart import (
    Counterpart,
    counterpart,
    ends_sweep,
    range_text,
    swept_with,
)
from harness.judge.printed import Figure, PrintedRow, PrintedTable, load
from harness.measure.convention import ConventionSpec
from harness.messages import HarnessError
from harness.present.part import Part, convention_of
from harness.records.quantities.derived import axis_of, sweep_name
from harness.records.quantities.quantity import Quantity, Row
from harness.records.quantities.registry import find
from harness.suite.presentation import ReferenceSpec

# Tally: how many of a paper's printed figures are reproduced.


@dataclass(frozen=True)
class Tally:
    """Counts of printed figures by verdict."""

    reproduced: int = 0
    differs: int = 0
    not_reproducible: int = 0
    not_judged: int = 0
    not_measured: int = 0

    @property
    def judged(self) -> int:
        """Figures that were compared or are known not to be comparable."""
        return self.reproduced + self.differs + self.not_reproducible

    @property
    def total(self) -> int:
        """All printed figures beside the rows."""
        return self.judged + self.not_judged + self.not_measured

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.reproduced + other.reproduced,
            self.differs + other.differs,
            self.not_reproducible + other.not_reproducible,
            self.not_judged + other.not_judged,
            self.not_measured + other.not_measured,
        )

    @property
    def text(self) -> str:
        """One line for people."""
        if self.total == 0:
            return "no printed figures to compare with"
        parts = [
            f"{self.reproduced} reproduced",
            f"{self.differs} {'differs' if self.differs == 1 else 'differ'}",
            f"{self.not_reproducible} not reproducible",
            f"{self.not_judged} not judged",
        ]
        if self.not_measured:
            parts.append(f"{self.not_measured} not measured")
        return f"{self.total} printed figures: {', '.join(parts)}"


def count(rows: Iterable[Row]) -> Tally:
    """Counts the verdicts of annotated rows (`verdict.annotate`)."""
    found = [each["verdict"] for row in rows for each in (row.get("verdicts") or {}).values()]
    return Tally(
        found.count("reproduced"),
        found.count("differs"),
        found.count("not reproducible"),
        found.count("not judged"),
        found.count(None),
    )


Judgement = Literal["reproduced", "differs", "not reproducible", "not judged"]
JUDGED = ("reproduced", "differs", "not reproducible")

# Floating-point slack, so that a difference of exactly half a unit counts as within it.
_SLACK = 1e-12


@dataclass(frozen=True)
class Verdict:
    """One printed figure beside ours."""

    figure: str  # key of the printed figure
    printed: float  # as a number, in `unit`
    printed_text: str  # as it stands in the paper
    ours: float | None  # in `unit`; `None` if not measured
    unit: str  # of both
    # (ours - printed) / |printed|; `None` if not measured, printed as 0, or an exponent
    difference: float | None
    verdict: Judgement | None  # `None` if not measured
    # why it is not judged, not reproducible or not measured; how far it is if it differs
    reason: str


def within(ours: float, printed: Figure, tolerance: float) -> bool:
    """|ours - printed| <= tolerance * |printed| + half a unit of the last printed digit."""
    allowed = tolerance * abs(printed.value) + printed.half_unit
    return abs(ours - printed.value) <= allowed + _SLACK * abs(printed.value)


def judge(
    printed: Figure, ours: float | None, by: Counterpart, why_not_reproducible: str | None = None
) -> Verdict:
    """Judges one figure.

    Args:
        printed: the paper's.
        ours: in the printed unit; `None` if not measured.
        by: says unit, tolerance, and whether it is judged at all.
        why_not_reproducible: a known reason why it cannot be reproduced.
    """
    comparable = ours is not None and printed.value != 0 and by.over is None
    difference = (
        (ours - printed.value) / abs(printed.value) if comparable and ours is not None else None
    )
    judgement: Judgement | None
    if by.unjudged:
        judgement, reason = "not judged", by.unjudged
    elif ours is None:
        judgement, reason = None, "not measured"
    elif why_not_reproducible is not None:
        judgement, reason = "not reproducible", why_not_reproducible
    elif _agrees(ours, printed, by):
        judgement, reason = "reproduced", ""
    else:
        judgement = "differs"
        share = "" if difference is None else f", {100 * difference:+.2f} %"
        reason = f"ours {ours:.6g}, printed {printed.text}{share}"
    return Verdict(
        by.figure, printed.value, printed.text, ours, by.unit.name, difference, judgement, reason
    )


def _agrees(ours: float, printed: Figure, by: Counterpart) -> bool:
    if by.over is None:
        return within(ours, printed, by.tolerance)
    # An exponent of 0 has no relative tolerance.
    return abs(ours - printed.value) <= by.tolerance + _SLACK


def reference_table(part: Part) -> PrintedTable | None:
    """The printed table of a part's reference; every name that the reference uses exists in it.

    Raises:
        HarnessError: unknown paper, table, row or figure; names the file and the nearest.
    """
    reference = part.reference
    if reference is None:
        return None
    start = None if part.path is None else part.path.parent
    table = load(reference.paper, reference.table, start)
    for name in reference.rows.values():
        table.require_row(name)
    for key in reference.figures:
        table.require_entry(key)
    if reference.decides is not None:
        table.require_entry(reference.decides)
    for axis in reference.match:
        table.require_entry(_axis(axis)[1])
    return table


def _axis(item: str) -> tuple[str, str]:
    """Grid axis and printed key of an item of `match`: the same, or `axis=key`."""
    axis, _, key = item.partition("=")
    return axis, key or axis


def printed_row(row: Row, reference: ReferenceSpec, table: PrintedTable) -> PrintedRow | None:
    """The printed row beside which one of ours stands, if there is one.

    By `match`, every listed axis equal; where that leaves several, or without `match`, by name
    (`rows`, else the label).

    Raises:
        HarnessError: several printed rows fit.
    """
    label = str(row.get("label"))
    name = reference.rows.get(label, label)
    fitting = list(table.rows)
    if reference.match:
        factors = row.get("factors") or {}
        wanted = [_axis(item) for item in reference.match]
        # A row outside of the grid, such as a baseline, can only be named.
        named = label in reference.rows and not any(axis in factors for axis, _ in wanted)
        fitting = [
            each
            for each in fitting
            if named
            or all(axis in factors and each.matches(key, factors[axis]) for axis, key in wanted)
        ]
    if not reference.match or len(fitting) > 1 or label in reference.rows:
        fitting = [each for each in fitting if each.name == name]
    if len(fitting) > 1:
        raise HarnessError(
            f"{table.path}: {table.key} has {len(fitting)} rows that fit {label!r}; "
            "add an axis to `match` that tells them apart"
        )
    return fitting[0] if fitting else None


def _figures(
    printed: PrintedRow, row: Row, reference: ReferenceSpec
) -> Iterable[tuple[str, Figure]]:
    taken = {_axis(item)[1] for item in reference.match} | set(row.get("factors") or {})
    for key, number in printed.figures.items():
        if key in reference.figures or key not in taken:
            yield key, number


def _verdicts(
    row: Row,
    reference: ReferenceSpec,
    table: PrintedTable,
    by: Mapping[str, Counterpart],
    by_label: Mapping[str, Row],
) -> tuple[Verdict, ...]:
    verdicts = list(_growth_verdicts(row, reference, table, by, by_label))
    printed = printed_row(row, reference, table)
    label = str(row.get("label"))
    for key, number in () if printed is None else _figures(printed, row, reference):
        each = by[key]
        if each.over is None:
            why = each.not_reproducible.get(label, reference.not_reproducible.get(label))
            verdicts.append(judge(number, each.ours(row, by_label), each, why))
    return tuple(verdicts)


def growth_row(
    row: Row, over: Quantity, reference: ReferenceSpec, table: PrintedTable
) -> PrintedRow | None:
    """The printed row beside which the sweep of a row stands, if there is one."""
    name = sweep_name(row, axis_of(over))
    name = reference.rows.get(name, name)
    return next((each for each in table.rows if each.name == name), None)


def _growth_verdicts(
    row: Row,
    reference: ReferenceSpec,
    table: PrintedTable,
    by: Mapping[str, Counterpart],
    by_label: Mapping[str, Row],
) -> Iterable[Verdict]:
    """Printed orders against fitted exponents, at the row where a sweep ends."""
    for key, each in by.items():
        over = each.over
        if over is None:
            continue
        printed = growth_row(row, over, reference, table)
        order = None if printed is None else printed.figures.get(key)
        swept = swept_with(row, by_label.values(), over)
        if order is None or not ends_sweep(row, swept, over):
            continue
        name = sweep_name(row, axis_of(over))
        why = each.not_reproducible.get(name, reference.not_reproducible.get(name))
        law = each.law(row, by_label)
        found = judge(order, None if law is None else law.exponent, each, why)
        if found.verdict == "differs" and law is not None:
            reason = (
                f"exponent {law.exponent:.3f} over {range_text(law, over)}; "
                f"{order.text} has {order.value:g}"
            )
            found = replace(found, reason=reason)
        yield found


def row_verdict(verdicts: Sequence[Verdict], decides: str | None) -> Judgement | None:
    """Verdict of a row: that of the deciding figure, else of the first judged one."""
    if decides is not None:
        verdicts = [each for each in verdicts if each.figure == decides]
        return verdicts[0].verdict if verdicts else None
    return next((each.verdict for each in verdicts if each.verdict in JUDGED), None)


def counterparts(
    part: Part, rows: Sequence[Row], table: PrintedTable, convention: ConventionSpec
) -> dict[str, Counterpart]:
    """The counterpart of every printed figure of a table."""
    assert part.reference is not None
    return {key: counterpart(key, part.reference, rows, convention) for key in table.entries}


def growth_axes(part: Part, rows: Sequence[Row]) -> tuple[Quantity, ...]:
    """What the reference's exponents are fitted over."""
    figures = () if part.reference is None else part.reference.figures.values()
    return tuple(find(each.over, rows) for each in figures if each.over is not None)


def labelled(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows by label; labels are unique within a suite."""
    return {str(row.get("label")): row for row in rows}


def annotate(
    rows: Sequence[Row], part: Part, convention: ConventionSpec | None = None
) -> list[dict[str, Any]]:
    """Rows with what the paper prints and how ours compares.

    Args:
        rows: of one suite. Rows stay as they are where the part has no reference.
        part: the suite.
        convention: what "FLOPs" means; the part's own if absent.

    Returns:
        Copies with `reported` (figure: printed number), `verdict` (of the row, or `None`) and
        `verdicts` (figure: `Verdict` as plain data).

    Raises:
        HarnessError: the reference names what does not exist.
    """
    table = reference_table(part)
    if table is None or part.reference is None:
        return [{**row, "reported": {}, "verdict": None, "verdicts": {}} for row in rows]
    by = counterparts(part, rows, table, convention or convention_of(part))
    by_label = labelled(rows)
    annotated = []
    for row in rows:
        verdicts = _verdicts(row, part.reference, table, by, by_label)
        annotated.append(
            {
                **row,
                "reported": {each.figure: each.printed for each in verdicts},
                "verdict": row_verdict(verdicts, part.reference.decides),
                "verdicts": {each.figure: asdict(each) for each in verdicts},
            }
        )
    return annotated


def unmatched(rows: Sequence[Row], part: Part) -> tuple[str, ...]:
    """Printed rows beside which none of ours stands."""
    table = reference_table(part)
    if table is None or part.reference is None:
        return ()
    met = [printed_row(row, part.reference, table) for row in rows]
    for over in growth_axes(part, rows):
        met += [growth_row(row, over, part.reference, table) for row in rows]
    left = [each for each in table.rows if not any(each is other for other in met)]
    return tuple(_name(each) for each in left)


def _name(row: PrintedRow) -> str:
    if row.name is not None:
        return row.name
    return ", ".join(f"{key}={each.text}" for key, each in list(row.figures.items())[:1]) or "?"
