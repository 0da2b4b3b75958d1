"""LaTeX of a table: booktabs for its lines, siunitx for its numbers."""

import re
import textwrap
from collections.abc import Sequence

from harness.present.cells import Column, Table
from harness.present.latex_column import Marks, entries, preamble
from harness.present.latex_text import CHARACTER, DEFINITION, escape
from harness.present.rank import ranks

# A page of 10 pt text has about 45 lines; head, caption and some notes take the rest.
MOST_ROWS = 30
_HEAD_CHARACTERS = 11
_NOTE_CHARACTERS = 100  # of a line of notes
_MOST_LINES = 55  # of a float: its rows, and its notes in small print
_LONG_WORD = 30
_NUMBERS = r"\sisetup{group-digits=none, detect-weight=true, retain-explicit-plus=true}"


def latex(table: Table, label: str, *, best: bool | None = None) -> str:
    r"""A table for `\input`, for packages booktabs, siunitx, and adjustbox or longtable.

    The caption says what is counted, device, data type and versions. Numbers are aligned at their
    decimal markers; a failed row has its status in place of a number and its cause in the notes.
    What is wider than the text is scaled down to it; of more than `MOST_ROWS` rows the table breaks
    over pages.

    Args:
        table: what to print.
        label: for `\ref`, without its `tab:`.
        best: whether the best value of a column is bold and the second underlined, by the digits
            shown; as the suite asks if absent.
    """
    marks = [_marks(column, table.best if best is None else best) for column in table.shown]
    broken = len(table.lines) > MOST_ROWS
    text = "\n".join((_broken if broken else _floating)(table, label, marks)) + "\n"
    packages = f"% \\usepackage{{booktabs,siunitx,{'longtable' if broken else 'adjustbox'}}}\n"
    definition = f"{DEFINITION}\n" if CHARACTER in text else ""
    return packages + definition + text


def _marks(column: Column, wanted: bool) -> Marks:
    texts = [cell.text for cell in column.cells]
    return ranks(texts, column.aim) if wanted and column.aim else [None] * len(texts)


def _floating(table: Table, label: str, marks: Sequence[Marks]) -> list[str]:
    notes = _notes(table)
    # A float cannot be higher than a page; notes that would make it so stand behind it.
    lines = len(table.lines) + sum(1 + len(note) // _NOTE_CHARACTERS for note in notes)
    long = lines > _MOST_LINES
    within = [] if long else _minipage(notes)
    behind = [rf"\noindent Notes on Table~\ref{{tab:{_key(label)}}}:", *notes] if long else []
    return [
        r"\begin{table}",
        r"\centering\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{6pt}",
        _caption(table, marks),
        rf"\label{{tab:{_key(label)}}}",
        _NUMBERS,
        r"\begin{adjustbox}{max width=\linewidth}",
        rf"\begin{{tabular}}{_columns(table)}",
        r"\toprule",
        *_head(table.shown),
        r"\midrule",
        *_body(table, marks),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        *within,
        r"\end{table}",
        *([r"\begingroup\scriptsize\raggedright", *behind, r"\par\endgroup"] if long else []),
    ]


def _broken(table: Table, label: str, marks: Sequence[Marks]) -> list[str]:
    head = [r"\toprule", *_head(table.shown), r"\midrule"]
    notes = _notes(table)
    return [
        r"\begingroup\scriptsize\setlength{\tabcolsep}{3pt}",
        _NUMBERS,
        rf"\begin{{longtable}}{_columns(table)}",
        rf"{_caption(table, marks)}\label{{tab:{_key(label)}}} \\",
        *head,
        r"\endfirsthead",
        *head,
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *_body(table, marks),
        r"\end{longtable}",
        *([r"\raggedright\noindent", *notes] if notes else []),
        r"\par\endgroup",
    ]


def _columns(table: Table) -> str:
    letters = "".join(preamble(column) for column in table.shown)
    return f"{{@{{}}{letters}@{{}}}}"


def _caption(table: Table, marks: Sequence[Marks]) -> str:
    words = [table.title.rstrip(".") + ".", *table.setting]
    if any(mark for column in marks for mark in column):
        words.append("Bold: best of a column; underlined: second.")
    return rf"\caption[{escape(table.title)}]{{{escape(' '.join(words))}}}"


def _key(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", label)


def _body(table: Table, marks: Sequence[Marks]) -> list[str]:
    columns = [entries(*each) for each in zip(table.shown, marks, strict=True)]
    return [" & ".join(line) + r" \\" for line in zip(*columns, strict=True)]


def _notes(table: Table) -> list[str]:
    """Footnotes as paragraphs of their own; what the caption says is not said again."""
    notes = [line for line in table.footnotes if line not in table.setting]
    return [rf"{' '.join(_breakable(word) for word in note.split())} \par" for note in notes]


def _breakable(word: str) -> str:
    """A word that may be broken where it is too long for a line: paths, causes of failures."""
    pieces = [word[at : at + _LONG_WORD] for at in range(0, len(word), _LONG_WORD)]
    return r"\allowbreak{}".join(escape(piece) for piece in pieces)


def _minipage(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    return [
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
        *notes,
        r"\end{minipage}",
    ]


def _head(columns: Sequence[Column]) -> list[str]:
    """One line of heads, or two where columns share a group."""
    if not any(column.group for column in columns):
        return [" & ".join(_title(column.head, column) for column in columns) + r" \\"]
    upper, rules, start = [], [], 0
    while start < len(columns):
        group = columns[start].group
        end = start + 1
        while group and end < len(columns) and columns[end].group == group:
            end += 1
        if group:
            upper.append(rf"\multicolumn{{{end - start}}}{{c}}{{{escape(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start + 1}-{end}}}")
        else:
            upper.append("")
        start = end
    lower = [_title(column.sub if column.group else column.head, column) for column in columns]
    return [" & ".join(upper) + r" \\", " ".join(rules), " & ".join(lower) + r" \\"]


def _title(head: str, column: Column) -> str:
    """A head of few letters a line, in braces where a column would read it as a number."""
    lines = [escape(line) for line in textwrap.wrap(head, _HEAD_CHARACTERS)]
    align = "l" if column.align == "left" else "c"
    stacked = " \\\\ ".join(lines)
    if len(lines) > 1:
        stacked = rf"\begin{{tabular}}[b]{{@{{}}{align}@{{}}}}{stacked}\end{{tabular}}"
    return stacked if column.align == "left" else f"{{{stacked}}}"
