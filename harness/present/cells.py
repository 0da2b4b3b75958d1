"""Cells, columns and the table that they make, ready to be written in any format."""

from dataclasses import dataclass
from typing import Any, Literal

ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """What is shown, and the stored value behind it (SI base units; `None` if there is none)."""

    text: str
    raw: Any


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
    """

    head: str
    cells: tuple[Cell, ...]
    align: Literal["left", "right"]
    stored: str
    group: str = ""
    sub: str = ""
    shown: bool = True


@dataclass(frozen=True)
class Table:
    """Columns under a title, with what has to be said at its foot."""

    title: str
    columns: tuple[Column, ...]
    footnotes: tuple[str, ...]

    @property
    def shown(self) -> tuple[Column, ...]:
        """Columns for people."""
        return tuple(column for column in self.columns if column.shown)

    @property
    def lines(self) -> list[list[str]]:
        """Shown texts, row by row."""
        return [list(line) for line in zip(*(_texts(column) for column in self.shown), strict=True)]

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from harness.present.html import html

        return html(self)


def _texts(column: Column) -> list[str]:
    return [cell.text for cell in column.cells]
