"""Mistakes that the models find, in the words of the file: what is wrong and what to do."""

import json
import re
import typing
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.messages import quote, suggest
from harness.suite.document import Document, Location

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


def validate(adapter: "TypeAdapter[Any]", value: Any) -> Any:
    """A plain value through a model as strict JSON: lists may be tuples, nothing else is converted.

    Raises:
        ValidationError: as pydantic does.
    """
    return adapter.validate_json(json.dumps(value), strict=True)


def report(
    document: Document, error: ValidationError, model: type[BaseModel], prefix: Location = ()
) -> None:
    """Add every mistake of a validation to the document.

    Args:
        document: where the value stands.
        error: what the model found.
        model: the model, which knows the keys that exist.
        prefix: location of the value in the document.
    """
    for detail in details(error):
        location = (*prefix, *detail["loc"])
        kind = detail["type"]
        if kind == "extra_forbidden":
            keys = keys_at(model, detail["loc"][:-1])
            cure = suggest(str(location[-1]), keys, "keys")
            document.report(location, "unknown key", cure, key=True)
        elif kind == "missing":
            cure = f"add {location[-1]}: ..."
            document.report(location[:-1], "missing required key", cure, absent=str(location[-1]))
        else:
            document.report(location, *words(detail))


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
    if (expected := _KINDS.get(kind.removesuffix("_type"))) and kind.endswith("_type"):
        return f"expected {expected[0]}, not {value}", expected[1]
    if kind in _BOUNDS:
        name, words_ = _BOUNDS[kind]
        return f"expected {words_} {context[name]}, not {value}", "correct the number"
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", str(context["expected"]))
        few = len(names) <= FEW_VALUES
        cure = suggest("" if few else str(detail["input"]), names, "values")
        return f"unknown value {value}", cure
    if kind == "string_pattern_mismatch":
        return f"{value} is no name", f"use a text that matches {context['pattern']}"
    if kind.endswith(("too_short", "too_long")):
        return _length(kind, context)
    # ours are written as `what; cure`, those of pydantic as a sentence
    message = str(context["error"]) if kind == "value_error" else str(detail["msg"])
    what, _, cure = message.partition("; ")
    return what[:1].lower() + what[1:], cure or "correct the value"


def _length(kind: str, context: dict[str, Any]) -> tuple[str, str]:
    noun = "characters" if kind.startswith("string") else "entries"
    if kind.endswith("too_short"):
        least = context.get("min_length", 1)
        what = "empty" if least == 1 else f"fewer than {least} {noun}"
        return what, "fill it in or remove the key" if least == 1 else "add what is missing"
    most = context.get("max_length")
    return f"more than {most} {noun}", "shorten it"


def written(value: Any) -> str:
    """A value as the file writes it: null, true, quoted text."""
    return quote(json.dumps(value, ensure_ascii=False, default=str))


def keys_at(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """The keys that a model knows at a location; none where any key may stand."""
    hint: Any = model
    for part in location:
        hint = _below(hint, part)
    models = [inner for inner in _unwrap(hint) if _is_model(inner)]
    return tuple(field.alias or name for m in models for name, field in m.model_fields.items())


def _below(hint: Any, part: str | int) -> Any:
    for inner in _unwrap(hint):
        if _is_model(inner):
            for name, field in inner.model_fields.items():
                if part == (field.alias or name):
                    return field.annotation
        elif typing.get_origin(inner) in (list, tuple) and isinstance(part, int):
            return typing.get_args(inner)[0]
        elif typing.get_origin(inner) is dict and isinstance(part, str):
            return typing.get_args(inner)[1]
    return None


def _unwrap(hint: Any) -> list[Any]:
    """The alternatives of a union, annotations removed."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _unwrap(inner[0])
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return [alternative for one in inner for alternative in _unwrap(one)]
    return [hint]


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
