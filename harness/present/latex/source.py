"""LaTeX of a table: the tabular alone to paste, or a float with caption and notes."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.messages import HarnessError
from harness.present.formats import Table
from harness.present.latex.columns import (
    Ranked,
    ranked,
    told_rows,
    with_rows,
    without_empty,
    without_equal,
    without_shared_tail,
)
from harness.present.latex.fit import INCHES, Layout, PageColumns, fitted
from harness.present.latex.floats import Floats, bare, caption
from harness.present.latex.text import CHARACTER, CHECK, DEFINITION, comment


class TypesettingError(HarnessError):
    """No page is so."""


@dataclass(frozen=True)
class Typesetting:
    """How LaTeX is asked for."""

    full: bool = False  # with caption and notes, as a float
    page: PageColumns | None = None  # columns of a page of two that it has to fit in
    best: bool = True  # whether the best and the second value of a column are marked


def typesetting_of(
    best: bool | None = None, page: int | None = None, *, full: bool = False
) -> Typesetting | None:
    """What is asked for; `None` where nothing is.

    Raises:
        TypesettingError: a page has one column or two.
    """
    columns = next((each for each in INCHES if each == page), None)
    if columns != page:
        raise TypesettingError(f"{page} columns: a page has 1 or 2 of them; name one of these")
    if best is None and page is None and not full:
        return None
    return Typesetting(full, columns, best is not False)


def latex(table: Table, label: str, typesetting: Typesetting | None = None) -> str:
    r"""A table for `\input` or to paste, for packages booktabs and siunitx.

    Its first lines are comments: what it shows, the packages that it needs, what is marked and what
    was left out. Numbers are aligned at their decimal markers; a failed row has its status in place
    of a number. No text is scaled: what does not fit a page's column is set in a smaller size of
    the class, else in pieces below one another.

    Args:
        label: for `\ref`, without its `tab:`.
        typesetting: as the tabular alone, of any width, if absent.
    """
    asked = typesetting or Typesetting()
    columns = ranked(table, best=asked.best, marks=asked.full)
    columns, empty = without_empty(columns)
    told = told_rows(columns)
    silent = len(table.lines) - len(told)
    columns, tail = without_shared_tail(with_rows(columns, told))
    columns, equal = without_equal(columns) if asked.page else (columns, [])
    layout = fitted(columns, asked.page)
    same = f"In all rows: {', '.join([*tail, *equal])}." if tail or equal else ""
    marked = _marked(columns, table)
    if asked.full:
        body = Floats(table, label, asked.page, layout, [same, marked]).text
    else:
        body = bare(layout)
    text = "\n".join(body) + "\n"
    packages = ["amssymb"] if CHECK in text else []
    said = [
        caption(table),
        rf"\usepackage{{{','.join([*packages, 'booktabs', 'siunitx'])}}}",
        *([] if asked.full else [*table.conclusions, marked, same]),
        f"Left out, without a value: {', '.join(empty)}." if empty else "",
        f"Left out, without a value in any column: {silent} rows." if silent else "",
        INTERVALS if any(c.spread for column in table.shown for c in column.cells) else "",
        _fits(layout, asked.page) if asked.page else "",
    ]
    comments = "".join(f"{comment(line)}\n" for line in said if line)
    return comments + (f"{DEFINITION}\n" if CHARACTER in text else "") + text


INTERVALS = "Left out: intervals of measured figures, which the Markdown and CSV files have."


def _marked(columns: Sequence[Ranked], table: Table) -> str:
    if not any(entry.rank for column in columns for entry in column.entries):
        return ""
    kinds = {kind for kind in table.peers if kind}
    among = " among the rows of the same input and settings" if len(kinds) > 1 else ""
    return f"Bold: best of a column{among}; underlined: second."


def _fits(layout: Layout, page: PageColumns) -> str:
    columns = "one column" if page == 1 else "both columns"
    size = rf" in \{layout.style.size.command}" if layout.style.size.command else ""
    pieces = f", in {len(layout.pieces)} pieces" if len(layout.pieces) > 1 else ""
    return f"Fits {columns} of a page ({INCHES[page]} in){size}{pieces}."
