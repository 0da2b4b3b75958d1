"""LaTeX of a table: booktabs for its lines, siunitx for its numbers."""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.present.best import ranks
from harness.present.formats import MARKS, NUMBER, Cell, Column, Table


def _pairs(words: str) -> dict[str, str]:
    """Words that take turns as keys and values."""
    every = words.split()
    return dict(zip(every[::2], every[1::2], strict=True))


# Text as LaTeX prints it: nothing active, ASCII wherever LaTeX has a command for a character.
# Straight quotes need T1 fonts; typographic ones are safe in every engine.
_TEXT = {"\u00a0": "~"} | _pairs(r"""
    \ \textbackslash{}  { \{  } \}  $ \$  & \&  # \#  % \%  _ \_  ^ \textasciicircum{}
    ~ \textasciitilde{}  < \textless{}  > \textgreater{}  | \textbar{}  " ''  ` \`{}  [ {[}
    ] {]}  * {*}  – --  — ---  ‘ `{}  ’ '{}  “ ``  ” ''  … \ldots{}  ß \ss{}  æ \ae{}  Æ \AE{}
    œ \oe{}  Œ \OE{}  ø \o{}  Ø \O{}  ł \l{}  Ł \L{}  ı \i{}  § \S{}  © \textcopyright{}
""")

_MATH = _pairs(r"""
    × \times  ± \pm  ÷ \div  · \cdot  − -  ° ^{\circ}  ² ^{2}  ³ ^{3}  ≤ \leq  ≥ \geq  ≠ \neq
    ≈ \approx  ∞ \infty  ∈ \in  → \rightarrow  ← \leftarrow  ↑ \uparrow  ↓ \downarrow  ⊕ \oplus
    ⊗ \otimes  √ \surd  µ \mu  ϵ \epsilon  ε \varepsilon  Γ \Gamma  Δ \Delta  Θ \Theta  Λ \Lambda
    Ξ \Xi  Π \Pi  Σ \Sigma  Φ \Phi  Ψ \Psi  Ω \Omega  α \alpha  β \beta  γ \gamma  δ \delta
    ζ \zeta  η \eta  θ \theta  ι \iota  κ \kappa  λ \lambda  μ \mu  ν \nu  ξ \xi  π \pi  ρ \rho
    σ \sigma  τ \tau  υ \upsilon  φ \phi  χ \chi  ψ \psi  ω \omega
    ✓ \checkmark  ✗ \times  † \dagger  ‡ \ddagger
""")

# Two of them in a row would become a dash or quotes.
_LIGATURES = "-',"

_ACCENTS = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327",
        "`'^~=u.\"rHvc",
        strict=True,
    )
)

CHARACTER = r"\harnesschar"
"""Prints a character that pdfTeX's fonts lack where the engine knows Unicode, else its code."""

DEFINITIONS = {
    CHARACTER: rf"\providecommand{{{CHARACTER}}}[2]"
    r"{\ifdefined\Umathchar #1\else\texttt{U+#2}\allowbreak\fi}",
    # That of amssymb where it is loaded.
    r"\checkmark": r"\providecommand{\checkmark}{\surd}",
}
"""Of commands that LaTeX itself lacks."""


def latex_text(text: str) -> str:
    r"""Text that LaTeX prints as it is, on one line; control characters are dropped.

    What neither ASCII nor a command of LaTeX covers is `\harnesschar{character}{code}`, which
    needs its definition; so does a check mark.
    """
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    kept = [each for each in line if unicodedata.category(each)[0] != "C"]
    made = [_character(each) for each in kept]
    for index, each in enumerate(kept):
        if each == '"' and (index == 0 or kept[index - 1] in " (["):
            made[index] = "``"
    for index, (each, following) in enumerate(pairwise(kept)):
        if each == following and each in _LIGATURES:
            made[index] += "{}"
    return "".join(made)


def _character(each: str) -> str:
    if each in _TEXT:
        return _TEXT[each]
    if each in _MATH:
        return f"${_MATH[each]}$"
    if each.isascii():
        return each
    base, *marks = list(unicodedata.normalize("NFD", each))
    if len(marks) == 1 and base.isascii() and base.isalpha() and marks[0] in _ACCENTS:
        # An accent stands above the dot of i and j only where that dot is gone.
        above = marks[0] != "\u0327"
        letter = {"i": r"\i", "j": r"\j"}.get(base, base) if above else base
        return f"\\{_ACCENTS[marks[0]]}{{{letter}}}"
    return f"{CHARACTER}{{{each}}}{{{ord(each):04X}}}"


