"""Orders as papers print them, `O(C (HW)^2 + HW C^2)`, and the exponent at which they grow.

    order    = "O" "(" sum ")"
    sum      = product { "+" product }
    product  = power { [ "*" ] power }        letters side by side are factors: HW is H times W
    power    = atom [ "^" ( number | "(" number [ "/" number ] ")" ) ]
    atom     = letter | number | "(" sum ")"

Case matters in symbols; spaces do not. A logarithm is no power, and is refused.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from harness.errors import HarnessError

POSITIONS: Mapping[str, Fraction] = {
    "H": Fraction(1, 2),
    "W": Fraction(1, 2),
    "N": Fraction(1),
}
"""Degree of each symbol in N = H W while the shape of the map is kept; others are constants."""

_LONGEST = 200
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z])|([()+*^/]))")
_TYPOGRAPHIC = {"²": "^2", "³": "^3", "·": "*", "×": "*", "−": "-"}


def degree(text: str, degrees: Mapping[str, Fraction] = POSITIONS) -> Fraction:
    """The exponent at which an order grows.

    Factors add, of summands the largest counts: (HW)^2 has 2, HW(H + W) has 3/2, C^2 has 0.

    Args:
        text: of the order.
        degrees: symbol: its own exponent; symbols that are not named are constants.

    Raises:
        HarnessError: the text is no order; says at which character.
    """
    return _Parser(text, degrees).order()


class _Parser:
    """Recursive descent, one method per line of the grammar; each returns a degree."""

    def __init__(self, text: str, degrees: Mapping[str, Fraction]) -> None:
        self._text = text
        self._degrees = degrees
        self._tokens = _tokens(text)
        self._next = 0

    def order(self) -> Fraction:
        self._expect("O")
        self._expect("(")
        found = self._sum()
        self._expect(")")
        if self._peek():
            raise self._mistake("the order ends before")
        return found

    def _sum(self) -> Fraction:
        found = self._product()
        while self._take("+"):
            found = max(found, self._product())
        return found

    def _product(self) -> Fraction:
        found = self._power()
        while self._take("*") or self._peek() not in ("", "+", ")"):
            found += self._power()
        return found

    def _power(self) -> Fraction:
        found = self._atom()
        return found * self._exponent() if self._take("^") else found

    def _exponent(self) -> Fraction:
        if not self._take("("):
            return self._number()
        found = self._number()
        if self._take("/"):
            below = self._number()
            if below == 0:
                raise self._mistake("division by zero before")
            found /= below
        self._expect(")")
        return found

    def _atom(self) -> Fraction:
        if self._take("("):
            found = self._sum()
            self._expect(")")
            return found
        token = self._peek()
        if token[:1].isdigit():
            if self._number() == 0:
                raise self._mistake("nothing grows as zero, before")
            return Fraction(0)
        if not token.isalpha():
            raise self._mistake("expected a symbol, a number or (, not")
        self._next += 1
        return self._degrees.get(token, Fraction(0))

    def _number(self) -> Fraction:
        token = self._peek()
        if not token[:1].isdigit():
            raise self._mistake("expected a number, not")
        self._next += 1
        return Fraction(token)

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _take(self, token: str) -> bool:
        found = self._peek() == token
        self._next += found
        return found

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._mistake(f"expected {token}, not")

    def _mistake(self, what: str) -> HarnessError:
        at_end = self._next >= len(self._tokens)
        where = "the end" if at_end else f"{self._peek()!r} at character {self._position()}"
        return HarnessError(f"{self._text!r} is no order: {what} {where}; write e.g. O(C (HW)^2)")

    def _position(self) -> int:
        return self._tokens[self._next][1] + 1


def _tokens(text: str) -> list[tuple[str, int]]:
    """Tokens with their places; of typographic signs, in the text as rewritten."""
    if len(text) > _LONGEST:
        raise HarnessError(f"{text[:40]!r}... is no order: longer than {_LONGEST} characters")
    plain = "".join(_TYPOGRAPHIC.get(each, each) for each in text).rstrip()
    if re.search(r"log|ln|exp", plain):
        raise HarnessError(f"{text!r} is no power: only products and sums of powers are compared")
    found, at = [], 0
    while at < len(plain):
        match = _TOKEN.match(plain, at)
        if match is None:
            raise HarnessError(f"{text!r} is no order: unknown sign {plain[at:].lstrip()[0]!r}")
        found.append((match.group(match.lastindex or 0), match.start(match.lastindex or 0)))
        at = match.end()
    return found
