"""Reading a suite that is given as a Python mapping, as a notebook has it."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.instantiate import ModuleError, name_of
from harness.suite.composer import DEEPEST, MOST_NODES, UnreadableError
from harness.suite.document import Document, Entry, Node
from harness.suite.problem import Problem
from harness.suite.scalars import Scalar
from harness.wording import quote

SHOWN = "suite"
"""What messages call it in place of a file's name."""

Given = Mapping[str, Any]


def read(given: Given) -> Document:
    """The document of a mapping; what is wrong with it stands in its `problems`.

    Sequences of any kind become lists, paths text, NumPy's scalars and arrays plain values, and an
    importable class its name, `package.file:Class`. Paths in the suite are taken from the current
    directory.
    """
    document = Document(Path.cwd() / SHOWN, SHOWN)
    try:
        root = _Reading(document).node(given, ())
        # What is no value of a suite has left holes, about which there is nothing to say.
        document.root = None if document.problems else root
    except UnreadableError as stop:
        document.problems.append(Problem(SHOWN, *stop.place, "file", stop.what, stop.cure))
    return document


@dataclass(eq=False)
class _Reading:
    """Turns values into nodes without places; mistakes go to the document.

    Attributes:
        document: gets the mistakes.
        left: nodes that may still be made; lists that hold each other have no end.
    """

    document: Document
    left: int = MOST_NODES

    def node(self, value: Any, place: tuple[str, ...]) -> Node:
        """A value with everything below it."""
        self.left -= 1
        if len(place) > DEEPEST or self.left < 0:
            what = f"nested more than {DEEPEST} levels deep, or more than {MOST_NODES} values"
            raise UnreadableError(0, 0, what, "a suite needs four levels; write it flat")
        value = _plain(value)
        if isinstance(value, Mapping):
            return Node(0, 0, self._entries(value, place))
        if isinstance(value, list):
            below = [self.node(each, (*place, str(index))) for index, each in enumerate(value)]
            return Node(0, 0, below)
        return Node(0, 0, self._scalar(value, place))

    def _entries(self, value: Mapping[Any, Any], place: tuple[str, ...]) -> dict[str, Entry]:
        entries = {}
        for key, below in value.items():
            if isinstance(key, str):
                entries[key] = Entry(0, 0, self.node(below, (*place, key)))
            else:
                self._report(place, f"the key {quote(key)} is not text", "write the key as text")
        return entries

    def _scalar(self, value: Any, place: tuple[str, ...]) -> Scalar:
        if isinstance(value, type):
            try:
                return name_of(value)
            except ModuleError as error:
                self._report(place, error.what, error.cure)
                return None
        if isinstance(value, float) and not math.isfinite(value):
            what = "a suite has no use for a number that is not finite"
            self._report(place, what, "write a finite number")
            return None
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        what = f"{quote(value)} is a {type(value).__name__}"
        self._report(place, what, "write text, a number, true or false, a list or a mapping")
        return None

    def _report(self, place: tuple[str, ...], what: str, cure: str) -> None:
        where = ".".join(place) or "file"
        self.document.problems.append(Problem(SHOWN, 0, 0, where, what, cure))


def _plain(value: Any) -> Any:
    """A value in the types that YAML would have given."""
    if hasattr(value, "tolist") and not isinstance(value, type):  # of NumPy and PyTorch
        value = value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes)):
        return list(value)
    return value
