"""Of a report: the runs that it is made from, and its tables: of suites, of printed figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from harness.judge.judgement import JUDGED
from harness.judge.part import Context, Part
from harness.judge.verdict import VerdictTally, tally_of
from harness.measure import METRICS
from harness.messages import HarnessError
from harness.present.best import ranks
from harness.present.formats import ABSENT, Cell, Column, Table, percent_cell
from harness.present.reading import Reading, read
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import own_quantities
from harness.records.record import Record

VERDICTS = (*JUDGED, "not judged")


@dataclass(frozen=True)
class GridCell:
    """One cell."""

    text: str  # shown
    sort: str  # number or text by which its column is sorted; empty: last in either direction
    word: str = ""  # a verdict or the status of a failed case, where the cell shows one
    verdict: str = ""  # of the printed figure whose difference the cell shows
    rank: int | None = None  # 1 for the best of its column, 2 for the second


@dataclass(frozen=True)
class GridRow:
    """One row: its cells, and the words (status, verdicts) by which it is found."""

    cells: tuple[GridCell, ...]
    words: tuple[str, ...]
    failed: bool
    target: str = ""  # id of the part of the page that its name leads to


@dataclass(frozen=True)
class GridHead:
    """Head of a column: shown below a shared one where `group` is not empty."""

    text: str
    group: str
    align: Literal["left", "right"]
    numeric: bool


@dataclass(frozen=True)
class Grid:
    """A table as the page shows it, with what its rows are sorted and filtered by."""

    name: str  # its id
    title: str  # its caption
    heads: tuple[GridHead, ...]  # one per column
    rows: tuple[GridRow, ...]  # with one cell per head; the first one names the row
    notes: tuple[str, ...] = ()  # below it

    @property
    def spans(self) -> list[tuple[str, int, GridHead]]:
        """Shared heads with the number of their columns; those that stand alone have 1."""
        found = []
        for group, heads in groupby(self.heads, key=lambda head: head.group):
            members = list(heads)
            if group:
                found.append((group, len(members), members[0]))
            else:
                found += [("", 1, head) for head in members]
        return found

    @property
    def grouped(self) -> bool:
        """Whether any head is shared."""
        return any(head.group for head in self.heads)

    @property
    def words(self) -> tuple[str, ...]:
        """What rows can be filtered by: statuses and rows' verdicts, then figures' verdicts."""
        found = dict.fromkeys(word for row in self.rows for word in row.words)
        return (*(w for w in found if w not in VERDICTS), *(v for v in VERDICTS if v in found))

    @property
    def ranked(self) -> bool:
        """Whether any cell is the best of its column."""
        return any(cell.rank for row in self.rows for cell in row.cells)

    @property
    def tools(self) -> bool:
        """Whether there is enough to filter."""
        return len(self.rows) > 3


def grid(table: Table, name: str, *, targets: Sequence[str] = ()) -> Grid:
    """A table with its hidden statuses and verdicts as words of its rows.

    Args:
        name: its id.
        targets: ids of parts of the page that the rows' names lead to; of all rows or none.
    """
    first, *others = table.shown
    # A row's verdict beside its name: at the end of a wide table nobody sees it.
    shown = [first, *sorted(others, key=lambda column: column.stored != "verdict")]
    heads = tuple(
        GridHead(
            column.sub if column.group else column.head,
            column.group,
            column.align,
            _numeric(column),
        )
        for column in shown
    )
    best = [ranks([cell.text for cell in column.cells], column.aim) for column in shown]
    rows = tuple(
        _grid_row(table.columns, shown, heads, places, index)
        for index, places in enumerate(zip(*best, strict=True))
    )
    if targets:
        rows = tuple(replace(row, target=each) for row, each in zip(rows, targets, strict=True))
    return Grid(name, table.title, heads, rows, (*table.conclusions, *table.footnotes))


def plain(name: str, title: str, heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> Grid:
    """A grid of texts and numbers, each column sorted by what it holds; `None` is absent."""
    cells = [
        tuple(
            Cell(ABSENT, None)
            if value is None or value == ""
            else Cell(f"{value:,}" if isinstance(value, int) else str(value), value)
            for value in line
        )
        for line in lines
    ]
    columns = []
    for index, head in enumerate(heads):
        column = Column(head, tuple(line[index] for line in cells), "left", head)
        columns.append(replace(column, align="right") if _numeric(column) else column)
    return grid(Table(title, tuple(columns), ()), name)


def _grid_row(
    columns: Sequence[Column],
    shown: Sequence[Column],
    heads: Sequence[GridHead],
    places: Sequence[int | None],
    index: int,
) -> GridRow:
    words = [word for column in columns if (word := _verdict_word(column, column.cells[index]))]
    statuses = [c.cells[index].raw for c in columns if c.stored == "status"]
    bad = [str(status) for status in statuses if status not in (None, "ok")]
    if not bad and statuses:
        words.append("ok")
    cells = []
    for column, head, rank in zip(shown, heads, places, strict=True):
        cell = column.cells[index]
        sort = (
            f"{_number_in(cell.raw):.15g}" if head.numeric and cell.raw is not None else cell.text
        )
        word = _verdict_word(column, cell) or _failure_word(column, cell, bad)
        sort = "" if cell.raw is None else sort
        text = cell.text if cell.spread is None else cell.marked
        cells.append(GridCell(text, sort, word, cell.verdict, rank))
    return GridRow(tuple(cells), tuple(dict.fromkeys([*bad, *words])), bool(bad))


def _verdict_word(column: Column, cell: Cell) -> str:
    if column.stored == "verdict":
        return str(cell.raw or "")
    return str(cell.raw) if column.stored.endswith("_verdict") and cell.raw in VERDICTS else ""


def _failure_word(column: Column, cell: Cell, statuses: Sequence[str]) -> str:
    """A failed case's status, in the cells that say it in place of a number or a verdict."""
    if column.stored == "status":
        return str(cell.raw) if cell.raw in statuses else ""
    said = (each for each in statuses if cell.text == each or cell.text.startswith(f"{each}: "))
    return next(said, "") if cell.raw is None else ""


