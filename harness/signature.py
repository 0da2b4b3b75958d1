"""What a constructor takes by keyword, and a value of YAML as the type that it asks for."""

import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from harness.messages import HarnessError

if TYPE_CHECKING:
    from torch import nn


class ArgumentTypeError(HarnessError):
    """A value does not fit the type hint of its parameter."""


@dataclass(frozen=True)
class Parameter:
    """One keyword parameter of a constructor; `hint` is `Any` where it has none."""

    name: str
    hint: Any
    required: bool
    open: bool = True  # whether it has no default, or one that says that nothing is given (`None`)

    def takes(self, value: Any) -> bool:
        """Whether `build` may fill it in: nothing else is said, and its hint fits."""
        try:
            convert(value, self.hint)
        except ArgumentTypeError:
            return False
        return self.open


@dataclass(frozen=True)
class Signature:
    """What a constructor takes by keyword."""

    parameters: Mapping[str, Parameter]  # by name, in the order of the constructor
    takes_any: bool  # the constructor has `**kwargs`, so that every name is accepted

    def accepts(self, name: str) -> bool:
        """Whether the constructor takes an argument of that name."""
        return name in self.parameters or self.takes_any

    def missing(self, given: typing.Collection[str]) -> tuple[str, ...]:
        """Required parameters that neither `given` names nor `build` fills in."""
        required = [each for each in self.parameters.values() if each.required]
        left = [each for each in required if each.name not in given]
        return tuple(
            each.name
            for each in left
            if each.name not in FILLED or not each.takes(FILLED[each.name])
        )


FILLED: Mapping[str, Any] = {"in_channels": 1, "in_features": 1, "input_size": [1, 1]}
"""Parameters that `build` takes from the first input, with a value of each: channels, features (the
last size) and (H, W)."""


def parameters_of(maker: "Callable[..., nn.Module]") -> Signature:
    """What a constructor, or a function that makes modules, takes by keyword; hints resolved."""
    from torch import nn

    is_class = isinstance(maker, type)
    constructor: Any = maker.__init__ if is_class else maker
    if constructor is nn.Module.__init__:  # (*args, **kwargs), of which it accepts none
        return Signature({}, takes_any=False)
    try:
        declared = list(inspect.signature(constructor).parameters.values())[int(is_class) :]
    except (TypeError, ValueError):
        return Signature({}, takes_any=True)
    try:
        hints = typing.get_type_hints(constructor, include_extras=True)
    except Exception:  # names imported under TYPE_CHECKING, misspelt hints: no check, then
        hints = {}
    keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return Signature(
        {
            p.name: Parameter(
                p.name,
                hints.get(p.name, Any),
                p.default is p.empty,
                p.default is p.empty or p.default is None,
            )
            for p in declared
            if p.kind in keyword
        },
        takes_any=any(p.kind is p.VAR_KEYWORD for p in declared),
    )


def convert(value: Any, hint: Any) -> Any:
    """A JSON value as the type of a hint: lists to tuples, whole numbers to floats.

    Values of hints that JSON cannot express (a `torch.dtype`, say) pass unchanged.

    Raises:
        ArgumentTypeError: the value does not fit; the message names the expected type.
    """
    if hint is Any:
        return value
    try:
        adapter = _adapter(hint)
    except Exception:  # pydantic raises errors of many kinds for types it has no schema for
        return value
    try:
        converted = adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ArgumentTypeError(f"expected {type_name(hint)}") from error
    except PydanticUserError:  # a hint that names what cannot be found
        return value
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError("expected a value that YAML can hold") from error
    if not _same_truths(value, converted):
        raise ArgumentTypeError(f"expected {type_name(hint)}")
    return converted


def _adapter(hint: Any) -> "TypeAdapter[Any]":
    try:
        return _kept_adapter(hint)
    except TypeError:  # what a hint is annotated with may have no hash
        return TypeAdapter(hint)


@lru_cache(maxsize=256)  # a grid asks ten thousand times for the same few
def _kept_adapter(hint: Any) -> "TypeAdapter[Any]":
    return TypeAdapter(hint)


def _same_truths(value: Any, converted: Any) -> bool:
    """Whether no truth value has become a number: pydantic finds `True` in `Literal[1]`."""
    if isinstance(value, bool) or isinstance(converted, bool):
        return value is converted
    if isinstance(value, list) and isinstance(converted, Sequence):
        return all(map(_same_truths, value, converted))
    if isinstance(value, dict) and isinstance(converted, Mapping):
        return all(map(_same_truths, value.values(), converted.values()))
    return True


def type_name(hint: Any) -> str:
    """A type hint in words for a message: `int`, `int or list of int`, `one of 'a', 'b'`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return type_name(inner[0])
    if origin is typing.Literal:
        return ("one of " if len(inner) > 1 else "") + ", ".join(map(repr, inner))
    if hint is None or hint is type(None):
        return "null"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(type_name, inner)))
    return _container_name(hint, origin, inner)


def _container_name(hint: Any, origin: Any, inner: tuple[Any, ...]) -> str:
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        length = f"{len(inner)} " if origin is tuple and Ellipsis not in inner else ""
        return f"list of {length}{type_name(inner[0])}" if inner else "a list"
    return hint.__name__ if isinstance(hint, type) else str(hint)
