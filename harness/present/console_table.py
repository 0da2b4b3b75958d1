"""A table in a terminal: heads over what belongs together, in as many pieces as the width asks."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product, zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from harness.present.formats import ABSENT, FEW, MARKS, Cell, Column, Spread, Table, tone

_STYLES = {"good": "green", "bad": "red", "unsure": "yellow"}
_FAILURES = ("error", "oom", "timeout", "killed", "invalid", "unsupported")
_GAPS = (2, 1)  # columns between blocks, where there is room; within one there is a single one
_HEAD_LINES = 3
# Labels and causes wrap between words; numbers and short labels never do. What does not fit into
# the width is tried with shorter ones, and then in pieces.
_LONGEST_TEXTS = (80, 44, 30, 20)
_LEFT_OUT = "rows without a value in the columns beside them are left out"
# Words of heads that have a shorter form of their own.
_BRIEF = {"parameters": "params", "Parameters": "Params", "GFLOPs": "G", "reported": "paper"}


class ConsoleTable:
    """A rendering for rich, with its foot or what of that is needed; labels are never markup.

    A figure stands with its doubt, the printed one and their difference under one head. Where the
    columns do not fit side by side, they are continued below, the first one repeated: numbers that
    wrap cannot be read.

    Args:
        notes: the lines below the table; `Table.brief` if absent.
    """

    def __init__(self, table: Table, *, notes: Sequence[str] | None = None) -> None:
        self._table = table
        self._notes = table.brief if notes is None else notes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._table.title, style="bold")
        found = pieces(self._table, options.max_width)
        for piece in found:
            yield from _lines(piece)
        yield from map(Text, self._table.conclusions)
        short = len(found[0][0].parts[0].cells) < len(self._table.lines)
        for line in [*([_LEFT_OUT] if len(found) > 1 and short else []), *self._notes]:
            yield Text(line, style="dim")


@dataclass(frozen=True)
class Part:
    """Texts below one another."""

    head: str  # its own one, below that of its block
    cells: tuple[Text, ...]  # one a row
    align: str  # left or right

    @property
    def width(self) -> int:
        """Terminal columns of its widest text."""
        lines = (line for cell in self.cells for line in cell.plain.split("\n"))
        return max(map(cell_len, (self.head, *lines)))


@dataclass(frozen=True)
class Block:
    """What stands under one head: a figure with its doubt, the printed one, their difference."""

    head: str
    parts: tuple[Part, ...]
    wraps: bool = False  # whether its texts may go on below
    gap: int = _GAPS[0]  # columns before the next one

    @property
    def has_subheads(self) -> bool:
        """Whether its parts have heads of their own."""
        return any(part.head.strip() for part in self.parts)

    @property
    def lines(self) -> list[str]:
        """The head in as few lines as its place has, the own heads of its parts aside."""
        return textwrap.wrap(self.head, self.width, break_long_words=False)

    @property
    def width(self) -> int:
        """Terminal columns that it takes."""
        room = _HEAD_LINES - self.has_subheads
        least = max(self._inner, *map(cell_len, self.head.split() or [""]))
        while len(textwrap.wrap(self.head, least, break_long_words=False)) > room:
            least += 1
        return least

    @property
    def _inner(self) -> int:
        return sum(part.width + 1 for part in self.parts) - 1

    def filled(self) -> "Block":
        """The block with its first part as wide as the head asks."""
        first, *rest = self.parts
        missing = self.width - self._inner
        wide = replace(first, head=first.head.rjust(first.width + missing))
        return self if not missing or first.align == "left" else replace(self, parts=(wide, *rest))

    def cut(self, width: int) -> list["Block"]:
        """The block in as many as a width asks, such as the columns of a matrix."""
        if self.width <= width:
            return [self]
        found: list[Block] = []
        for part in self.parts:
            longer = replace(self, parts=(*found[-1].parts, part)) if found else None
            if longer is None or longer.width > width:
                found.append(replace(self, parts=(part,)))
            else:
                found[-1] = longer
        return found

    def narrowed(self, width: int) -> "Block":
        """The block with texts that go on below from a width on."""
        if not self.wraps or self.width <= width:
            return self
        (part,) = self.parts
        cells = tuple(_wrapped(cell, width) for cell in part.cells)
        return replace(self, parts=(replace(part, cells=cells),))


def _wrapped(cell: Text, width: int) -> Text:
    lines = textwrap.wrap(cell.plain, width, break_on_hyphens=False)
    return Text("\n".join(lines), cell.style)


def pieces(table: Table, width: int) -> list[list[Block]]:
    """The blocks of a table in pieces that fit into a width, each led by the first one.

    What tells nothing is left out: columns of which no row has a value, bounds of an interval that
    stands beside its figure, and, in pieces, rows that have no value in theirs. So is the verdict
    of a row where there is no room for it, since each figure has its mark.
    """
    groups = _groups(_told(table.shown))
    blocks = [_block(group) for group in groups]
    marked = any(cell.verdict for group in groups for column in group for cell in column.cells)
    brief = [b for b, (first, *_) in zip(blocks, groups, strict=True) if first.stored != "verdict"]
    for gap, longest in product(_GAPS, _LONGEST_TEXTS):
        for some in (blocks, brief) if marked else (blocks,):
            fitted = [replace(block.narrowed(longest), gap=gap) for block in some]
            if _width(fitted) <= width:
                return [fitted]
    narrow = [block.narrowed(min(_LONGEST_TEXTS[2], max(width // 2, 8))) for block in blocks]
    return [_telling(piece) for piece in _split(narrow, width)]


def _groups(columns: Iterable[Column]) -> list[list[Column]]:
    """Columns by what they stand under; two figures of one head are two."""
    found: list[list[Column]] = []
    for column in columns:
        beside = found and column.group and column.group == found[-1][-1].group
        if beside and column.sub != "ours":
            found[-1].append(column)
        else:
            found.append([column])
    return found


def _width(blocks: Sequence[Block]) -> int:
    return sum(block.width + block.gap for block in blocks) - blocks[-1].gap


def _split(blocks: Sequence[Block], width: int) -> list[list[Block]]:
    first, *rest = blocks
    found = [[first]]
    for block in (part for each in rest for part in each.cut(width - first.width - first.gap)):
        if len(found[-1]) > 1 and _width([*found[-1], block]) > width:
            found.append([first])
        found[-1].append(block)
    return found


def _telling(piece: Sequence[Block]) -> list[Block]:
    """A piece without the rows that tell nothing, such as the inner ones of sweeps."""
    _, *rest = piece
    rows = zip(*(part.cells for block in rest for part in block.parts), strict=True)
    empty = f" {ABSENT}"
    told = [n for n, cells in enumerate(rows) if any(cell.plain.strip(empty) for cell in cells)]
    if not told:
        return list(piece)
    return [
        replace(block, parts=tuple(_some(part, told) for part in block.parts)) for block in piece
    ]


def _some(part: Part, rows: Sequence[int]) -> Part:
    return replace(part, cells=tuple(part.cells[n] for n in rows))


def _told(columns: Sequence[Column]) -> list[Column]:
    """The columns that tell something, and what is beside them."""
    first, *rest = columns
    bounds = {name for column in columns for name in column.interval if _has_spread(column)}
    empty = {
        column.group or column.head
        for column in rest
        if column.sub in ("", "ours") and all(cell.text == ABSENT for cell in column.cells)
    }
    told = [each for each in rest if not {each.group, each.head} & empty]
    return [first, *(each for each in told if each.stored not in bounds)]


def _has_spread(column: Column) -> bool:
    return any(cell.spread is not None for cell in column.cells)


def _block(group: Sequence[Column]) -> Block:
    """Columns under one head: a figure and its doubt, the printed one, their difference."""
    ours, *printed = group
    parts = [_part(ours.sub, ours)]
    if _has_spread(ours):
        parts += _doubts(ours)
    parts += [_part(_briefly(column.sub), column) for column in printed]
    head = _briefly(ours.group or ours.head)
    return Block(head, tuple(parts), wraps=ours.align == "left" and not printed)


def _briefly(head: str) -> str:
    """A head in the words of terminals: narrow, and under one unit where both have it."""
    if head.startswith("difference"):
        return "Δ %"
    for word, brief in _BRIEF.items():
        head = head.replace(word, brief)
    return head


def _part(head: str, column: Column) -> Part:
    marked = any(cell.verdict for cell in column.cells)
    cells = tuple(Text(_text(cell, marked=marked), _style(cell)) for cell in column.cells)
    return Part(head + ("  " if head and marked else ""), cells, column.align)


def _text(cell: Cell, *, marked: bool) -> str:
    """The text, its mark in a place of its own where another row of the column has one."""
    return f"{cell.text} {MARKS.get(cell.verdict, ' ')}" if marked else cell.text


def _doubts(ours: Column) -> Iterator[Part]:
    """How far a measured figure may be off, and of how many samples that is known."""
    found = [cell.spread for cell in ours.cells]
    few = any(spread is not None and spread.few for spread in found)
    width = max(len(spread.half) if spread is not None else 0 for spread in found)
    halves = ["" if each is None else each.beside(width) for each in found]
    counts = ["" if each is None else _count(each, marked=few) for each in found]
    yield Part("± 95 %", tuple(map(Text, halves)), "right")
    yield Part("n " if few else "n", tuple(map(Text, counts)), "right")


def _count(spread: Spread, *, marked: bool) -> str:
    mark = FEW if spread.few else " "
    return f"{spread.count}{mark}" if marked else str(spread.count)


def _lines(piece: Sequence[Block]) -> Iterator[Text]:
    """A piece line by line: heads, a rule below each, and the rows."""
    blocks = [block.filled() for block in piece]
    heads = [_head(block) for block in blocks]
    height = max(map(len, heads))
    for number in range(height):
        shown = [("" if (n := number - height + len(h)) < 0 else h[n]) for h in heads]
        yield _joined([Text(text, "bold") for text in shown], blocks)
    yield _joined([Text("─" * block.width) for block in blocks], blocks)
    for row in range(len(blocks[0].parts[0].cells)):
        cells = [_row(block, row) for block in blocks]
        for lines in zip_longest(*cells, fillvalue=Text()):
            yield _joined(lines, blocks)


def _head(block: Block) -> list[str]:
    """The lines of a block's head, the last one that of its parts."""
    if block.has_subheads:
        own = " ".join(_placed(Text(p.head), p.width, p.align).plain for p in block.parts)
        return [*(line.center(block.width) for line in block.lines), own]
    align = block.parts[0].align
    return [_placed(Text(line), block.width, align).plain for line in block.lines]


def _row(block: Block, row: int) -> list[Text]:
    """The lines of a block's cells in a row."""
    if len(block.parts) == 1:
        cell, align = block.parts[0].cells[row], block.parts[0].align
        return [_placed(line, block.width, align) for line in cell.split("\n")] or [Text()]
    placed = [_placed(part.cells[row], part.width, part.align) for part in block.parts]
    return [Text(" ").join(placed)]


def _joined(texts: Sequence[Text], blocks: Sequence[Block]) -> Text:
    placed = (_placed(t, block.width, "left") for t, block in zip(texts, blocks, strict=True))
    line = Text(" " * blocks[0].gap).join(placed)
    line.rstrip()
    return line


def _placed(text: Text, width: int, align: str) -> Text:
    """A text at its side of a place; what is in it stays."""
    room = max(width - cell_len(text.plain), 0)
    return Text.assemble(text, " " * room) if align == "left" else Text.assemble(" " * room, text)


def _style(cell: Cell) -> str:
    if cell.text.partition(":")[0] in _FAILURES:
        return "red"
    found = tone(cell.verdict or cell.text)
    return _STYLES[found] if found else ""
