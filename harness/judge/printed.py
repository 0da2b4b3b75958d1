"""Figures that papers print, read with their printed precision.

`results/paper/<paper>.yaml` holds one table per key, one mapping per printed row. Scalars are read
as text, so that 0.10 keeps two decimals and half a unit of the last printed digit is known.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import harness
from harness.messages import HarnessError, hint
from harness.suite.entry import show

# Orders as papers print them, `O(C (HW)^2 + HW C^2)`, and the exponent at which they grow.
#
#     order    = "O" "(" sum ")"
#     sum      = product { "+" product }
#     product  = power { [ "*" ] power }        letters side by side are factors: HW is H times W
#     power    = atom [ "^" ( number | "(" number [ "/" number ] ")" ) ]
#     atom     = letter | number | "(" sum ")"
#
# Case matters in symbols; spaces do not. A logarithm is no power, and is refused.

POSITIONS: Mapping[str, Fraction] = {
    "H": Fraction(1, 2),
    "W": Fraction(1, 2),
    "N": Fraction(1),
}
"""Degree of each symbol in N = H W while the shape of the map is kept; others are constants."""

_LONGEST_ORDER = 200
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
        place = "" if at_end else f"{self._peek()!r} at character {self._tokens[self._next][1] + 1}"
        where = place or "the end"
        return HarnessError(f"{self._text!r} is no order: {what} {where}; write e.g. O(C (HW)^2)")


def _tokens(text: str) -> list[tuple[str, int]]:
    """Tokens with their places; of typographic signs, in the text as rewritten."""
    if len(text) > _LONGEST_ORDER:
        raise HarnessError(f"{text[:40]!r}... is no order: longer than {_LONGEST_ORDER} characters")
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


_PRINTED_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_PAPER = re.compile(r"[\w-]+(\.[\w-]+)*")


@dataclass(frozen=True)
class PrintedFigure:
    """A printed number."""

    text: str  # as printed
    value: float  # as a number, in the printed unit
    half_unit: float  # half a unit of the last printed digit, in the printed unit


def figure(text: str) -> PrintedFigure | None:
    """A printed number of its text; `None` for text that is no number."""
    if _PRINTED_NUMBER.fullmatch(text) is None:
        return None
    exponent = int(Decimal(text).as_tuple().exponent)
    return PrintedFigure(text, float(text), 0.5 * 10.0**exponent)


@dataclass(frozen=True)
class PrintedRow:
    """One row of a printed table: `name` (its `row`, if it has one), numbers, and texts."""

    name: str | None
    figures: Mapping[str, PrintedFigure]
    texts: Mapping[str, str]

    def matches(self, key: str, value: Any) -> bool:
        """Whether the entry under `key` equals a value of a grid axis; of a list `8x8` does."""
        number = self.figures.get(key)
        if number is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            return number.value == value
        text = show(list(value)) if isinstance(value, (list, tuple)) else str(value)
        return self.texts.get(key, number.text if number else None) == text


@dataclass(frozen=True)
class PrintedTable:
    """One table of a paper."""

    path: Path
    paper: str
    key: str
    caption: str
    rows: tuple[PrintedRow, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows that have one, each once."""
        return tuple(dict.fromkeys(row.name for row in self.rows if row.name is not None))

    @property
    def entries(self) -> tuple[str, ...]:
        """Every key of a number or text that any row has."""
        return tuple(dict.fromkeys(key for row in self.rows for key in (*row.figures, *row.texts)))

    def require_row(self, name: str) -> None:
        """Refuses the name of a row that the table does not have."""
        if name not in self.names:
            raise HarnessError(
                f"{self.path}: {self.key} has no row {name!r}{hint(name, self.names)}"
            )

    def require_entry(self, key: str) -> None:
        """Refuses the key of a figure that no row has."""
        if key not in self.entries:
            raise HarnessError(
                f"{self.path}: {self.key} has no figure {key!r}{hint(key, self.entries)}"
            )


def folders(start: Path | None) -> Iterator[Path]:
    """Folders of printed figures, nearest first.

    `results/paper` beside or above the suite file, then the package's own copy (an installed
    wheel), then the repository beside the package (a source checkout).
    """
    above: list[Path] = []
    if start is not None:
        folder = start.resolve()
        above = [folder, *folder.parents]
    package = Path(harness.__file__).resolve().parent
    places = [each / "results" / "paper" for each in above]
    places += [package / "_paper", package.parent / "results" / "paper"]
    for place in dict.fromkeys(places):
        if place.is_dir():
            yield place


def find_paper(paper: str, start: Path | None) -> Path:
    """File of a paper's printed figures.

    Args:
        paper: name of the file without its ending.
        start: the suite file, or its folder.

    Raises:
        HarnessError: no folder has it; names the nearest.
    """
    searched = list(folders(start))
    if _PAPER.fullmatch(paper):
        for folder in searched:
            if (path := folder / f"{paper}.yaml").is_file():
                return path
    known = sorted({path.stem for folder in searched for path in folder.glob("*.yaml")})
    places = ", ".join(str(folder) for folder in searched) or "results/paper (no such folder)"
    raise HarnessError(f"{places}: no printed figures of {paper!r}{hint(paper, known)}")


def load_table(paper: str, table: str, start: Path | None = None) -> PrintedTable:
    """A printed table.

    Raises:
        HarnessError: unknown paper or table (names the nearest), or a file of another shape.
    """
    path = find_paper(paper, start)
    try:
        content = _content(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise HarnessError(f"{path}: cannot be read: {error}") from error
    tables = content.get("tables") if isinstance(content, dict) else None
    if not isinstance(tables, dict):
        raise HarnessError(f"{path}: has no `tables`; each table stands under its key there")
    if table not in tables:
        raise HarnessError(f"{path}: no table {table!r}{hint(table, map(str, tables))}")
    body = tables[table]
    rows = body.get("rows") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise HarnessError(f"{path}: {table}: `rows` must be a list of mappings")
    return PrintedTable(
        path,
        str(content.get("paper", paper)),
        table,
        str(body.get("caption", "")),
        tuple(_printed_row(row) for row in rows),
    )


@lru_cache(maxsize=16)
def _content(path: Path, _modified: int) -> Any:
    """What a file holds; every column of every table asks for it."""
    # The base loader keeps every scalar as the text that stands in the file.
    return YAML(typ="base", pure=True).load(path.read_text(encoding="utf-8"))


def _printed_row(entries: Mapping[str, Any]) -> PrintedRow:
    name = entries.get("row")
    figures: dict[str, PrintedFigure] = {}
    texts: dict[str, str] = {}
    for key, value in entries.items():
        if key == "row":
            continue
        number = figure(value) if isinstance(value, str) else None
        if number is not None:
            figures[key] = number
        elif value not in (None, ""):
            texts[key] = str(value)
    return PrintedRow(None if name is None else str(name), figures, texts)
