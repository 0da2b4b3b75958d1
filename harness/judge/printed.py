"""Figures that papers print, read with their printed precision.

`results/paper/<paper>.yaml` holds the paper's title, where it can be read (`url`, `doi` or
`arxiv`), and one table per key, one mapping per printed row. Scalars are read
as text, so that 0.10 keeps two decimals and half a unit of the last printed digit is known. A
printed order stands there with its degree, the exponent at which it grows in N = H W while the
shape of the map is kept: `computation: {order: "O(C (HW)^2)", degree: 2}`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import harness
from harness.environment.files import FileNameError, checked_name
from harness.messages import HarnessError, axis_text, hint

_PRINTED_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class PrintedFigure:
    """A printed number, or a printed order with its degree."""

    text: str  # as printed
    value: float  # as a number, in the printed unit; of an order its degree
    half_unit: float  # half a unit of the last printed digit, in the printed unit; 0 of an order


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
        text = axis_text(list(value)) if isinstance(value, (list, tuple)) else str(value)
        return self.texts.get(key, number.text if number else None) == text


@dataclass(frozen=True)
class PrintedTable:
    """One table of a paper."""

    path: Path
    paper: str
    key: str
    caption: str
    rows: tuple[PrintedRow, ...]
    url: str = ""  # where the paper can be read; empty if its file does not say

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
    with suppress(FileNameError):  # what no file is called has no figures
        for folder in searched:
            if (path := folder / f"{checked_name(paper)}.yaml").is_file():
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
    caption = str(body.get("caption", ""))
    try:
        printed = tuple(map(_printed_row, rows))
    except HarnessError as error:
        raise HarnessError(f"{path}: {table}: {error}") from error
    title = str(content.get("paper", paper))
    return PrintedTable(path, title, table, caption, printed, _address(content))


_PLACES = {"url": "", "doi": "https://doi.org/", "arxiv": "https://arxiv.org/abs/"}
"""Keys by which a file says where its paper is, and what stands before their values."""


def _address(content: Mapping[str, Any]) -> str:
    found = (f"{start}{content[key]}" for key, start in _PLACES.items() if content.get(key))
    # Whatever else stands there, a link leads to a page.
    return next((each for each in found if re.fullmatch(r"https?://[^\s\"'<>]+", each)), "")


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
        number = _order(value) if isinstance(value, dict) else figure(str(value))
        if number is not None:
            figures[key] = number
        elif value not in (None, ""):
            texts[key] = str(value)
    return PrintedRow(None if name is None else str(name), figures, texts)


def _order(entry: Mapping[str, Any]) -> PrintedFigure:
    degree = figure(str(entry.get("degree")))
    if degree is None or set(entry) != {"order", "degree"}:
        raise HarnessError(f"{dict(entry)} is no printed order; write {{order: O(N^2), degree: 2}}")
    return PrintedFigure(str(entry["order"]), degree.value, 0.0)