Marks = Sequence[int | None]


@dataclass(frozen=True)
class NumberRoom:
    """The room of a column's numbers: digits before and behind the decimal marker, and a sign."""

    whole: int
    decimals: int
    signed: bool

    @property
    def siunitx(self) -> str:
        """As `table-format` has it."""
        return f"{'+' if self.signed else ''}{self.whole}.{self.decimals}"

    def padded(self, text: str) -> str:
        r"""An underlined number as wide as the column's numbers are.

        siunitx aligns no number with a line below it, so the room that it would leave is made of
        phantoms: of the digits that this number lacks.
        """
        sign, digits = ("", text) if text[0] not in "+-" else (text[0], text[1:])
        whole, point, decimals = digits.partition(".")
        before = "0" * (self.whole - len(whole))
        after = "0" * (self.decimals - len(decimals))
        if self.decimals and not point:
            after = "." + after
        lacking = "-" if self.signed and not sign else ""
        left = rf"\phantom{{{lacking}{before}}}" if lacking or before else ""
        right = rf"\phantom{{{after}}}" if after else ""
        return rf"{{${left}\underline{{{sign}{digits}}}{right}$}}"


def number_room(column: Column) -> NumberRoom | None:
    """The room of a column's numbers; `None` for a column of words."""
    if column.align == "left":
        return None
    numbers = [cell.text for cell in column.cells if NUMBER.fullmatch(cell.text)]
    if not numbers:
        return None
    parts = [text.lstrip("+-").partition(".") for text in numbers]
    return NumberRoom(
        max(len(whole) for whole, _, _ in parts),
        max(len(decimals) for _, _, decimals in parts),
        any(text[0] in "+-" for text in numbers),
    )


_MARKS = "marks"


def _with_marks(columns: Sequence[Column]) -> Iterator[Column]:
    """Columns, each with the marks of its verdicts in one of their own: numbers stay bare."""
    for column in columns:
        bare = tuple(replace(cell, verdict="") for cell in column.cells)
        yield replace(column, cells=bare)
        if bare != column.cells:
            marks = tuple(Cell(MARKS.get(cell.verdict, ""), None) for cell in column.cells)
            yield Column("", marks, "left", _MARKS, column.group)


def preamble(column: Column) -> str:
    """The letter of a column, with its format."""
    if column.stored == _MARKS:
        return r"@{\,}l"
    found = number_room(column)
    return column.align[0] if found is None else f"S[table-format={found.siunitx}]"


def entries(column: Column, marks: Marks) -> list[str]:
    """The cells of a column: numbers bare, words in braces, ranks marked."""
    found = number_room(column)
    made = []
    for cell, rank in zip(column.cells, marks, strict=True):
        if found is None:
            made.append(latex_text(cell.text))
        elif NUMBER.fullmatch(cell.text) is None:
            made.append(f"{{{latex_text(cell.text)}}}")
        elif rank == 2:
            made.append(found.padded(cell.text))
        else:
            made.append(rf"\bfseries {cell.text}" if rank == 1 else cell.text)
    return made