def _numeric(column: Column) -> bool:
    """Whether all values are numbers, or texts of numbers as papers print them."""
    values = [cell.raw for cell in column.cells if cell.raw is not None]
    return bool(values) and all(_number_in(value) is not None for value in values)


def _number_in(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class TrainedPicture:
    """A picture of trained networks of a suite."""

    title: str  # heading
    png: str  # the file, base64
    description: str  # for who does not see it
    note: str  # below it


@dataclass(frozen=True)
class ReportedPart:
    """One suite of a run."""

    part: Part  # what it asks to see
    rows: Sequence[Row]  # one per case, in the suite's order, annotated with verdicts
    pictures: Sequence[TrainedPicture] = ()  # of its trained networks that are at hand


@dataclass(frozen=True)
class ReportedRun:
    """One run."""

    path: Path  # of its directory
    description: Mapping[str, Any]  # what its `run.json` says
    context: Context  # its convention, machine, versions and warnings
    parts: Sequence[ReportedPart]  # its suites that have rows
    records: Sequence[Record]  # as they were written, for the last lines of failed cases
    planned: int  # number of cases that it was to measure; fewer records if it was interrupted

    @property
    def title(self) -> str:
        """Heading of the suite that was run."""
        return str((self.description.get("suite") or {}).get("title") or self.suite)

    @property
    def suite(self) -> str:
        """Name of the suite that was run."""
        return str((self.description.get("suite") or {}).get("suite") or self.path.parent.name)

    @property
    def environment(self) -> Mapping[str, Any]:
        """The environment of the run."""
        found: Mapping[str, Any] = self.description.get("environment") or {}
        return found


def side_by_side(parts: Sequence[ReportedPart], names: Sequence[str], name: str) -> Grid:
    """One line per case, and per quantity a column of each run with its ratio to the first.

    Quantities on which all runs agree are named below the table instead.

    Args:
        parts: the same suite in several runs.
        name: id of the table.
    """
    labels = list(dict.fromkeys(str(row.get("label")) for part in parts for row in part.rows))
    by_run = [{str(row.get("label")): row for row in part.rows} for part in parts]
    columns = [Column("Label", tuple(Cell(label, label) for label in labels), "left", "label")]
    columns += _status_columns(labels, by_run, names)
    equal = []
    asked = [name for metric in METRICS.values() for name in metric.columns]
    for quantity in (*asked, *own_quantities(row for part in parts for row in part.rows)):
        try:
            readings = [read(quantity, p.part, p.rows) for p in parts]
        except HarnessError:  # a convention that this version no longer has
            continue
        made = _compared(readings, labels, by_run, names)
        if made is None:
            equal.append(readings[0].quantity.head)
        columns += made or []
    notes = [
        f"Ratios are to run {names[0]}, of the numbers as measured, untested; `harness compare` "
        "tests whether two runs differ."
    ]
    if equal:
        notes.append(f"Equal in all runs: {', '.join(equal)}.")
    return grid(Table("Runs side by side", tuple(columns), tuple(notes)), name)


def _status_columns(
    labels: Sequence[str], by_run: Sequence[dict[str, Row]], names: Sequence[str]
) -> list[Column]:
    """Where any case failed or is missing: how it ended in each run."""
    found = [
        [
            "not in this run" if label not in rows else str(rows[label].get("status") or "not run")
            for label in labels
        ]
        for rows in by_run
    ]
    if all(status == "ok" for column in found for status in column):
        return []
    return [
        Column(
            f"Status, {name}", tuple(Cell(s, s) for s in column), "left", "status", "Status", name
        )
        for name, column in zip(names, found, strict=True)
    ]


def _compared(
    readings: Sequence[Reading],
    labels: Sequence[str],
    by_run: Sequence[dict[str, Row]],
    names: Sequence[str],
) -> list[Column] | None:
    """Columns of one quantity; none where nobody measured it, `None` where all runs agree."""
    values = [
        [None if (row := rows.get(label)) is None else reading.stored(row) for label in labels]
        for reading, rows in zip(readings, by_run, strict=True)
    ]
    if all(value is None for column in values for value in column):
        return []
    if all(column == values[0] for column in values):
        return None
    head, columns = readings[0].head, []
    for number, (reading, rows, column) in enumerate(zip(readings, by_run, values, strict=True)):
        texts = [None if (row := rows.get(each)) is None else reading.text(row) for each in labels]
        cells = tuple(Cell(t or ABSENT, v) for t, v in zip(texts, column, strict=True))
        name, aim = names[number], reading.quantity.direction
        columns.append(Column(f"{head}, {name}", cells, "right", "", head, name, aim=aim))
        if number:
            sub = f"{name}\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}{names[0]}"
            shares = tuple(
                _ratio_cell(before, after) for before, after in zip(values[0], column, strict=True)
            )
            columns.append(Column(f"{head}, {sub}", shares, "right", "", head, sub))
    return columns


def _ratio_cell(before: float | None, after: float | None) -> Cell:
    if not before or after is None:
        return Cell(ABSENT, None)
    return Cell(f"{after / before:.3f}", after / before)


@dataclass(frozen=True)
class Judged:
    """One suite of one run in the summary."""

    name: str  # of the suite
    title: str  # of the suite
    run: str  # name of the run in the report
    anchor: str  # id of its section
    cases: int  # number of its rows
    failed: int  # number of those without values
    tally: VerdictTally  # of its printed figures

    @property
    def shares(self) -> list[tuple[str, int, str]]:
        """The counts of the verdicts that occur."""
        return [each for each in self.tally.counts if each[1]]


def judged(part: ReportedPart, run: str, anchor: str) -> Judged:
    """A suite's line in the summary."""
    rows = part.rows
    failed = sum(row.get("status") != "ok" for row in rows)
    title = part.part.title or part.part.name
    return Judged(part.part.name, title, run, anchor, len(rows), failed, tally_of(rows))


def printed_figures(rows: Sequence[Row], name: str) -> Grid | None:
    """Every printed figure of a suite with ours and the verdict; `None` if the suite has none."""
    return _figure_grid(_judged_figures(rows), "Printed figures beside ours", name)


def differing(parts: Sequence[ReportedPart], name: str) -> Grid | None:
    """The printed figures of all suites from which ours differ; `None` if there are none."""
    found = [each for part in parts for each in _judged_figures(part.rows)]
    differ = [(row, each) for row, each in found if each["verdict"] == "differs"]
    return _figure_grid(differ, "Printed figures from which ours differ", name, with_suite=True)


def _judged_figures(rows: Sequence[Row]) -> list[tuple[Row, Mapping[str, Any]]]:
    return [(row, each) for row in rows for each in (row.get("verdicts") or {}).values()]


def _figure_grid(
    found: Sequence[tuple[Row, Mapping[str, Any]]],
    title: str,
    name: str,
    *,
    with_suite: bool = False,
) -> Grid | None:
    if not found:
        return None
    rows, figures = zip(*found, strict=True)
    printed = tuple(Cell(str(each["printed_text"]), each["printed"]) for each in figures)
    ours = tuple(
        Cell(ABSENT, None) if each["ours"] is None else Cell(f"{each['ours']:.6g}", each["ours"])
        for each in figures
    )
    differences = tuple(percent_cell(each["difference"]) for each in figures)
    units = ["" if each["unit"] == "1" else each["unit"] for each in figures]
    columns = (
        _word_column("Label", [row.get("label") for row in rows]),
        *([_word_column("Suite", [row.get("suite") for row in rows])] if with_suite else []),
        _word_column("Printed figure", [each["figure"] for each in figures]),
        Column("Printed", printed, "right", "printed"),
        Column("Ours", ours, "right", "ours"),
        _word_column("Unit", units),
        Column("Difference (%)", differences, "right", "difference"),
        _word_column("Verdict", [each["verdict"] or "not measured" for each in figures], "verdict"),
        _word_column("Reason", [each["reason"] for each in figures]),
    )
    return grid(Table(title, columns, ()), name)


def _word_column(head: str, values: Sequence[Any], stored: str = "") -> Column:
    cells = tuple(Cell(str(v), str(v)) if v else Cell(ABSENT, None) for v in values)
    return Column(head, cells, "left", stored)
