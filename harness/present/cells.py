"""Cells, columns and the table that they make, ready to be written in any format."""

from dataclasses import dataclass
from typing import Any, Literal

ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """One place of a column.

    Attributes:
        text: what is shown.
        raw: the stored value behind it, in SI base units; `None` if there is none.
        short: what is shown where a column has room for a word only (`oom`); `text` if empty.
    """

    text: str
    raw: Any
    short: str = ""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        head: complete, with unit.
        cells: one per row.
        align: of text and head.
        stored: its name in CSV files.
        group: head shared with the columns beside it, and `sub` its own one below; empty if alone.
        sub: see `group`.
        shown: False for values that only CSV files hold.
        aim: whether less or more is better, where best values are to be marked.
    """

    head: str
    cells: tuple[Cell, ...]
    align: Literal["left", "right"]
    stored: str
    group: str = ""
    sub: str = ""
    shown: bool = True
    aim: Literal["min", "max"] | None = None


@dataclass(frozen=True)
class Table:
    """Columns under a title, with what has to be said at its foot.

    Attributes:
        title: of the table.
        columns: shown ones and those that only CSV files hold.
        footnotes: all lines of the foot.
        setting: those of them that belong into a caption: what is counted, device, data type,
            versions.
        best: whether the suite asks for best and second values to be marked.
    """

    title: str
    columns: tuple[Column, ...]
    footnotes: tuple[str, ...]
    setting: tuple[str, ...] = ()
    best: bool = False

    @property
    def shown(self) -> tuple[Column, ...]:
        """Columns for people."""
        return tuple(column for column in self.columns if column.shown)

    @property
    def lines(self) -> list[list[str]]:
        """Shown texts, row by row."""
        return [list(line) for line in zip(*(_texts(column) for column in self.shown), strict=True)]

    def __repr__(self) -> str:
        rows = len(self.columns[0].cells) if self.columns else 0
        return f"<Table {self.title!r}: {rows} rows of {len(self.shown)} columns>"

    def __str__(self) -> str:
        """Markdown, which reads as a table where it is printed."""
        from harness.present.markdown import markdown

        return markdown(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from harness.present.html import html

        return html(self)


def _texts(column: Column) -> list[str]:
    return [cell.text for cell in column.cells]
