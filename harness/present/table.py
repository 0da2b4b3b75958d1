"""Table: the asked columns of a suite's rows, ready to be written in any format."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.judge.counterpart import Counterpart
from harness.judge.part import Context, Part
from harness.judge.relative import RELATIVE, conclusions, relative_of, with_relative
from harness.measure import METRICS
from harness.measure.metric import Direction
from harness.present.captions import caption, explanations, peers
from harness.present.formats import ABSENT, MARKS, Cell, Column, Table, percent_cell
from harness.present.notes import footnotes, marked, needed, reasons, warned
from harness.present.pivot import pivoted
from harness.present.reading import Reading, read
from harness.records.quantities.quantity import Row, with_unit
from harness.records.quantities.registry import axes
from harness.suite.presentation import ColumnSpec, TableSpec

# Ends of intervals, of which none is better than what they bound.
_BOUNDS = frozenset(
    name for metric in METRICS.values() for value in metric.values for name in value.interval or ()
)


def make(spec: TableSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> Table:
    """A table of annotated rows: all of them, failed ones with their status in place.

    A column with a printed counterpart becomes ours, reported and, where any is judged, the
    difference in per cent of the printed figure.

    Raises:
        HarnessError: a column names no quantity; names the nearest.
    """
    context = context or Context()
    if spec.relative_to is not None:
        rows = with_relative(rows, spec.relative_to)
    alike: tuple[str, ...] = ()
    if spec.pivot is not None:
        columns, readings = pivoted(spec.pivot, part, rows)
    else:
        rows = _in_order(spec, part, rows)
        columns, readings = _listed(spec, part, rows)
        told = _told_rows(rows, readings)
        columns = [replace(c, cells=tuple(c.cells[n] for n in told)) for c in columns]
        alike = peers([rows[number] for number in told])
    return Table(
        spec.title or part.title or part.name,
        tuple(columns),
        footnotes(spec, part, rows, readings, context),
        caption=caption(rows),
        reading=explanations(spec, part, rows, readings, context),
        peers=alike,
        conclusions=tuple(conclusions(rows)) if RELATIVE in spec.names else (),
        verdicts=marked(rows, columns),
        needed=needed(part, rows, columns),
        warned=warned(rows),
        reasons=reasons(part, rows)
        if any(each.sub or each.stored == "verdict" for each in columns)
        else (),
    )


def usual_columns(
    rows: Sequence[Row], metrics: Collection[str], own: Iterable[str]
) -> tuple[str, ...]:
    """The columns of a table that nobody asked for: axes, what was measured, times compared.

    Args:
        metrics: names of those that are shown.
        own: stored names that users' metrics gave.
    """
    grid = [axis for axis in axes(rows) if axis != "module"]  # labels begin with that
    shown = [each.name for each in METRICS.values() if each.name in metrics and each.columns]
    compared = [RELATIVE] if any(row.get(RELATIVE) for row in rows) else []
    return ("label", *grid, *shown, *own, *compared)


def _listed(spec: TableSpec, part: Part, rows: Sequence[Row]) -> tuple[list[Column], list[Reading]]:
    """The asked columns and how they are read."""
    readings = []
    columns: list[Column] = []
    failed = _Failures(rows)
    for choice in spec.columns:
        asked = ColumnSpec(name=choice) if isinstance(choice, str) else choice
        if asked.name == "verdict":
            made, usual = [_row_verdicts(rows)], ""
        else:
            reading = read(asked.name, part, rows)
            # Whose best value is marked on request: the suite's word, else what the quantity is.
            quantity = reading.quantity
            direction = None if quantity.name in _BOUNDS else quantity.direction
            aim = spec.best.get(asked.name) if isinstance(spec.best, dict) else direction
            made, usual = _expand(reading, rows, failed, aim), reading.name
            readings.append(reading)
        columns += _as_asked(made, asked, usual, reported=spec.reported and asked.reported)
    return columns + _unshown(columns, readings, rows), readings


def _as_asked(
    made: Sequence[Column], asked: ColumnSpec, usual: str, *, reported: bool
) -> Iterator[Column]:
    """Columns under the head that is asked for; what is printed beside them only where it is.

    Args:
        usual: their head without unit.
    """
    ours, *printed = made
    beside = reported and any(each.shown for each in printed)
    if not beside:
        head = _with_usual_unit(asked.head, ours.group if ours.sub else ours.head, usual)
        ours = replace(ours, head=head, group="", sub="")
    elif asked.head:
        ours = replace(ours, head=f"{asked.head}, {ours.sub}", group=asked.head)
    yield ours
    for each in printed:
        head = each.head.replace(usual, asked.head or usual, 1)
        group = (asked.head or each.group) if each.group else ""
        yield replace(each, shown=each.shown and beside, head=head, group=group)


def _with_usual_unit(head: str | None, whole: str, usual: str) -> str:
    """A head that is asked for, with the unit of the usual one unless it says one itself."""
    if head is None:
        return whole
    return head if "(" in head else whole.replace(usual, head, 1)


def _told_rows(rows: Sequence[Row], readings: Sequence[Reading]) -> list[int]:
    """One row a sweep, where nothing but exponents of growth is asked for; else all.

    An exponent stands at the row of the largest size; those of other sizes have nothing to say.
    """
    numbers = [reading for reading in readings if not reading.is_text]
    if not numbers or any(each.by is None or each.by.over is None for each in numbers):
        return list(range(len(rows)))
    return [
        number
        for number, row in enumerate(rows)
        if row.get("status") != "ok" or any(each.stored(row) is not None for each in numbers)
    ]


def _in_order(spec: TableSpec, part: Part, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows as `sort` asks; what it is not known of stands last, equal ones as they were."""
    name, falling = spec.sorted_by
    if not name:
        return rows
    reading = read(name, part, rows)
    known = [row for row in rows if _key(reading, row) is not None]
    rest = [row for row in rows if _key(reading, row) is None]
    return sorted(known, key=lambda row: _key(reading, row), reverse=falling) + rest


