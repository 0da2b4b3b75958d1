"""YAML events to a tree of places and values, without recursion, within limits."""

from dataclasses import dataclass, field
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

from harness.suite import scalars
from harness.suite.document import Document, Entry, Node
from harness.suite.problem import Problem
from harness.wording import quote

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
    """Builds a document's tree; mistakes after which reading can go on go to the document.

    Attributes:
        document: gets the mistakes.
        root: the tree, once its last event is taken.
        stack: collections that are open, outermost first.
        anchors: finished nodes by anchor.
        documents: YAML documents begun.
        total: nodes so far, aliases written out.
    """

    document: Document
    root: Node | None = None
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    documents: int = 0
    total: int = 0

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
            raise _control_character(text, error.position) from None
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
            self._close()
        elif isinstance(event, AliasEvent):
            node = self._aliased(event, line, column)
            self._count(node.size, line, column)
            self._place(node, line, column)
        elif isinstance(event, NodeEvent):
            self._node(event, line, column)

    def _count(self, nodes: int, line: int, column: int) -> None:
        self.total += nodes
        if self.total > MOST_NODES:
            what = f"more than {MOST_NODES} values, aliases written out"
            raise UnreadableError(line, column, what, "use a grid or split the file")

    def _aliased(self, event: AliasEvent, line: int, column: int) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            what = f"alias *{quote(event.anchor)} has no anchor before it"
            raise UnreadableError(line, column, what, "write the value out")
        return node

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

    def _scalar(self, event: Any, line: int, column: int) -> scalars.Scalar:
        text: str = event.value
        if not event.implicit[0]:
            if any("\ud800" <= c <= "\udfff" for c in text):
                what, cure = "half of a surrogate pair", "write the character itself"
                self._report(line, column, what, cure)
                return ""
            return text
        try:
            return scalars.resolve(text)
        except ValueError as error:
            self._report(line, column, str(error), "write a finite number of usual length")
            return None

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self.anchors[name] = node

    def _close(self) -> None:
        opened = self.stack.pop()
        node = opened.node
        node.size += sum(child.size for child in node.children())
        node.height += max((child.height for child in node.children()), default=0)
        self._anchor(opened.anchor, node)
        self._place(node, node.line, node.column)

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


def _control_character(text: str, position: int) -> UnreadableError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    cure = "remove it or write it as an escape in double quotes"
    return UnreadableError(line, column, "a control character", cure)
