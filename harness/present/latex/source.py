"""LaTeX of a table: the tabular alone to paste, or a float with caption and notes."""

import re
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
from harness.present.latex.fit import DEFAULT, INCHES, Layout, PageColumns, fitted, lines
from harness.present.latex.tabular import tabular
from harness.present.latex.text import CHARACTER, CHECK, DEFINITION, comment, cut, latex_text


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


_LONG_WORD = 30  # letters; longer ones in notes may break: paths, causes of failures
_NOTE_LETTERS = 90  # of a line of notes over both columns
_MOST_LINES = 50  # of a float: its rows, and its notes in small print


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
        body = _Floats(table, label, asked, layout, [same, marked]).text
    else:
        body = _bare(layout)
    text = "\n".join(body) + "\n"
    packages = ["amssymb"] if CHECK in text else []
    said = [
        _caption(table),
        rf"\usepackage{{{','.join([*packages, 'booktabs', 'siunitx'])}}}",
        *([] if asked.full else [*table.conclusions, marked, same]),
        f"Left out, without a value: {', '.join(empty)}." if empty else "",
        f"Left out, without a value in any column: {silent} rows." if silent else "",
        _fits(layout, asked.page) if asked.page else "",
    ]
    comments = "".join(f"{comment(line)}\n" for line in said if line)
    return comments + (f"{DEFINITION}\n" if CHARACTER in text else "") + text


def _caption(table: Table) -> str:
    """What it shows, of which input, in one line."""
    return f"{table.title.rstrip('.')}{f' ({table.caption})' if table.caption else ''}."


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


def _style_commands(layout: Layout) -> str:
    """What sets size and room between columns; nothing where they are as in the text."""
    style = layout.style
    size = rf"\{style.size.command}" if style.size.command else ""
    usual = style.separation == DEFAULT.separation
    room = "" if usual else rf"\setlength{{\tabcolsep}}{{{style.separation:g}pt}}"
    return size + room


_BETWEEN = ["", r"\medskip"]


def _bare(layout: Layout) -> list[str]:
    """Tabulars below one another, in a group where their size is not that of the text."""
    body: list[str] = []
    for piece in layout.pieces:
        body += [*(_BETWEEN if body else []), *tabular(piece, layout.style)]
    commands = _style_commands(layout)
    # No end of a line may print a space where the group stands within a paragraph.
    return [rf"{{{commands}%", *body[:-1], rf"{body[-1]}}}"] if commands else body


class _Floats:
    """A table as floats with a caption; one, unless it is higher than a page."""

    def __init__(
        self,
        table: Table,
        label: str,
        asked: Typesetting,
        layout: Layout,
        further: Sequence[str],
    ) -> None:
        self._table, self._layout, self._further = table, layout, further
        self._key = re.sub(r"[^A-Za-z0-9-]+", "-", label)
        self._name = "table*" if asked.page == 2 else "table"

    @property
    def text(self) -> list[str]:
        """Lines of LaTeX."""
        notes = self._notes()
        pages, taken = self._pages()
        long = taken + sum(1 + len(note) // _NOTE_LETTERS for note in notes) > _MOST_LINES
        made: list[str] = []
        for number, page in enumerate(pages):
            last = number == len(pages) - 1
            made += self._float(number, page, notes if last and not long else [])
        if long and notes:
            reference = rf"\noindent Notes on Table~\ref{{tab:{self._key}}}:"
            made += [r"\begingroup\footnotesize\raggedright", reference, *notes, r"\par\endgroup"]
        return made

    def _pages(self) -> tuple[list[list[tuple[Ranked, ...]]], int]:
        """The pieces of each float, and how many lines the last one has."""
        pages: list[list[tuple[Ranked, ...]]] = []
        taken = _MOST_LINES
        for piece in self._layout.pieces:
            more = lines(piece, self._layout.style) + 4  # heads and rules
            if taken + more > _MOST_LINES:
                pages.append([])
                taken = 0
            pages[-1].append(piece)
            taken += more
        return pages, taken

    def _float(
        self, number: int, pieces: Sequence[tuple[Ranked, ...]], notes: Sequence[str]
    ) -> list[str]:
        body: list[str] = []
        for piece in pieces:
            body += [*(_BETWEEN if body else []), *tabular(piece, self._layout.style)]
        commands = _style_commands(self._layout)
        within = [
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\footnotesize\raggedright",
            *notes,
            r"\end{minipage}",
        ]
        return [
            rf"\begin{{{self._name}}}",
            r"\centering",
            *self._caption(number),
            *([commands] if commands else []),
            *body,
            *(within if notes else []),
            rf"\end{{{self._name}}}",
        ]

    def _caption(self, number: int) -> list[str]:
        title = latex_text(self._table.title.rstrip("."))
        if number:
            return [
                r"\addtocounter{table}{-1}",
                rf"\caption[]{{{title} (continued).}}",
            ]
        words = latex_text(_caption(self._table))
        return [rf"\caption[{title}]{{{words}}}", rf"\label{{tab:{self._key}}}"]

    def _notes(self) -> list[str]:
        """What changes the reading, each in a paragraph of its own."""
        said = [*self._table.conclusions, *self._further, *self._table.reading]
        return [rf"{cut(note, _LONG_WORD)} \par" for note in said if note]
