"""A document from a file or a mapping. Nothing in a file can raise here."""

import codecs
import math
import os
import stat
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from harness.instantiate import is_of_session, name_of, shown_name
from harness.messages import quote
from harness.suite.document import Document, Entry, Node, Problem, Scalar, resolve, shown

DEEPEST = 32
"""Levels of nesting of one suite file."""

MOST_NODES = 200_000
"""Values of one suite file, those repeated by aliases included: aliases of aliases grow
exponentially ("billion laughs")."""


class UnreadableError(Exception):
    """Nothing after this place can be read."""

    def __init__(self, line: int, column: int, what: str, cure: str) -> None:
        super().__init__(what)
        self.place = (line, column)
        self.what = what
        self.cure = cure


@dataclass(eq=False)
class _Open:
    """A collection whose end has not been read, and the key whose value comes next."""

    node: Node
    anchor: str | None
    key: tuple[int, int, str] | None = None
    awaits_value: bool = False

    @property
    def step(self) -> str | int | None:
        if isinstance(self.node.content, list):
            return len(self.node.content)
        return self.key[2] if self.key else None


@dataclass(eq=False)
class Composer:
    """Builds a document's tree from YAML events, without recursion, within limits.

    Mistakes after which reading can go on go to the document.
    """

    document: Document  # gets the mistakes
    root: Node | None = None  # the tree, once its last event is taken
    stack: list[_Open] = field(default_factory=list)  # collections that are open, outermost first
    anchors: dict[str, Node] = field(default_factory=dict)  # finished nodes by anchor
    documents: int = 0  # YAML documents begun
    total: int = 0  # nodes so far, aliases written out

    def compose(self, text: str) -> Node | None:
        """The tree of a text; `None` of an empty one.

        Raises:
            UnreadableError: the text is no YAML, or beyond the limits.
        """
        line = column = 1
        try:
            for event in YAML(typ="safe", pure=True).parse(text):
                line, column = event.start_mark.line + 1, event.start_mark.column + 1
                self._take(event, line, column)
        except UnreadableError:
            raise
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if mark is not None:
                line, column = mark.line + 1, mark.column + 1
            what = f"not YAML ({quote(error.problem or 'cannot be parsed')})"
            raise UnreadableError(line, column, what, "correct the syntax") from None
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            column = error.position - text.rfind("\n", 0, error.position)
            cure = "remove it or write it as an escape in double quotes"
            raise UnreadableError(line, column, "a control character", cure) from None
        except Exception as error:
            # ruamel.yaml answers some malformed files (%YAML 1.9, say) with asserts and the like.
            what = f"not YAML ({quote(str(error) or type(error).__name__)})"
            raise UnreadableError(line, column, what, "correct what stands here or below") from None
        return self.root

    def _take(self, event: Event, line: int, column: int) -> None:
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise UnreadableError(
                    line, column, "a second document begins", "keep one suite per file"
                )
        elif isinstance(event, CollectionEndEvent):
            opened = self.stack.pop()
            node = opened.node
            node.size += sum(child.size for child in node.children())
            node.height += max((child.height for child in node.children()), default=0)
            self._anchor(opened.anchor, node)
            self._place(node, node.line, node.column)
        elif isinstance(event, AliasEvent):
            known = self.anchors.get(event.anchor)
            if known is None:
                what = f"alias *{quote(event.anchor)} has no anchor before it"
                raise UnreadableError(line, column, what, "write the value out")
            self._count(known.size, line, column)
            self._place(known, line, column)
        elif isinstance(event, NodeEvent):
            self._node(event, line, column)

    def _count(self, nodes: int, line: int, column: int) -> None:
        self.total += nodes
        if self.total > MOST_NODES:
            what = f"more than {MOST_NODES} values, aliases written out"
            raise UnreadableError(line, column, what, "use a grid or split the file")

    def _node(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None and str(event.tag) != "!":
            self._report(
                line, column, "tags are not allowed", "remove the !tag, write a plain value"
            )
        self._count(1, line, column)
        node = Node(line, column)
        if isinstance(event, ScalarEvent):
            node.content = self._scalar(event, line, column)
            self._anchor(event.anchor, node)
            self._place(node, line, column)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            node.content = {} if isinstance(event, MappingStartEvent) else []
            if len(self.stack) >= DEEPEST:
                raise _too_deep(line, column)
            self.stack.append(_Open(node, event.anchor))

    def _scalar(self, event: Any, line: int, column: int) -> Scalar:
        text: str = event.value
        if not event.implicit[0]:
            if any("\ud800" <= c <= "\udfff" for c in text):
                what, cure = "half of a surrogate pair", "write the character itself"
                self._report(line, column, what, cure)
                return ""
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self._report(line, column, str(error), "write a finite number of usual length")
            return None

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self.anchors[name] = node

    def _place(self, node: Node, line: int, column: int) -> None:
        """Put a finished node into the collection that is open."""
        if len(self.stack) + node.height > DEEPEST + 1:
            raise _too_deep(line, column)
        if not self.stack:
            self.root = node
            return
        opened = self.stack[-1]
        if isinstance(opened.node.content, list):
            opened.node.content.append(node)
        elif not opened.awaits_value:
            opened.awaits_value = True
            self._key(opened, node, line, column)
        else:
            opened.awaits_value = False
            if opened.key is not None and isinstance(opened.node.content, dict):
                at_line, at_column, key = opened.key
                opened.node.content[key] = Entry(at_line, at_column, node)
            opened.key = None

    def _key(self, opened: _Open, node: Node, line: int, column: int) -> None:
        """Take a node as the key of the next value; a wrong key loses its value."""
        content = opened.node.content
        if not isinstance(node.content, str):
            self._report(line, column, "a key that is not text", "write the key as text, in quotes")
        elif node.content == "<<":
            cure = "write the keys out, or use the suite's own defaults (with, input, measure)"
            self._report(line, column, "merge keys are not allowed", cure)
        elif isinstance(content, dict) and node.content in content:
            first = content[node.content].line
            opened.key = (line, column, node.content)
            what = f"duplicate key, first written in line {first}"
            self._report(line, column, what, "keep one of the two")
            opened.key = None
        else:
            opened.key = (line, column, node.content)

    def _report(self, line: int, column: int, what: str, cure: str) -> None:
        steps = [str(opened.step) for opened in self.stack if opened.step is not None]
        where = ".".join(steps) or "file"
        self.document.problems.append(Problem(self.document.shown, line, column, where, what, cure))


def _too_deep(line: int, column: int) -> UnreadableError:
    what = f"nested more than {DEEPEST} levels deep"
    return UnreadableError(line, column, what, "a suite needs four levels; write it flat")


SHOWN = "suite"
"""What messages call it in place of a file's name."""

Given = Mapping[str, Any]


def read_mapping(given: Given) -> Document:
    """The document of a mapping; what is wrong with it stands in its `problems`.

    Sequences of any kind become lists, paths text, NumPy's scalars and arrays plain values, and an
    importable class or function its name, `package.file:Class`. Paths in the suite are taken from
    the current directory.
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
    """Turns values into nodes without places; mistakes go to the document."""

    document: Document  # gets the mistakes
    left: int = MOST_NODES  # nodes that may still be made; lists that hold each other have no end

    def node(self, value: Any, place: tuple[str, ...]) -> Node:
        """A value with everything below it."""
        self.left -= 1
        if len(place) > DEEPEST or self.left < 0:
            what = f"nested more than {DEEPEST} levels deep, or more than {MOST_NODES} values"
            raise UnreadableError(0, 0, what, "a suite needs four levels; write it flat")
        if hasattr(value, "tolist") and not isinstance(value, type):  # of NumPy and PyTorch
            value = value.tolist()
        if isinstance(value, Mapping):
            entries = {}
            for key, below in value.items():
                if isinstance(key, str):
                    entries[key] = Entry(0, 0, self.node(below, (*place, key)))
                else:
                    what = f"the key {quote(key)} is not text"
                    self._report(place, what, "write the key as text")
            return Node(0, 0, entries)
        if isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes)):
            items = [self.node(each, (*place, str(index))) for index, each in enumerate(value)]
            return Node(0, 0, items)
        return Node(0, 0, self._scalar(value, place))

    def _scalar(self, value: Any, place: tuple[str, ...]) -> Scalar:
        if callable(value):
            name = name_of(value)
            if not is_of_session(name) or "module" in place[-2:]:  # itself, or of a grid's axis
                return name
            what = f"{shown_name(name)} stands in this session alone"
            self._report(place, what, "move it to the top level of a file and give its name")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            what = "a suite has no use for a number that is not finite"
            self._report(place, what, "write a finite number")
            return None
        if isinstance(value, Path):
            return str(value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        what = f"{quote(value)} is of type {type(value).__name__}"
        self._report(place, what, "write text, a number, true or false, a list or a mapping")
        return None

    def _report(self, place: tuple[str, ...], what: str, cure: str) -> None:
        where = ".".join(place) or "file"
        self.document.problems.append(Problem(SHOWN, 0, 0, where, what, cure))


LARGEST_FILE = 1 << 20
"""Bytes of one suite file."""


def read_file(path: Path) -> Document:
    """Read and parse a file; what is wrong with it stands in `problems` of the result."""
    document = Document(Path(os.path.realpath(path)), shown(path))
    try:
        document.root = Composer(document).compose(_text(path))
    except UnreadableError as stop:
        problem = Problem(document.shown, *stop.place, "file", stop.what, stop.cure)
        document.problems.append(problem)
    return document


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise UnreadableError(1, 1, f"this is {kind}", "give the path of a suite's YAML file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        near = "check the path, it is taken from the including file or the current directory"
        raise UnreadableError(1, 1, "no such file", near) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(
            1, 1, f"cannot be read ({reason})", "check the path and its permissions"
        ) from None
    if len(data) > LARGEST_FILE:
        raise UnreadableError(1, 1, f"larger than {LARGEST_FILE} bytes", "split it and use include")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[line_start : error.start].decode("utf-8", "replace")) + 1
        raise UnreadableError(line, column, "not UTF-8", "save the file as UTF-8") from None
