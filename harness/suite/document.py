"""A YAML file as a tree in which every key and value knows its place, and what is wrong with it."""

import json
import math
import os
import re
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.messages import HarnessError, escaped, one_line, quote, suggest


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
        where, what, cure = map(one_line, (self.where, self.what, self.cure))
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
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("a suite has no use for a number that is not finite")
    bases = ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16))
    base = next((base for pattern, base in bases if pattern.fullmatch(text)), None)
    if base is None and not _FLOAT.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    if base is not None:
        return int(text if base == 10 else text[2:], base)
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
            location: keys and indices from the root to the value; those that the tree lacks are
                passed over, since they are branches of a type, not of the file.
            what: what is wrong.
            cure: what to do.
            key: the mistake is the key itself, not its value.
            absent: a key that is missing at `location`; shown as part of the path.
        """
        node = self.root
        place: Node | Entry | None = node
        found: list[str | int] = []
        for part in location:
            content = node.content if node is not None else None
            if isinstance(content, dict) and str(part) in content:
                entry = content[str(part)]
                node, place = entry.node, entry if key else entry.node
            elif isinstance(content, list) and isinstance(part, int) and 0 <= part < len(content):
                node = place = content[part]
            else:
                continue
            found.append(part)
        line, column = (place.line, place.column) if place is not None else (1, 1)
        where = ".".join(str(part) for part in (*found, *([absent] if absent else [])))
        self.problems.append(Problem(self.shown, line, column, where or "file", what, cure))

    def option_problem(self, name: str, what: str, cure: str) -> Problem:
        """A mistake of an option, which no line of the file is to blame for."""
        return Problem(Path(self.shown).name, 0, 0, f"option {name}", what, cure)

    def report_invalid(
        self, error: ValidationError, model: type[BaseModel], prefix: Location = ()
    ) -> None:
        """Add every mistake of a validation.

        Args:
            error: what the model found.
            model: the model, which knows the keys that exist.
            prefix: location of the value in the document.
        """
        for detail in details(error):
            location = (*prefix, *detail["loc"])
            kind, last = detail["type"], str(location[-1]) if location else ""
            if kind == "extra_forbidden":
                cure = suggest(last, _keys_at(model, detail["loc"][:-1]), "keys")
                self.report(location, "unknown key", cure, key=True)
            elif kind == "missing":
                what, cure = "missing required key", f"add {last}: ..."
                self.report(location[:-1], what, cure, absent=last)
            else:
                self.report(location, *words(detail))


def shown(path: Path) -> str:
    """A path for messages: relative to the current directory when below it, in one line."""
    # abspath, not resolve: a user knows the file under the name that was given.
    absolute, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100
    return escaped(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))


# Mistakes that the models find, in the words of the file: what is wrong and what to do.

_KINDS = {
    "int": ("a whole number", "write a plain number such as 3"),
    "float": ("a number", "write a plain number such as 0.5"),
    "string": ("text", "put it in quotes"),
    "bool": ("true or false", "write true or false without quotes"),
    "list": ("a list", "write [a, b] or one line per item that begins with a hyphen"),
    "tuple": ("a list", "write [a, b] or one line per item that begins with a hyphen"),
    "dict": ("a mapping", "write key: value"),
    "model": ("a mapping", "write key: value"),
}

FEW_VALUES = 3
"""Up to so many are listed; of more, the nearest is named (`gpu` is nearer to cpu than to cuda)."""

_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def validated(adapter: "TypeAdapter[Any]", value: Any) -> Any:
    """A plain value through a model as strict JSON: lists may be tuples, nothing else is converted.

    Raises:
        ValidationError: as pydantic does.
    """
    return adapter.validate_json(json.dumps(value), strict=True)


def details(error: ValidationError) -> list[ErrorDetails]:
    """The mistakes of a validation, each once.

    A list is also counted too short by pydantic when it is so only for an item that is wrong.
    """
    found = error.errors(include_url=False)
    places = [detail["loc"] for detail in found]
    return [
        detail
        for detail in found
        if detail["type"] != "too_short"
        or not any(
            len(place) > len(detail["loc"]) and place[: len(detail["loc"])] == detail["loc"]
            for place in places
        )
    ]


def words(detail: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value, and the cure."""
    kind, value = str(detail["type"]), written(detail["input"])
    context: dict[str, Any] = detail.get("ctx") or {}
    noun = "characters" if kind.startswith("string") else "entries"
    if (expected := _KINDS.get(kind.removesuffix("_type"))) and kind.endswith("_type"):
        what, cure = f"expected {expected[0]}, not {value}", expected[1]
    elif kind in _BOUNDS:
        name, bound = _BOUNDS[kind]
        what, cure = f"expected {bound} {context[name]}, not {value}", "correct the number"
    elif kind == "literal_error":
        names = re.findall(r"'([^']*)'", str(context["expected"]))
        given = "" if len(names) <= FEW_VALUES else str(detail["input"])
        what, cure = f"unknown value {value}", suggest(given, names, "values")
    elif kind == "string_pattern_mismatch":
        what, cure = f"{value} is no name", f"use a text that matches {context['pattern']}"
    elif kind.endswith("too_short") and (least := context.get("min_length", 1)) == 1:
        what, cure = "empty", "fill it in or remove the key"
    elif kind.endswith("too_short"):
        what, cure = f"fewer than {least} {noun}", "add what is missing"
    elif kind.endswith("too_long"):
        what, cure = f"more than {context.get('max_length')} {noun}", "shorten it"
    else:  # ours are written as `what; cure`, those of pydantic as a sentence
        message = str(context["error"]) if kind == "value_error" else str(detail["msg"])
        what, _, cure = message.partition("; ")
        what, cure = what[:1].lower() + what[1:], cure or "correct the value"
    return what, cure


def written(value: Any) -> str:
    """A value as the file writes it: null, true, quoted text."""
    return quote(json.dumps(value, ensure_ascii=False, default=str))


def _keys_at(hint: Any, location: Location) -> tuple[str, ...]:
    """The keys that a model knows at a location; none where any key may stand."""
    alternatives = _unwrap(hint)
    models = [
        each for each in alternatives if isinstance(each, type) and issubclass(each, BaseModel)
    ]
    known = {f.alias or name: f.annotation for m in models for name, f in m.model_fields.items()}
    if not location:
        return tuple(known)
    part, *rest = location
    if part in known:
        return _keys_at(known[str(part)], rest)
    for each in alternatives:
        origin, inner = typing.get_origin(each), typing.get_args(each)
        if origin in (list, tuple) and isinstance(part, int):
            return _keys_at(inner[0], rest)
        if origin is dict and isinstance(part, str):
            return _keys_at(inner[1], rest)
    return ()


def _unwrap(hint: Any) -> list[Any]:
    """The alternatives of a union, annotations removed."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _unwrap(inner[0])
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return [alternative for one in inner for alternative in _unwrap(one)]
    return [hint]