def _key(reading: Reading, row: Row) -> Any:
    return reading.text(row) if reading.is_text else reading.stored(row)


class _Failures:
    """Puts a failed row's status where its first number is missing; the notes have the cause."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._left = {i: row for i, row in enumerate(rows) if row.get("status") != "ok"}

    def take(self, index: int) -> Cell:
        row = self._left.pop(index, None)
        if row is None:
            return Cell(ABSENT, None)
        return Cell(str(row.get("status") or "not run"), None)


def _expand(
    reading: Reading, rows: Sequence[Row], failed: _Failures, aim: Direction | None
) -> list[Column]:
    """The columns of a reading: ours, and what the paper prints beside it."""
    if reading.is_text:
        cells = tuple(Cell(reading.text(row) or ABSENT, reading.quantity.read(row)) for row in rows)
        return [Column(reading.head, cells, "left", reading.quantity.name)]
    if reading.quantity.name == RELATIVE:
        cells = tuple(_relative_cell(row, failed, index) for index, row in enumerate(rows))
        return [Column(reading.head, cells, "right", RELATIVE)]
    verdicts = [reading.verdict(row) for row in rows]
    cells = tuple(
        failed.take(index)
        if (text := reading.text(row)) is None
        else Cell(text, reading.stored(row), spread=reading.spread(row))
        for index, row in enumerate(rows)
    )
    head, stored, by = reading.head, reading.quantity.name, reading.by
    bounds = reading.quantity.interval or ()
    if by is None or all(verdict is None for verdict in verdicts):
        return [Column(head, cells, "right", stored, aim=aim, interval=bounds)]
    stored = f"{by.figure}_ours" if by.combined else stored
    ours = Column(f"{head}, ours", cells, "right", stored, head, "ours", True, aim, bounds)
    return [ours, *_printed_columns(reading, by, verdicts)]


def _relative_cell(row: Row, failed: _Failures, index: int) -> Cell:
    """A ratio with its interval, and a mark where it tells nothing apart."""
    if row.get(RELATIVE) is None:
        return failed.take(index)
    found = relative_of(row)
    return Cell("1" if found is None else f"{found} {found.mark}".rstrip(), row[RELATIVE])


def _printed_columns(
    reading: Reading, by: Counterpart, verdicts: Sequence[Mapping[str, Any] | None]
) -> Iterator[Column]:
    """Reported figures, differences (shown where any is judged) and verdicts (for CSV files).

    The mark of a verdict stands at the difference; of a printed order, which has none, at itself.
    """
    head, name, printed_unit = reading.head, reading.name, by.printed_unit
    apart = by.over is None  # exponents have no difference in per cent
    texts = [None if each is None else each["printed_text"] for each in verdicts]
    shares = [None if each is None else each["difference"] for each in verdicts]
    words = [None if each is None else each["verdict"] for each in verdicts]
    marks = [word if word in MARKS else "" for word in words]
    yield Column(
        with_unit(f"{name} reported", printed_unit or reading.unit.name),
        tuple(
            Cell(text or ABSENT, text, verdict="" if apart else mark)
            for text, mark in zip(texts, marks, strict=True)
        ),
        "right",
        f"{by.figure}_reported",
        head,
        with_unit("reported", printed_unit or ""),
    )
    yield Column(
        f"{name} difference (%)",
        tuple(
            replace(percent_cell(share), verdict=mark)
            for share, mark in zip(shares, marks, strict=True)
        ),
        "right",
        f"{by.figure}_difference",
        head,
        "difference (%)",
        shown=not by.unjudged and apart,
    )
    cells = tuple(Cell(word or ABSENT, word) for word in words)
    yield Column(f"{name} verdict", cells, "left", f"{by.figure}_verdict", shown=False)


def _row_verdicts(rows: Sequence[Row]) -> Column:
    cells = []
    for row in rows:
        word = row.get("verdict")
        shown = word or (ABSENT if row.get("status") == "ok" else row.get("status"))
        cells.append(Cell(str(shown), word))
    return Column("Verdict", tuple(cells), "left", "verdict")


def _unshown(
    columns: Sequence[Column], readings: Sequence[Reading], rows: Sequence[Row]
) -> list[Column]:
    """Stored values that a CSV reader needs beside the shown columns."""
    taken = {column.stored for column in columns}
    names = ["label", "status", "cause"]
    for reading in readings:
        names += reading.quantity.interval or ()
    return [
        Column(name, tuple(Cell("", row.get(name)) for row in rows), "left", name, shown=False)
        for name in dict.fromkeys(names)
        if name not in taken
    ]
