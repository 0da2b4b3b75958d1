"""Table: the asked columns of a suite's rows, ready to be written in any format."""

from collections.abc import Sequence

from harness.judge.verdict import annotate
from harness.measure.metric import Direction
from harness.present.formats import ABSENT, Cell, Column, Table, percent_cell
from harness.present.notes import footnotes, setting
from harness.present.part import Context, Part, convention_of
from harness.present.reading import Reading, read
from harness.records.quantities.quantity import Row, with_unit
from harness.suite.presentation import TableSpec

__all__ = ["Table", "make"]

_CAUSE_LETTERS = 40


def make(spec: TableSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> Table:
    """A table of a suite's rows: all of them, failed ones with status and cause in place.

    A column with a printed counterpart becomes ours, reported and, where any is judged, the
    difference in per cent of the printed figure.

    Raises:
        HarnessError: a column names no quantity; names the nearest.
    """
    context = context or Context()
    convention = convention_of(part, context)
    annotated = annotate(rows, part, convention)
    readings = [
        read(name, part, annotated, convention) for name in spec.columns if name != "verdict"
    ]
    remaining = iter(readings)
    columns: list[Column] = []
    failed = _Failures(annotated)
    for name in spec.columns:
        if name == "verdict":
            columns.append(_verdict(annotated))
        else:
            reading = next(remaining)
            columns += _expand(reading, annotated, failed, _aim(spec, name, reading))
    columns += _unshown(columns, readings, annotated)
    return Table(
        spec.title or part.title or part.name,
        tuple(columns),
        footnotes(spec, part, annotated, readings, context),
        setting(part, annotated, readings, context),
        spec.best is not None,
    )


def _aim(spec: TableSpec, name: str, reading: Reading) -> Direction | None:
    """Whose best value is marked on request: the suite's word, else what the quantity is."""
    if isinstance(spec.best, dict):
        return spec.best.get(name)
    return reading.quantity.direction


class _Failures:
    """Puts a failed row's status and cause into the first place where a number is missing."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._left = {index: row for index, row in enumerate(rows) if row.get("status") != "ok"}

    def take(self, index: int) -> Cell:
        row = self._left.pop(index, None)
        if row is None:
            return Cell(ABSENT, None)
        status, line = (
            str(row.get("status") or "not run"),
            " ".join(str(row.get("cause") or "").split()),
        )
        if not line:
            return Cell(status, None)
        short = line
        if len(line) > _CAUSE_LETTERS:
            short = line[: _CAUSE_LETTERS - 3].rstrip() + "..."
        return Cell(f"{status}: {short}", None, status)


def _expand(
    reading: Reading, rows: Sequence[Row], failed: _Failures, aim: Direction | None
) -> list[Column]:
    if reading.is_text:
        texts = tuple(Cell(reading.text(row) or ABSENT, reading.quantity.read(row)) for row in rows)
        return [Column(reading.head, texts, "left", reading.quantity.name)]
    verdicts = [reading.verdict(row) for row in rows]
    cells = []
    for index, row in enumerate(rows):
        text = reading.text(row)
        cells.append(failed.take(index) if text is None else Cell(text, reading.stored(row)))
    beside = any(verdict is not None for verdict in verdicts)
    head = reading.head
    stored = reading.quantity.name
    if beside and reading.by is not None and reading.by.combined:
        stored = f"{reading.by.figure}_ours"
    ours = Column(
        f"{head}, ours" if beside else head,
        tuple(cells),
        "right",
        stored,
        head if beside else "",
        "ours" if beside else "",
        aim=aim,
    )
    if not beside or reading.by is None:
        return [ours]
    reported = tuple(
        Cell(ABSENT, None) if each is None else Cell(each["printed_text"], each["printed_text"])
        for each in verdicts
    )
    figure = reading.by.figure
    printed_unit = reading.by.printed_unit
    columns = [
        ours,
        Column(
            with_unit(f"{reading.name} reported", printed_unit or reading.unit.name),
            reported,
            "right",
            f"{figure}_reported",
            head,
            with_unit("reported", printed_unit or ""),
        ),
    ]
    differences = tuple(
        percent_cell(None if each is None else each["difference"]) for each in verdicts
    )
    words = [None if each is None else each["verdict"] for each in verdicts]
    columns.append(
        Column(
            f"{reading.name} difference (%)",
            differences,
            "right",
            f"{figure}_difference",
            head,
            "difference (%)",
            shown=not reading.by.unjudged and reading.by.over is None,
        )
    )
    columns.append(
        Column(
            f"{reading.name} verdict",
            tuple(Cell(word or ABSENT, word) for word in words),
            "left",
            f"{figure}_verdict",
            shown=False,
        )
    )
    return columns


def _verdict(rows: Sequence[Row]) -> Column:
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
