"""A column in LaTeX: what siunitx needs to align its numbers, and its cells."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.present.cells import Column
from harness.present.latex_text import escape
from harness.present.rank import NUMBER

Marks = Sequence[int | None]


@dataclass(frozen=True)
class Format:
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


def format_of(column: Column) -> Format | None:
    """The room of a column's numbers; `None` for a column of words."""
    if column.align == "left":
        return None
    numbers = [cell.text for cell in column.cells if NUMBER.fullmatch(cell.text)]
    if not numbers:
        return None
    parts = [text.lstrip("+-").partition(".") for text in numbers]
    return Format(
        max(len(whole) for whole, _, _ in parts),
        max(len(decimals) for _, _, decimals in parts),
        any(text[0] in "+-" for text in numbers),
    )


def preamble(column: Column) -> str:
    """The letter of a column, with its format."""
    found = format_of(column)
    if found is None:
        return column.align[0]
    return f"S[table-format={found.siunitx}]"


def entries(column: Column, marks: Marks) -> list[str]:
    """The cells of a column: numbers bare, words in braces, ranks marked."""
    found = format_of(column)
    made = []
    for cell, rank in zip(column.cells, marks, strict=True):
        if found is None:
            made.append(escape(cell.short or cell.text))
        elif NUMBER.fullmatch(cell.text) is None:
            made.append(f"{{{escape(cell.short or cell.text)}}}")
        elif rank == 2:
            made.append(found.padded(cell.text))
        else:
            made.append(rf"\bfseries {cell.text}" if rank == 1 else cell.text)
    return made
