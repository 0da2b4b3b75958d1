"""Of a report: its tables, printed figures beside ours, suites side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from harness.judge.part import Context, Part
from harness.judge.verdict import JUDGED, VerdictTally, tally_of
from harness.messages import HarnessError
from harness.present.formats import ABSENT, Cell, Column, Table
from harness.present.reading import Reading, read
from harness.records.quantities.quantity import Row, percent
from harness.records.record import Record

# Grid: a table as a page shows it, with what its rows are sorted and filtered by.

VERDICTS = (*JUDGED, "not judged")


@dataclass(frozen=True)
class GridCell:
    """One cell."""

    text: str  # shown
    sort: str  # number or text by which its column is sorted; empty: last in either direction
    word: str = ""  # a verdict or the status of a failed case, where the cell shows one


@dataclass(frozen=True)
class GridRow:
    """One row: its cells, and the words (status, verdicts) by which it is found."""

    cells: tuple[GridCell, ...]
    words: tuple[str, ...]
    failed: bool


@dataclass(frozen=True)
class GridHead:
    """Head of a column: shown below a shared one where `group` is not empty."""

    text: str
    group: str
    align: Literal["left", "right"]
    numeric: bool


@dataclass(frozen=True)
class Grid:
    """A table of the page."""

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
        """What rows can be filtered by: statuses, then verdicts, those that occur."""
        found = dict.fromkeys(word for row in self.rows for word in row.words)
        return (*(w for w in found if w not in VERDICTS), *(v for v in VERDICTS if v in found))

    @property
    def tools(self) -> bool:
        """Whether there is enough to filter."""
        return len(self.rows) > 3


def grid(table: Table, name: str, *, notes: Sequence[str] | None = None) -> Grid:
    """A table with its hidden statuses and verdicts as words of its rows."""
    shown = _verdict_first(table.shown)
    heads = tuple(
        GridHead(
            column.sub if column.group else column.head,
            column.group,
            column.align,
            _numeric(column),
        )
        for column in shown
    )
    count = len(shown[0].cells) if shown else 0
    rows = tuple(_row(table.columns, shown, heads, index) for index in range(count))
    return Grid(name, table.title, heads, rows, table.footnotes if notes is None else tuple(notes))


def plain(name: str, title: str, heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> Grid:
    """A grid of texts and numbers, each column sorted by what it holds; `None` is absent."""
    cells = [tuple(Cell(*_shown(value)) for value in line) for line in lines]
    columns = []
    for index, head in enumerate(heads):
        column = Column(head, tuple(line[index] for line in cells), "left", head)
        columns.append(replace(column, align="right") if _numeric(column) else column)
    return grid(Table(title, tuple(columns), ()), name)


def _verdict_first(columns: Sequence[Column]) -> tuple[Column, ...]:
    """A row's verdict beside its name: at the end of a wide table nobody sees it."""
    verdicts = [column for column in columns[1:] if column.stored == "verdict"]
    others = [column for column in columns[1:] if column.stored != "verdict"]
    return (*columns[:1], *verdicts, *others)


def _shown(value: Any) -> tuple[str, Any]:
    if value is None or value == "":
        return ABSENT, None
    if isinstance(value, int):
        return f"{value:,}", value
    return str(value), value


def _row(
    columns: Sequence[Column], shown: Sequence[Column], heads: Sequence[GridHead], index: int
) -> GridRow:
    words = [word for column in columns if (word := _word(column, column.cells[index]))]
    statuses = [c.cells[index].raw for c in columns if c.stored == "status"]
    bad = [str(status) for status in statuses if status not in (None, "ok")]
    if not bad and statuses:
        words.append("ok")
    cells = tuple(
        GridCell(
            column.cells[index].text,
            _sort(column.cells[index], head.numeric),
            _word(column, column.cells[index]) or _failure(column, column.cells[index], bad),
        )
        for column, head in zip(shown, heads, strict=True)
    )
    return GridRow(cells, tuple(dict.fromkeys([*bad, *words])), bool(bad))


def _word(column: Column, cell: Cell) -> str:
    is_verdict = column.stored == "verdict" or column.stored.endswith("_verdict")
    return str(cell.raw) if is_verdict and cell.raw in VERDICTS else ""


def _failure(column: Column, cell: Cell, statuses: Sequence[str]) -> str:
    """A failed case's status, in the cells that say it in place of a number or a verdict."""
    if column.stored == "status":
        return str(cell.raw) if cell.raw in statuses else ""
    said = (each for each in statuses if cell.text == each or cell.text.startswith(f"{each}: "))
    return next(said, "") if cell.raw is None else ""


def _numeric(column: Column) -> bool:
    """Whether all values are numbers, or texts of numbers as papers print them."""
    values = [cell.raw for cell in column.cells if cell.raw is not None]
    return bool(values) and all(_number(value) is not None for value in values)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _sort(cell: Cell, numeric: bool) -> str:
    if cell.raw is None:
        return ""
    return f"{_number(cell.raw):.15g}" if numeric else cell.text


# What a report is made from: runs with the rows that their suites show.


@dataclass(frozen=True)
class ReportedPart:
    """One suite of a run."""

    part: Part  # what it asks to see
    rows: Sequence[Row]  # one per case, in the suite's order, annotated with verdicts


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


# Several runs of one suite side by side.

_QUANTITIES = (
    "params",
    "operations",
    "live_peak_bytes",
    "live_peak_training_bytes",
    "allocator_peak_bytes",
    "resident_peak_bytes",
    "latency_seconds",
    "energy_joules",
    "miou",
)


