"""A YAML file as a tree in which every key and value knows its line and column."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.suite.problem import Problem
from harness.suite.scalars import Scalar
from harness.wording import printable

Location = Sequence[str | int]


@dataclass(eq=False)
class Node:
    """A value and where it starts.

    Attributes:
        line: 1-based.
        column: 1-based.
        content: scalar, list of nodes, or entries by key.
        size: number of nodes below and including this one, aliases counted where they stand.
        height: levels below and including this one.
    """

    line: int
    column: int
    content: "Scalar | list[Node] | dict[str, Entry]" = None
    size: int = 1
    height: int = 1

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
    """One file of a suite: its path, its tree, and the mistakes found in it so far.

    Attributes:
        path: absolute, symbolic links resolved.
        shown: path in messages, relative to the current directory when below it.
        root: the tree; `None` when the file could not be parsed.
        problems: mistakes found so far.
    """

    path: Path
    shown: str
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)

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
    return printable(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
