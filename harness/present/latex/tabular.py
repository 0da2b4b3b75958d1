"""The tabular of one piece of a table."""

from collections.abc import Iterable, Sequence

from harness.present.latex.columns import Entry, Ranked
from harness.present.latex.fit import HANG, Group, Measured, Style, groups
from harness.present.latex.heads import stacked
from harness.present.latex.numbers import number_cell, number_letter, number_room, raised
from harness.present.latex.text import cut, formula, latex_text
from harness.present.latex.width import text_width

_BREAKABLE = 12  # letters between places where a word may break that is wider than its column


def tabular(columns: Sequence[Ranked], style: Style) -> list[str]:
    """Lines of LaTeX, for the packages booktabs and siunitx."""
    found = groups(columns, style)
    measured = [column for group in found for column in group.columns]
    cells = [_cells(column, style) for column in measured]
    return [
        rf"\begin{{tabular}}{{@{{}}{''.join(map(_letter, measured))}@{{}}}}",
        r"\toprule",
        *_heads(found),
        r"\midrule",
        *map(_line, zip(*cells, strict=True)),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells).rstrip() + r" \\"


def _letter(measured: Measured) -> str:
    if measured.wrapped:
        return rf">{{\raggedright\arraybackslash\hangindent1em}}p{{{measured.width:.1f}pt}}"
    if measured.column.has_numbers:
        return number_letter(measured.column)
    return "l" if measured.column.words else "r"


def _heads(found: Sequence[Group]) -> list[str]:
    """One line of heads, or two where columns share one."""
    own = [_own_head(column) for group in found for column in group.columns]
    if not any(group.heads for group in found):
        return [_line(own)]
    upper, rules, start = [], [], 1
    for group in found:
        count = len(group.columns)
        shared = stacked(group.heads, "c")
        # The last one ends where the tabular does, without the room between columns.
        letter, trim = ("c@{}", "l") if group is found[-1] else ("c", "lr")
        upper.append(rf"\multicolumn{{{count}}}{{{letter}}}{{{shared}}}" if group.heads else "")
        if group.heads:
            rules.append(rf"\cmidrule({trim}){{{start}-{start + count - 1}}}")
        start += count
    return [_line(upper), " ".join(rules), _line(own)]


def _own_head(measured: Measured) -> str:
    """In braces where the column would read it as a number."""
    align = "l" if measured.column.words else "c" if measured.column.has_numbers else "r"
    head = stacked(measured.heads, align)
    return f"{{{head}}}" if measured.column.has_numbers else head


def _cells(measured: Measured, style: Style) -> list[str]:
    column = measured.column
    if column.has_numbers:
        room = number_room(column)
        return [number_cell(entry, room) for entry in column.entries]
    if measured.wrapped:
        return [_in_lines(entry, measured.width / style.size.scale) for entry in column.entries]
    make = latex_text if column.words else formula
    return [make(entry.text) + raised(entry.mark) for entry in column.entries]


def _in_lines(entry: Entry, room: float) -> str:
    """Words, of which one that is wider than the column may break within."""
    words = entry.text.split()
    wide = any(HANG + text_width(word) > room for word in words)
    letters = _BREAKABLE if wide else len(entry.text)
    return cut(entry.text, max(letters, 1))
