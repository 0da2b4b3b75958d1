"""A table of cells, and how it becomes text: CSV, HTML, Markdown."""

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from html import escape as escape_html
from typing import Any, Literal

from tabulate import tabulate

from harness.judge.judgement import REPRODUCED
from harness.messages import printable
from harness.records.quantities.quantity import percent

NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
"""A cell that is a number; all else is a word."""

ABSENT = "–"

MARKS = {"agrees": "✓", "differs": "✗", "explained": "†", "not reproducible": "‡"}
"""What stands behind the difference from a judged printed figure; the notes say what each means."""


def tone(verdict: str) -> Literal["good", "bad", "unsure"] | None:
    """How a verdict of a figure or of a row is coloured; `None` for any other word."""
    if verdict in ("agrees", REPRODUCED):
        return "good"
    if verdict == "differs":
        return "bad"
    return "unsure" if verdict in MARKS or verdict.endswith(" agree") else None


FEW = "~"
"""What stands at a measured figure of which there are too few samples to compare rows."""


@dataclass(frozen=True)
class Spread:
    """How sure a measured figure is."""

    # the longer half of its 95 % interval, to the last digit of the figure; empty if unknown, and
    # where the other half is much shorter
    half: str
    ends: str  # `0.5–24`: its ends, where its halves are much unlike; else empty
    count: int  # what the interval is of: samples of one process, processes, or seeds
    enough: int  # from how many on rows can be compared

    @property
    def few(self) -> bool:
        """Whether rows cannot be compared by it."""
        return not (self.half or self.ends) or self.count < self.enough

    def beside(self, width: int = 0) -> str:
        """What stands beside the figure: `± 40`, `0.5–24`, or nothing."""
        return f"± {self.half:>{width}}" if self.half else self.ends


@dataclass(frozen=True)
class Cell:
    """One place of a column."""

    text: str  # what is shown
    raw: Any  # the stored value behind it, in SI base units; `None` if there is none
    verdict: str = ""  # of the printed figure whose difference it is, where it is judged
    spread: Spread | None = None  # of a measured figure

    @property
    def marked(self) -> str:
        """The text with the mark of its verdict, or as a measured figure: `1420 ± 40`, `4700 ~`."""
        if self.spread is not None:
            ends = f"({self.spread.ends})" if self.spread.ends else ""
            beside = ends or self.spread.beside()
            return " ".join(filter(None, (self.text, beside, FEW if self.spread.few else "")))
        return f"{self.text} {MARKS[self.verdict]}" if self.verdict else self.text


def percent_cell(share: float | None, decimals: int = 2) -> Cell:
    """A share in per cent, with its sign."""
    return Cell(ABSENT, None) if share is None else Cell(percent(share, decimals), share)


@dataclass(frozen=True)
class Column:
    """One column."""

    head: str  # complete, with unit
    cells: tuple[Cell, ...]  # one per row
    align: Literal["left", "right"]  # of text and head
    stored: str  # its name in CSV files
    # head shared with the columns beside it, and `sub` its own one below; empty if alone
    group: str = ""
    sub: str = ""  # see `group`
    shown: bool = True  # False for values that only CSV files hold
    # whether less or more is better, where best values are to be marked
    aim: Literal["min", "max"] | None = None
    interval: tuple[str, ...] = ()  # names of columns that its cells' spreads make superfluous