def side_by_side(parts: Sequence[ReportedPart], names: Sequence[str], name: str) -> Grid:
    """One line per case, and per quantity a column of each run with its change from the first.

    Quantities on which all runs agree are named below the table instead.

    Args:
        parts: the same suite in several runs.
        names: of the runs.
        name: id of the table.
    """
    labels = list(dict.fromkeys(str(row.get("label")) for part in parts for row in part.rows))
    by_run = [{str(row.get("label")): row for row in part.rows} for part in parts]
    columns = [Column("Label", tuple(Cell(label, label) for label in labels), "left", "label")]
    columns += _statuses(labels, by_run, names)
    equal = []
    for quantity in _QUANTITIES:
        try:
            readings = [read(quantity, p.part, p.rows) for p in parts]
        except HarnessError:  # a convention that this version no longer has
            continue
        made = _columns(readings, labels, by_run, names)
        if made is None:
            equal.append(readings[0].quantity.head)
        columns += made or []
    notes = [
        f"Change: from run {names[0]} to the run named, of the numbers as measured, untested; "
        "`harness compare` tests whether two runs differ."
    ]
    if equal:
        notes.append(f"Equal in all runs: {', '.join(equal)}.")
    return grid(Table("Runs side by side", tuple(columns), tuple(notes)), name)


def _statuses(
    labels: Sequence[str], by_run: Sequence[dict[str, Row]], names: Sequence[str]
) -> list[Column]:
    """Where any case failed or is missing: how it ended in each run."""
    found = [[_status(rows.get(label)) for label in labels] for rows in by_run]
    if all(status == "ok" for column in found for status in column):
        return []
    return [
        Column(
            f"Status, {name}", tuple(Cell(s, s) for s in column), "left", "status", "Status", name
        )
        for name, column in zip(names, found, strict=True)
    ]


def _status(row: Row | None) -> str:
    return "not in this run" if row is None else str(row.get("status") or "not run")


def _columns(
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
        columns.append(Column(f"{head}, {names[number]}", cells, "right", "", head, names[number]))
        if number:
            sub = f"change {names[number]} (%)"
            changes = tuple(map(_change, values[0], column))
            columns.append(Column(f"{head}, {sub}", changes, "right", "", head, sub))
    return columns


def _change(before: float | None, after: float | None) -> Cell:
    if before is None or after is None or before == 0:
        return Cell(ABSENT, None)
    share = (after - before) / abs(before)
    return Cell(percent(share, 1), share)


_DIGITS = 6  # significant, of ours in the unit of the printed figure


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
    def shares(self) -> list[tuple[str, int]]:
        """Verdicts that occur, with their numbers."""
        tally = self.tally
        named = [
            ("reproduced", tally.reproduced),
            ("differs", tally.differs),
            ("not reproducible", tally.not_reproducible),
            ("not judged", tally.not_judged),
            ("not measured", tally.not_measured),
        ]
        return [each for each in named if each[1]]


def judged(part: ReportedPart, run: str, anchor: str) -> Judged:
    """A suite's line in the summary."""
    rows = part.rows
    failed = sum(row.get("status") != "ok" for row in rows)
    title = part.part.title or part.part.name
    return Judged(part.part.name, title, run, anchor, len(rows), failed, tally_of(rows))


def printed_figures(rows: Sequence[Row], name: str) -> Grid | None:
    """Every printed figure of a suite with ours and the verdict; `None` if the suite has none."""
    return _figures(list(_verdicts(rows)), "Printed figures beside ours", name)


def differing(parts: Sequence[ReportedPart], name: str) -> Grid | None:
    """The printed figures of all suites from which ours differ; `None` if there are none."""
    found = [each for part in parts for each in _verdicts(part.rows)]
    differ = [(row, each) for row, each in found if each["verdict"] == "differs"]
    return _figures(differ, "Printed figures from which ours differ", name, with_suite=True)


def _figures(
    found: Sequence[tuple[Row, Mapping[str, Any]]],
    title: str,
    name: str,
    *,
    with_suite: bool = False,
) -> Grid | None:
    if not found:
        return None
    suites = _texts("Suite", [row.get("suite") for row, _ in found])
    columns = (
        _texts("Label", [row.get("label") for row, _ in found]),
        *((suites,) if with_suite else ()),
        _texts("Printed figure", [each["figure"] for _, each in found]),
        Column("Printed", tuple(_printed(each) for _, each in found), "right", "printed"),
        Column("Ours", tuple(_ours(each) for _, each in found), "right", "ours"),
        _texts("Unit", [_unit(each) for _, each in found]),
        Column(
            "Difference (%)", tuple(_difference(each) for _, each in found), "right", "difference"
        ),
        _texts("Verdict", [each["verdict"] or "not measured" for _, each in found], "verdict"),
        _texts("Reason", [each["reason"] for _, each in found]),
    )
    return grid(Table(title, columns, ()), name)


def _verdicts(rows: Sequence[Row]) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    for row in rows:
        for each in (row.get("verdicts") or {}).values():
            yield row, each


def _texts(head: str, values: Sequence[Any], stored: str = "") -> Column:
    cells = tuple(Cell(str(v), str(v)) if v else Cell(ABSENT, None) for v in values)
    return Column(head, cells, "left", stored)


def _printed(verdict: Mapping[str, Any]) -> Cell:
    return Cell(str(verdict["printed_text"]), verdict["printed"])


def _ours(verdict: Mapping[str, Any]) -> Cell:
    value = verdict["ours"]
    return Cell(ABSENT, None) if value is None else Cell(f"{value:.{_DIGITS}g}", value)


def _unit(verdict: Mapping[str, Any]) -> str:
    return "" if verdict["unit"] == "1" else str(verdict["unit"])


def _difference(verdict: Mapping[str, Any]) -> Cell:
    share = verdict["difference"]
    return Cell(ABSENT, None) if share is None else Cell(percent(share), share)
