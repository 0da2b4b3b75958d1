"""How a table is set so that it fits a page's column: heads, sizes of the class, then pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, inf
from typing import Literal

from harness.present.latex.columns import Ranked, told_rows, with_rows
from harness.present.latex.heads import lines_of, lines_width, shortened
from harness.present.latex.numbers import entry_width, numbers_width
from harness.present.latex.width import SIZES, Size, text_width

PageColumns = Literal[1, 2]
INCHES: dict[PageColumns, float] = {1: 3.5, 2: 7.16}
"""Of one column of a page of two, and of both, as IEEE has them."""
_POINTS = 72.27  # of an inch, as TeX has them
MOST_LINES = 40
"""Lines of the rows of a tabular; a page has room for some more, its heads and a caption."""

HANG = 10
"""Points at 10 pt by which further lines of a cell of words stand in."""

# What estimates leave out: kerns, and the rounding of each column.
_MARGIN = 2.0


@dataclass(frozen=True)
class Style:
    """How a table is set."""

    size: Size = SIZES[0]
    separation: float = 6  # tabcolsep in points, which is 6 if nobody says otherwise
    short: bool = False  # whether heads are shortened
    lines: int = 2  # most lines of a head
    words: tuple[float, float] | None = None  # points beyond which words are set in lines, if any:
    # usually, and where one word is wider than that


@dataclass(frozen=True)
class Measured:
    """A column with what its style makes of it."""

    column: Ranked
    heads: tuple[str, ...]  # its own lines: of `sub` where it has a group
    width: float  # points
    wrapped: bool  # whether its words are set in lines of this width


@dataclass(frozen=True)
class Group:
    """Columns under one head, or one alone."""

    columns: tuple[Measured, ...]
    heads: tuple[str, ...]  # lines of what they share; none of one alone
    width: float  # points, with the room between its columns


@dataclass(frozen=True)
class Layout:
    """A table in pieces, each led by the first column."""

    style: Style
    pieces: tuple[tuple[Ranked, ...], ...]


DEFAULT = Style()


def fitted(columns: Sequence[Ranked], page: PageColumns | None) -> Layout:
    """A table as it fits; in the fewest pieces, and of what is alike in that in the largest type.

    Args:
        page: columns of the page that it may take; any width if `None`.
    """
    if page is None:
        return _layout(DEFAULT, [list(columns)])
    width = INCHES[page] * _POINTS - _MARGIN
    ways = [(style, _pieces(columns, style, width)) for style in _styles(width)]
    style, pieces = min(ways, key=lambda way: (_overfull(way[1], way[0], width), len(way[1])))
    for cap in range(10, 20):  # pieces of like width, where that takes no more of them
        even = _pieces(columns, style, width * cap / 20)
        if len(even) == len(pieces) and not _overfull(even, style, width):
            pieces = even
            break
    return _layout(style, pieces)


def _styles(width: float) -> list[Style]:
    normal, small, footnote = SIZES
    return [
        Style(normal, lines=1),
        Style(normal),
        Style(normal, short=True),
        Style(normal, 4, short=True),
        Style(small, 4, short=True),
        Style(footnote, 3, short=True),
        Style(footnote, 3, short=True, lines=3, words=(0.4 * width, 0.5 * width)),
    ]


def _layout(style: Style, pieces: Sequence[Sequence[Ranked]]) -> Layout:
    """Pieces without rows that tell nothing in them, cut where they would be too high."""
    found: list[tuple[Ranked, ...]] = []
    for piece in pieces:
        told = with_rows(piece, told_rows(piece))
        chunk: list[int] = []
        taken = 0
        for row, height in enumerate(heights(told, style)):
            if chunk and taken + height > MOST_LINES:
                found.append(tuple(with_rows(told, chunk)))
                chunk, taken = [], 0
            chunk.append(row)
            taken += height
        found.append(tuple(with_rows(told, chunk)))
    return Layout(style, tuple(found))


def heights(columns: Sequence[Ranked], style: Style) -> list[int]:
    """Lines of text of each row of a tabular."""
    measured = [each for group in groups(columns, style) for each in group.columns]
    return list(map(max, zip(*(_lines(each, style) for each in measured), strict=True)))


def _lines(measured: Measured, style: Style) -> list[int]:
    room = measured.width / style.size.scale
    texts = [entry.text for entry in measured.column.entries]
    # Where words are set in lines, these are not filled to their end.
    return [ceil(1.1 * text_width(each) / room) if measured.wrapped else 1 for each in texts]


def _pieces(columns: Sequence[Ranked], style: Style, width: float) -> list[list[Ranked]]:
    """Columns in pieces that fit; those of one head stay together as long as they do."""
    first, *rest = columns
    found = [[first]]
    for _, alike in groupby(rest, key=lambda column: column.block):
        group = list(alike)
        units = [group] if piece_width([first, *group], style) <= width else [[x] for x in group]
        for unit in units:
            if len(found[-1]) > 1 and piece_width([*found[-1], *unit], style) > width:
                found.append([first])
            found[-1] += unit
    return found


def _overfull(pieces: Sequence[Sequence[Ranked]], style: Style, width: float) -> bool:
    return any(piece_width(piece, style) > width for piece in pieces)


def piece_width(columns: Sequence[Ranked], style: Style) -> float:
    """Points that a tabular takes, without room at its edges."""
    found = groups(columns, style)
    return sum(each.width for each in found) + 2 * style.separation * (len(found) - 1)


def groups(columns: Sequence[Ranked], style: Style) -> list[Group]:
    """The columns as they are set."""
    return [
        _group(list(alike), style) for _, alike in groupby(columns, key=lambda column: column.block)
    ]


def _group(columns: Sequence[Ranked], style: Style) -> Group:
    measured = tuple(_measured(column, style) for column in columns)
    width = sum(each.width for each in measured) + 2 * style.separation * (len(measured) - 1)
    if not columns[0].group:
        return Group(measured, (), width)
    head = shortened(columns[0].group) if style.short else columns[0].group
    heads = tuple(lines_of(head, width / style.size.scale, style.lines))
    return Group(measured, heads, max(width, style.size.scale * lines_width(heads)))


def _measured(column: Ranked, style: Style) -> Measured:
    head = column.sub if column.group else column.head
    if column.has_numbers:
        body = numbers_width(column)
    else:
        body = max((entry_width(each) for each in column.entries), default=0.0)
    limit = _words_limit(column, style)
    wrapped = column.words and body > limit
    body = min(body, limit) if wrapped else body
    # A head that is a little wider than its numbers stays on one line.
    room = body + style.separation
    heads = tuple(lines_of(shortened(head) if style.short else head, room, style.lines))
    return Measured(column, heads, style.size.scale * max(body, lines_width(heads)), wrapped)


def _words_limit(column: Ranked, style: Style) -> float:
    """Points at 10 pt beyond which a column of words is set in lines."""
    if style.words is None:
        return inf
    usual, most = (points / style.size.scale for points in style.words)
    words = [word for entry in column.entries for word in entry.text.split()]
    return min(max(usual, *(HANG + text_width(word) for word in words), 0), most)
