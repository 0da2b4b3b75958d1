"""Numbers of a column, aligned by siunitx at their decimal markers."""

from dataclasses import dataclass

from harness.present.formats import NUMBER
from harness.present.latex.columns import Entry, Ranked
from harness.present.latex.text import character, latex_text
from harness.present.latex.width import MARK_WIDTHS, number_width, text_width

# From as many digits on siunitx would set them in groups, which what is underlined has not.
_GROUPED = 5


@dataclass(frozen=True)
class NumberRoom:
    """The room of a column's numbers: digits before and behind the decimal marker, and a sign."""

    whole: int
    decimals: int
    signed: bool

    @property
    def widest(self) -> str:
        """A number that fills it."""
        decimals = "." + "0" * self.decimals if self.decimals else ""
        return ("+" if self.signed else "") + "0" * self.whole + decimals

    @property
    def siunitx(self) -> str:
        """As `table-format` has it."""
        decimals = f".{self.decimals}" if self.decimals else ""
        return f"{'+' if self.signed else ''}{self.whole}{decimals}"

    def underlined(self, text: str) -> str:
        r"""A number with a line below it, as wide as the column's numbers are.

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


def number_room(column: Ranked) -> NumberRoom:
    """The room of a column that has numbers."""
    numbers = [each.text for each in column.entries if NUMBER.fullmatch(each.text)]
    parts = [text.lstrip("+-").partition(".") for text in numbers]
    return NumberRoom(
        max(len(whole) for whole, _, _ in parts),
        max(len(decimals) for _, _, decimals in parts),
        any(text[0] in "+-" for text in numbers),
    )


def entry_width(entry: Entry) -> float:
    """Points that words take at 10 pt, with their mark."""
    return text_width(entry.text) + MARK_WIDTHS.get(entry.mark, 0)


def numbers_width(column: Ranked) -> float:
    """Points that the cells of a column with numbers take at 10 pt."""
    bold = any(each.rank == 1 for each in column.entries)
    numbers = number_width(number_room(column).widest, bold=bold)
    room = max((MARK_WIDTHS.get(each.mark, 0) for each in column.entries), default=0)
    words = [entry_width(each) for each in column.entries if not NUMBER.fullmatch(each.text)]
    return max(numbers + room, *words, 0)


def number_letter(column: Ranked) -> str:
    """`S` with the options that the column needs, known to siunitx 2 and 3."""
    room, texts = number_room(column), [each.text for each in column.entries]
    options = [f"table-format={room.siunitx}"]
    if any(text.startswith("+") for text in texts):
        options.append("retain-explicit-plus")
    if any(each.rank == 1 for each in column.entries):
        options.append("detect-weight")
    if max(room.whole, room.decimals) >= _GROUPED:
        options.append("group-digits=false")
    marks = [each.mark for each in column.entries if each.mark]
    if marks:
        widest = max(marks, key=lambda mark: MARK_WIDTHS[mark])
        options += [f"table-space-text-post={{{raised(widest)}}}", "table-align-text-post=false"]
    return f"S[{', '.join(options)}]"


def number_cell(entry: Entry, room: NumberRoom) -> str:
    """A number bare, a word in braces, ranks and marks at them."""
    mark = f"{{{raised(entry.mark)}}}" if entry.mark else ""
    if NUMBER.fullmatch(entry.text) is None:
        return f"{{{latex_text(entry.text)}{raised(entry.mark)}}}"
    if entry.rank == 2:
        return room.underlined(entry.text)
    return (rf"\bfseries {entry.text}" if entry.rank == 1 else entry.text) + mark


def raised(mark: str) -> str:
    """The mark of a verdict as a superscript; nothing where there is none."""
    return f"$^{{{character(mark).strip('$')}}}$" if mark else ""
