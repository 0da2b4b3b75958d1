"""Grid: a table as a page shows it, with what its rows are sorted and filtered by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from harness.present.cells import ABSENT, Cell, Column, Table
from harness.present.verdict import JUDGED

VERDICTS = (*JUDGED, "not judged")


@dataclass(frozen=True)
class GridCell:
    """One cell.

    Attributes:
        text: shown.
        sort: number or text by which its column is sorted; empty: last in either direction.
        word: a verdict or the status of a failed case, where the cell shows one.
    """

    text: str
    sort: str
    word: str = ""


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
    """A table of the page.

    Attributes:
        name: its id.
        title: its caption.
        heads: one per column.
        rows: with one cell per head; the first one names the row.
        notes: below it.
    """

    name: str
    title: str
    heads: tuple[GridHead, ...]
    rows: tuple[GridRow, ...]
    notes: tuple[str, ...] = ()

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