# A page of 10 pt text has about 45 lines; head, caption and some notes take the rest.
MOST_ROWS = 30
_HEAD_LETTERS = 11
_NOTE_LETTERS = 100  # of a line of notes
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
        label: for `\ref`, without its `tab:`.
        best: whether the best value of a column is bold and the second underlined, by the digits
            shown; as the suite asks if absent.
    """
    table = replace(table, columns=tuple(_with_marks(table.shown)))
    wanted = table.best if best is None else best
    marks: list[Marks] = []
    for column in table.shown:
        texts = [cell.text for cell in column.cells]
        marks.append(ranks(texts, column.aim if wanted else None))
    broken = len(table.lines) > MOST_ROWS
    text = "\n".join((_broken if broken else _floating)(table, label, marks)) + "\n"
    packages = f"% \\usepackage{{booktabs,siunitx,{'longtable' if broken else 'adjustbox'}}}\n"
    definitions = [f"{made}\n" for command, made in DEFINITIONS.items() if command in text]
    return "".join([packages, *definitions, text])


def _floating(table: Table, label: str, marks: Sequence[Marks]) -> list[str]:
    notes = _note_lines(table)
    # A float cannot be higher than a page; notes that would make it so stand behind it.
    lines = len(table.lines) + sum(1 + len(note) // _NOTE_LETTERS for note in notes)
    long = lines > _MOST_LINES
    within = [
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
        *notes,
        r"\end{minipage}",
    ]
    behind = [
        r"\begingroup\scriptsize\raggedright",
        rf"\noindent Notes on Table~\ref{{tab:{_label_key(label)}}}:",
        *notes,
        r"\par\endgroup",
    ]
    return [
        r"\begin{table}",
        r"\centering\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{6pt}",
        _caption(table, marks),
        rf"\label{{tab:{_label_key(label)}}}",
        _NUMBERS,
        r"\begin{adjustbox}{max width=\linewidth}",
        rf"\begin{{tabular}}{_column_letters(table)}",
        r"\toprule",
        *_head_lines(table.shown),
        r"\midrule",
        *_body(table, marks),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        *(within if notes and not long else []),
        r"\end{table}",
        *(behind if long else []),
    ]


def _broken(table: Table, label: str, marks: Sequence[Marks]) -> list[str]:
    head = [r"\toprule", *_head_lines(table.shown), r"\midrule"]
    notes = _note_lines(table)
    return [
        r"\begingroup\scriptsize\setlength{\tabcolsep}{3pt}",
        _NUMBERS,
        rf"\begin{{longtable}}{_column_letters(table)}",
        rf"{_caption(table, marks)}\label{{tab:{_label_key(label)}}} \\",
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


def _column_letters(table: Table) -> str:
    letters = "".join(preamble(column) for column in table.shown)
    return f"{{@{{}}{letters}@{{}}}}"


def _caption(table: Table, marks: Sequence[Marks]) -> str:
    words = [table.title.rstrip(".") + ".", *table.setting]
    if any(mark for column in marks for mark in column):
        words.append("Bold: best of a column; underlined: second.")
    return rf"\caption[{latex_text(table.title)}]{{{latex_text(' '.join(words))}}}"


def _label_key(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", label)


def _body(table: Table, marks: Sequence[Marks]) -> list[str]:
    columns = [entries(*each) for each in zip(table.shown, marks, strict=True)]
    return [" & ".join(line) + r" \\" for line in zip(*columns, strict=True)]


def _note_lines(table: Table) -> list[str]:
    """Footnotes as paragraphs of their own; what the caption says is not said again.

    Words that are too long for a line may be broken: paths, causes of failures.
    """
    made = []
    for note in (*table.conclusions, *(x for x in table.footnotes if x not in table.setting)):
        words = []
        for word in note.split():
            pieces = [word[at : at + _LONG_WORD] for at in range(0, len(word), _LONG_WORD)]
            words.append(r"\allowbreak{}".join(latex_text(piece) for piece in pieces))
        made.append(rf"{' '.join(words)} \par")
    return made


def _head_lines(columns: Sequence[Column]) -> list[str]:
    """One line of heads, or two where columns share a group."""
    if not any(column.group for column in columns):
        return [" & ".join(_stacked(column.head, column) for column in columns) + r" \\"]
    upper, rules, start = [], [], 0
    while start < len(columns):
        group = columns[start].group
        end = start + 1
        while group and end < len(columns) and columns[end].group == group:
            end += 1
        if group:
            upper.append(rf"\multicolumn{{{end - start}}}{{c}}{{{latex_text(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start + 1}-{end}}}")
        else:
            upper.append("")
        start = end
    lower = [_stacked(column.sub if column.group else column.head, column) for column in columns]
    return [" & ".join(upper) + r" \\", " ".join(rules), " & ".join(lower) + r" \\"]


def _stacked(head: str, column: Column) -> str:
    """A head of few letters a line, in braces where a column would read it as a number."""
    lines = [latex_text(line) for line in textwrap.wrap(head, _HEAD_LETTERS)]
    align = "l" if column.align == "left" else "c"
    stacked = " \\\\ ".join(lines)
    if len(lines) > 1:
        stacked = rf"\begin{{tabular}}[b]{{@{{}}{align}@{{}}}}{stacked}\end{{tabular}}"
    return stacked if column.align == "left" else f"{{{stacked}}}"
