"""Where tabulars stand: below one another in the text, or in floats with caption and notes."""

import re
from collections.abc import Sequence

from harness.present.formats import Table
from harness.present.latex.columns import Ranked
from harness.present.latex.fit import DEFAULT, Layout, PageColumns, Style, heights
from harness.present.latex.tabular import tabular
from harness.present.latex.text import cut, latex_text

_LONG_WORD = 30  # letters; longer ones in notes may break: paths, causes of failures
_NOTE_LETTERS = {1: 55, 2: 100, None: 80}  # of a line of notes, by columns of the page
_MOST_LINES = 50  # of a float: its rows, and its notes in small print
_HEAD_LINES = 4  # of a tabular, with its rules


def _style_commands(layout: Layout) -> str:
    """What sets size and room between columns; nothing where they are as in the text."""
    style = layout.style
    size = rf"\{style.size.command}" if style.size.command else ""
    usual = style.separation == DEFAULT.separation
    room = "" if usual else rf"\setlength{{\tabcolsep}}{{{style.separation:g}pt}}"
    return size + room


def _stacked(pieces: Sequence[Sequence[Ranked]], style: Style) -> list[str]:
    body: list[str] = []
    for piece in pieces:
        body += [*(["", r"\medskip"] if body else []), *tabular(piece, style)]
    return body


def bare(layout: Layout) -> list[str]:
    """Tabulars below one another, in a group where their size is not that of the text."""
    body = _stacked(layout.pieces, layout.style)
    commands = _style_commands(layout)
    # No end of a line may print a space where the group stands within a paragraph.
    return [rf"{{{commands}%", *body[:-1], rf"{body[-1]}}}"] if commands else body


def caption(table: Table) -> str:
    """What a table shows, of which input, in one line."""
    return f"{table.title.rstrip('.')}{f' ({table.caption})' if table.caption else ''}."


class Floats:
    """A table as floats with a caption; one, unless it is higher than a page.

    Args:
        label: for `ref`, without its `tab:`.
        page: columns of a page that a float stands over; one if `None`.
        further: lines of the notes before those of the table.
    """

    def __init__(
        self,
        table: Table,
        label: str,
        page: PageColumns | None,
        layout: Layout,
        further: Sequence[str],
    ) -> None:
        self._table, self._layout, self._further = table, layout, further
        self._letters = _NOTE_LETTERS[page]
        self._key = re.sub(r"[^A-Za-z0-9-]+", "-", label)
        self._name = "table*" if page == 2 else "table"

    @property
    def text(self) -> list[str]:
        """Lines of LaTeX."""
        notes = self._notes()
        pages, taken = self._pages()
        long = taken + sum(1 + len(note) // self._letters for note in notes) > _MOST_LINES
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
            more = sum(heights(piece, self._layout.style)) + _HEAD_LINES
            if taken + more > _MOST_LINES:
                pages.append([])
                taken = 0
            pages[-1].append(piece)
            taken += more
        return pages, taken

    def _float(
        self, number: int, pieces: Sequence[tuple[Ranked, ...]], notes: Sequence[str]
    ) -> list[str]:
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
            *_stacked(pieces, self._layout.style),
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
        words = latex_text(caption(self._table))
        return [rf"\caption[{title}]{{{words}}}", rf"\label{{tab:{self._key}}}"]

    def _notes(self) -> list[str]:
        """What changes the reading, each in a paragraph of its own."""
        said = [*self._table.conclusions, *self._further, *self._table.reading]
        return [rf"{cut(note, _LONG_WORD)} \par" for note in said if note]