@dataclass(frozen=True)
class Table:
    """Columns under a title, with what has to be said at its foot."""

    title: str  # of the table
    columns: tuple[Column, ...]  # shown ones and those that only CSV files hold
    footnotes: tuple[str, ...]  # all lines of the foot
    caption: str = ""  # what a paper says beside the title: input, data type, pass
    reading: tuple[str, ...] = ()  # what a paper says below it
    peers: tuple[str, ...] = ()  # of each row: equal where best is sought, empty where it failed
    conclusions: tuple[str, ...] = ()  # which row is the fastest, and by how much
    verdicts: str = ""  # how many of its figures have which mark; empty where none has one
    needed: tuple[str, ...] = ()  # the lines of the foot without which it would be misread
    warned: str = ""  # how many of its rows carry a warning; empty where none does
    reasons: tuple[str, ...] = ()  # those that say why figures agree, differ or are not judged

    def __post_init__(self) -> None:
        # Texts of any origin: every form of a table takes them from here.
        for name, text in (
            ("title", printable(self.title)),
            ("columns", tuple(map(_printable_column, self.columns))),
            ("footnotes", tuple(map(printable, self.footnotes))),
            ("caption", printable(self.caption)),
            ("reading", tuple(map(printable, self.reading))),
            ("conclusions", tuple(map(printable, self.conclusions))),
            ("needed", tuple(map(printable, self.needed))),
            ("reasons", tuple(map(printable, self.reasons))),
        ):
            object.__setattr__(self, name, text)

    @property
    def shown(self) -> tuple[Column, ...]:
        """Columns for people."""
        return tuple(column for column in self.columns if column.shown)

    @property
    def brief(self) -> tuple[str, ...]:
        """The foot of a table that stands alone, in a terminal."""
        return tuple(filter(None, (self.verdicts, *self.needed, self.warned)))

    @property
    def lines(self) -> list[list[str]]:
        """Shown texts with their marks, row by row."""
        cells = zip(*(column.cells for column in self.shown), strict=True)
        return [[cell.marked for cell in line] for line in cells]

    def __repr__(self) -> str:
        rows = len(self.columns[0].cells) if self.columns else 0
        return f"<Table {self.title!r}: {rows} rows of {len(self.shown)} columns>"

    def __str__(self) -> str:
        """Markdown, which reads as a table where it is printed."""
        return markdown(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html(self)


def _printable_column(column: Column) -> Column:
    texts = (column.head, column.group, column.sub, *(c.text for c in column.cells))
    if "".join(texts).isprintable():
        return column
    head, group, sub = map(printable, (column.head, column.group, column.sub))
    cells = [replace(c, text=printable(c.text)) for c in column.cells]
    return replace(column, head=head, group=group, sub=sub, cells=tuple(cells))


# Spreadsheets run a cell that starts so as a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_PLAIN_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


def safe(value: Any) -> str:
    """A value as printable text; what a spreadsheet would run gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    # The csv module leaves a lone carriage return unquoted, and readers end the line there.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "\t".join(map(printable, text.split("\t")))
    dangerous = text.startswith(_FORMULA) and _PLAIN_NUMBER.fullmatch(text) is None
    return f"'{text}" if dangerous else text


def csv_text(table: Table) -> str:
    """One header line, then one line per row; numbers in full precision, blank if not measured.

    Printed figures stand as printed, in the unit that their name ends with.
    """
    columns = {column.stored: column for column in reversed(table.columns)}
    ordered = [column for column in table.columns if columns[column.stored] is column]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe(column.stored) for column in ordered])
    for cells in zip(*(column.cells for column in ordered), strict=True):
        writer.writerow([safe(cell.raw) for cell in cells])
    return out.getvalue()


# Told apart by text as well; readable on white and on the black of dark notebooks.
_COLOURS = {"good": "#1a8a5a", "bad": "#d0473d", "unsure": "#a87400"}
_CELL = "padding:0.2em 0.6em;white-space:nowrap"


def html(table: Table) -> str:
    """One element with its style within, as notebooks show it; all text is escaped."""
    heads = "".join(
        f"<th scope='col' style='text-align:{column.align};padding:0.2em 0.6em'>"
        f"{escape_html(column.head)}</th>"
        for column in table.shown
    )
    body = ""
    for line in zip(*(column.cells for column in table.shown), strict=True):
        cells = ""
        for column, cell in zip(table.shown, line, strict=True):
            found = tone(cell.verdict or cell.text)
            colour = f";color:{_COLOURS[found]}" if found else ""
            style = f"text-align:{column.align};{_CELL}{colour}"
            cells += f"<td style='{style}'>{escape_html(cell.marked)}</td>"
        body += f"<tr>{cells}</tr>"
    notes = "".join(f"<li>{escape_html(line)}</li>" for line in table.footnotes)
    summary = f"<summary>Notes ({len(table.footnotes)})</summary>"
    return (
        "<div style='overflow-x:auto;margin:0.5em 0 1em'>"
        f"<table><caption style='text-align:left'><b>{escape_html(table.title)}</b></caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        f"{''.join(f'<p>{escape_html(line)}</p>' for line in table.conclusions)}"
        f"{f'<details>{summary}<ul>{notes}</ul></details>' if notes else ''}</div>"
    )


_ACTIVE = re.compile(r"([\\`*_\[\]<>|#~&$])")
# GitHub mentions people, links addresses and names issues wherever it reads them, escaped or not;
# an empty comment inside is what it does not read across.
_CALLS = re.compile(r"(?<!\w)@(?=\w)|(?<=\w):(?=//)|\bwww(?=\.)|\\#(?=\d)", re.IGNORECASE)


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line of a table; it mentions and links nobody."""
    escaped = _ACTIVE.sub(r"\\\1", " ".join(printable(text).split()))
    return _CALLS.sub(r"\g<0><!-- -->", escaped)


def markdown(table: Table) -> str:
    """Title, table in GitHub's dialect, footnotes as a list."""
    columns = table.shown
    body = tabulate(
        [[escape(text) for text in line] for line in table.lines],
        headers=[escape(column.head) for column in columns],
        tablefmt="pipe",
        colalign=[column.align for column in columns] if table.lines else None,
        disable_numparse=True,
    )
    parts = [f"## {escape(table.title)}", body, *map(escape, table.conclusions)]
    if table.footnotes:
        parts.append("\n".join(f"- {escape(line)}" for line in table.footnotes))
    return "\n\n".join(parts) + "\n"
