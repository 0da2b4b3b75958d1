"""A YAML file as a tree in which every key and value knows its line and column."""

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.messages import HarnessError, escaped, one_line

# What is wrong with a suite, where, and what to do about it.


@dataclass(frozen=True)
class Problem:
    """One mistake, shown as `file:line:col: where: what; cure`."""

    file: str  # path as shown to the user
    line: int  # 1-based; 0 where the mistake has no place in a file
    column: int  # 1-based
    where: str  # dotted path of keys and indices (`cases.0.input`), or what part of the file
    what: str  # what is wrong
    cure: str  # what to do

    def __str__(self) -> str:
        parts = (one_line(text) for text in (self.where, self.what, self.cure))
        where, what, cure = parts
        at = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{at}: {where}: {what}; {cure}"


class SuiteError(HarnessError):
    """A suite cannot be used; carries every mistake of every file, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


# Plain scalars of YAML 1.2 (core schema, section 10.3.2 of the specification).
#
# Resolved here rather than by a loader, since loaders differ: under YAML 1.1 `no` is false,
# `1_000` a number and `12:30` a count of seconds.

Scalar = None | bool | int | float | str

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

LONGEST_NUMBER = 64
"""Characters; longer ones are no sizes of anything, and Python bounds their conversion."""


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar.

    Raises:
        ValueError: for numbers that are not finite or have more than `LONGEST_NUMBER` characters.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return _number(text)


def _number(text: str) -> int | float | str:
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("a suite has no use for a number that is not finite")
    bases = ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16))
    base = next((base for pattern, base in bases if pattern.fullmatch(text)), None)
    if base is None and not _FLOAT.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    if base is not None:
        return int(text, 10) if base == 10 else int(text[2:], base)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond the range of float64")
    return number


Location = Sequence[str | int]


@dataclass(eq=False)
class Node:
    """A value and where it starts."""

    line: int  # 1-based
    column: int  # 1-based
    # scalar, list of nodes, or entries by key
    content: "Scalar | list[Node] | dict[str, Entry]" = None
    size: int = 1  # number of nodes below and including this one, aliases counted where they stand
    height: int = 1  # levels below and including this one

    def plain(self) -> Any:
        """The value without places: what `json` could have read."""
        if isinstance(self.content, dict):
            return {key: entry.node.plain() for key, entry in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def children(self) -> "Iterator[Node]":
        """The nodes one level below."""
        if isinstance(self.content, dict):
            yield from (entry.node for entry in self.content.values())
        elif isinstance(self.content, list):
            yield from self.content


@dataclass(eq=False)
class Entry:
    """A key of a mapping, where it starts, and its value."""

    line: int
    column: int
    node: Node


@dataclass(eq=False)
class Document:
    """One file of a suite: its path, its tree, and the mistakes found in it so far."""

    path: Path  # absolute, symbolic links resolved
    shown: str  # path in messages, relative to the current directory when below it
    root: Node | None = None  # the tree; `None` when the file could not be parsed
    problems: list[Problem] = field(default_factory=list)  # mistakes found so far

    def report(
        self,
        location: Location,
        what: str,
        cure: str,
        *,
        key: bool = False,
        absent: str | None = None,
    ) -> None:
        """Add a mistake.

        Args:
            location: keys and indices from the root to the value.
            what: what is wrong.
            cure: what to do.
            key: the mistake is the key itself, not its value.
            absent: a key that is missing at `location`; shown as part of the path.
        """
        line, column, found = self._place(location, key)
        where = ".".join(str(part) for part in (*found, *([absent] if absent else [])))
        self.problems.append(Problem(self.shown, line, column, where or "file", what, cure))

    def _place(self, location: Location, key: bool) -> tuple[int, int, list[str | int]]:
        """Line, column and the part of the location that the tree has.

        Parts that the tree lacks are passed over: they are branches of a type, not of the file.
        """
        node, entry = self.root, None
        found: list[str | int] = []
        for part in location:
            step = _below(node, part) if node is not None else None
            if step is not None:
                (node, entry), found = step, [*found, part]
        place = entry if key and entry is not None else node
        return (place.line, place.column, found) if place is not None else (1, 1, found)


def _below(node: Node, part: str | int) -> tuple[Node, Entry | None] | None:
    content = node.content
    if isinstance(content, dict) and str(part) in content:
        return content[str(part)].node, content[str(part)]
    if isinstance(content, list) and isinstance(part, int) and 0 <= part < len(content):
        return content[part], None
    return None


def shown(path: Path) -> str:
    """A path for messages: relative to the current directory when below it, in one line."""
    # abspath, not resolve: a user knows the file under the name that was given.
    absolute, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100
    return escaped(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
