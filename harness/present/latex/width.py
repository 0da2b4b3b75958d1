"""Width of text before TeX has set it, in Computer Modern, which is wider than Times."""

import unicodedata
from dataclasses import dataclass

from harness.present.latex.text import CHARACTER, character

# Of the characters from space to ~ in 1/1000 of the size: cmr10.afm of the AMS. What that lacks
# (< > { | } and the backslash) is of the fonts that LaTeX takes it from; _ is as LuaTeX has it.
_ASCII = """
    333 278 500 833 500 833 778 278 389 389 500 778 278 333 278 500
    500 500 500 500 500 500 500 500 500 500 278 278 778 778 778 472
    778 750 708 722 764 681 653 785 750 361 514 778 625 917 750 778
    681 778 736 556 722 750 750 1028 750 750 611 278 500 278 500 690
    278 500 556 444 556 444 306 500 556 278 306 528 278 833 556 500
    556 528 392 394 389 556 528 722 528 528 444 500 278 500 500
"""
_WIDTHS = tuple(map(int, _ASCII.split()))
_OTHERS = {"–": 500, "’": 278, "“": 500, "”": 500, "…": 1334, "Δ": 833, "\u00a0": 333}
_WIDEST = 1014  # of any other: no letter, arrow or relation is wider
_TYPEWRITER = 525
_BOLD = 1.15  # cmbx10 against cmr10


@dataclass(frozen=True)
class Size:
    """A size of the class, such as `small`; smaller fonts are wider than in proportion."""

    command: str  # without its backslash; empty for that of the text
    points: float
    scale: float  # of widths against those of 10 pt: cmr9 and cmr8 have digits of .514 and .531 em


SIZES = (Size("", 10, 1), Size("small", 9, 0.925), Size("footnotesize", 8, 0.85))
"""From the largest, as classes with text of 10 pt have them."""


def text_width(text: str) -> float:
    """Points that a text takes at 10 pt."""
    return sum(map(_width, text)) / 100


def number_width(text: str, *, bold: bool = False) -> float:
    """Points that a number takes, whose signs are as wide as in mathematics.

    Args:
        text: digits, a sign, a decimal point.
        bold: whether it is.
    """
    return (_BOLD if bold else 1) * text_width(text.replace("-", "+"))


MARK_WIDTHS = {"✓": 8.84, "✗": 6.76, "†": 4.17, "‡": 4.17}
"""Of marks as superscripts, in points at 10 pt."""


def _width(each: str) -> int:
    if each.isascii():
        return _WIDTHS[ord(each) - ord(" ")] if each.isprintable() else 0
    if each in _OTHERS:
        return _OTHERS[each]
    if character(each).startswith(CHARACTER):
        return _TYPEWRITER * len(f"U+{ord(each):04X}")
    base = unicodedata.normalize("NFD", each)[0]
    return _WIDTHS[ord(base) - ord(" ")] if base.isascii() else _WIDEST
