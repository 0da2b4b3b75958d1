"""The terminal, which obeys no text of ours; a table in as many pieces as its width asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from itertools import groupby
from shutil import get_terminal_size
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from harness.messages import printable
from harness.present.formats import ABSENT, Cell, Column, Table, tone

_STYLES = {"good": "green", "bad": "red", "unsure": "yellow"}
_FAILURES = ("error", "oom", "timeout", "killed", "invalid", "unsupported")
# Room that rich's default box takes beside the text of a column, and at the right edge.
_FRAME, _EDGE = 3, 1
# The same without lines between the columns, where they do not fit side by side otherwise.
_SLIM_FRAME = 1
_LINED: dict[str, Any] = {}
_SLIM: dict[str, Any] = {
    "box": SIMPLE_HEAD,
    "padding": 0,
    "pad_edge": False,
    "show_edge": False,
}
# Longer labels and causes wrap between words; numbers and short labels never do.
_LONGEST_WHOLE = 28
_LONGEST_WORD = 40


class PrintableConsole(Console):
    """Text of any origin, kept runs among them, reaches a terminal as text: it obeys none of it.

    Nor is `x.yaml:100:38` a place with an emoji in it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "emoji": False, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """The segments of a renderable; what the terminal would obey is rich's own alone."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield segment._replace(text=printable(text))


def as_text(renderable: RenderableType) -> str:
    """A rendering without colours, as wide as the terminal (80 columns where there is none)."""
    made = PrintableConsole(file=StringIO(), width=get_terminal_size().columns, color_system=None)
    with made.capture() as captured:
        made.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


class ConsoleTable:
    """A rendering for rich, with its foot or what of that is needed; labels are never markup.

    Where the columns do not fit side by side, they are continued below, the first one repeated:
    numbers that wrap cannot be read. Columns of one head (ours, reported, difference) stay together
    as long as they fit.
    """

    def __init__(self, table: Table, *, footnotes: bool = True) -> None:
        self._table = table
        self._footnotes = footnotes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._table.title, style="bold")
        columns, width = _measured(self._table.shown), options.max_width
        found, lines = pieces(columns, width), _LINED
        if len(found) > 1:  # lines take the room of a column
            found, lines = pieces(columns, width, _SLIM_FRAME), _SLIM
        told = [_told(piece) for piece in found]
        for piece in told:
            shown = RichTable(header_style="bold", **lines)
            for column in piece:
                head, least = Text(column.head, justify=column.align), _least(column)
                shown.add_column(head, justify=column.align, overflow="fold", width=least)
            for cells in zip(*(column.cells for column in piece), strict=True):
                shown.add_row(*(Text(cell.marked, _style(cell)) for cell in cells))
            yield shown
        yield from map(Text, self._table.conclusions)
        if told != found:
            yield Text(
                "- rows without a value in the columns beside them are left out", style="dim"
            )
        for line in self._table.footnotes if self._footnotes else self._table.needed:
            yield Text(f"- {line}", style="dim")


def _measured(columns: Sequence[Column]) -> list[Column]:
    """The columns in brief, without those of which no row has a value, and what is beside them."""
    empty = {
        column.group or column.head
        for column in columns
        if column.sub in ("", "ours") and all(cell.text == ABSENT for cell in column.cells)
    }
    first, *rest = columns
    return [first, *(_briefly(each) for each in rest if (each.group or each.head) not in empty)]


def _told(columns: Sequence[Column]) -> list[Column]:
    """Columns without the rows that tell nothing, such as the inner ones of sweeps.

    Where no row tells anything, all stay.
    """
    rows = list(zip(*(column.cells for column in columns), strict=True))
    told = [n for n, (_, *cells) in enumerate(rows) if any(each.text != ABSENT for each in cells)]
    if not told or len(told) == len(rows):
        return list(columns)
    return [replace(each, cells=tuple(each.cells[n] for n in told)) for each in columns]


def _briefly(column: Column) -> Column:
    """A column of a printed figure under a word, as it stands right of ours, which has the head."""
    for word, brief in (("reported", "paper"), ("difference", "diff")):
        if column.group and column.sub.startswith(word):
            return replace(column, head=column.sub.replace(word, brief, 1))
    return column


def pieces(columns: Sequence[Column], width: int, frame: int = _FRAME) -> list[list[Column]]:
    """Columns in pieces that fit into a width, each led by the first column.

    Args:
        frame: room beside the text of a column.
    """
    first, *rest = columns
    found: list[list[Column]] = [[first]]
    for _, alike in groupby(rest, key=lambda column: column.group or id(column)):
        group = list(alike)
        fits = _width([*found[-1], *group], frame) <= width
        if not fits and len(found[-1]) > 1:
            found.append([first])
            fits = _width([first, *group], frame) <= width
        if fits:
            found[-1] += group
            continue
        for column in group:
            if len(found[-1]) > 1 and _width([*found[-1], column], frame) > width:
                found.append([first])
            found[-1].append(column)
    return found


def _width(columns: Sequence[Column], frame: int) -> int:
    return sum(_least(column) + frame for column in columns) + _EDGE


def _least(column: Column) -> int:
    """Characters that a column needs: its longest word, and its labels and numbers whole."""
    words = [len(word) for word in column.head.split()]
    for cell in column.cells:
        if len(cell.marked) <= _LONGEST_WHOLE and not _is_failed(cell.text):
            words.append(len(cell.marked))
        words += [len(word) for word in cell.text.split()]
    return min(max(words, default=1), _LONGEST_WORD)


def _style(cell: Cell) -> str:
    if _is_failed(cell.text):
        return "red"
    found = tone(cell.verdict or cell.text)
    return _STYLES[found] if found else ""


def _is_failed(text: str) -> bool:
    return text.partition(":")[0] in _FAILURES
