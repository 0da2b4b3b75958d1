"""Table: the asked columns of a suite's rows, ready to be written in any format."""

from collections.abc import Sequence
from typing import Any

from harness.judge.part import Context, Part
from harness.present import growth_table
from harness.present.formats import ABSENT, Cell, Column, Table
from harness.present.notes import footnotes, setting
from harness.present.reading import Reading, read
from harness.records.quantities.quantity import Direction, Row, direction, percent, with_unit
from harness.suite.presentation import TableSpec

__all__ = ["Table", "make"]

_CAUSE_WIDTH = 40


def make(spec: TableSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> Table:
    """A table of a suite's rows: all of them, failed ones with status and cause in place.

    A column with a printed counterpart becomes ours, reported and, where any is judged, the
    difference in per cent of the printed figure.

    Args:
        spec: of the table.
        part: the suite.
        rows: annotated.
        context: of the run.

    Raises:
        HarnessError: a column names no quantity; names the nearest.
    """
    context = context or Context()
    if spec.kind == "growth":
        return growth_table.make(spec, part, rows, context)
    readings = [read(name, part, rows) for name in spec.columns if name != "verdict"]
    remaining = iter(readings)
    columns: list[Column] = []
    failed = _Failures(rows)
    for name in spec.columns:
        if name == "verdict":
            columns.append(_verdict(rows))
        else:
            reading = next(remaining)
            columns += _expand(reading, rows, failed, _aim(spec, name, reading))
    columns += _unshown(columns, readings, rows)
    return Table(
        spec.title or part.title or part.name,
        tuple(columns),
        footnotes(spec, part, rows, readings, context),
        setting(part, rows, readings, context),
        spec.best is not None,
    )


def _aim(spec: TableSpec, name: str, reading: Reading) -> Direction | None:
    """Whose best value is marked on request: the suite's word, else what the quantity is."""
    if isinstance(spec.best, dict):
        return spec.best.get(name)
    return direction(reading.quantity)


class _Failures:
    """Puts a failed row's status and cause into the first place where a number is missing."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._left = {
            index: _failure(row) for index, row in enumerate(rows) if row.get("status") != "ok"
        }

    def take(self, index: int) -> Cell:
        return self._left.pop(index, Cell(ABSENT, None))


def _failure(row: Row) -> Cell:
    status, cause = str(row.get("status") or "not run"), row.get("cause")
    if not cause:
        return Cell(status, None)
    line = " ".join(str(cause).split())
    short = line if len(line) <= _CAUSE_WIDTH else line[: _CAUSE_WIDTH - 3].rstrip() + "..."
    return Cell(f"{status}: {short}", None, status)


def _expand(
    reading: Reading, rows: Sequence[Row], failed: _Failures, aim: Direction | None
) -> list[Column]:
    if reading.is_text:
        return [_plain(reading, rows)]
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
    differences = tuple(_difference(each) for each in verdicts)
    columns.append(
        Column(
            f"{reading.name} difference (%)",
            differences,
            "right",
            f"{figure}_difference",
            head,
            "difference (%)",
            shown=not reading.by.unjudged,
        )
    )
    columns.append(
        Column(
            f"{reading.name} verdict",
            tuple(_judgement(each) for each in verdicts),
            "left",
            f"{figure}_verdict",
            shown=False,
        )
    )
    return columns


def _difference(verdict: Any) -> Cell:
    share = None if verdict is None else verdict["difference"]
    return Cell(ABSENT, None) if share is None else Cell(percent(share), share)


def _judgement(verdict: Any) -> Cell:
    word = None if verdict is None else verdict["verdict"]
    return Cell(word or ABSENT, word)


def _plain(reading: Reading, rows: Sequence[Row]) -> Column:
    cells = tuple(Cell(reading.text(row) or ABSENT, reading.quantity.read(row)) for row in rows)
    return Column(reading.head, cells, "left", reading.quantity.name)


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
