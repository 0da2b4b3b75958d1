"""Arguments of `forward` as a suite writes them: a shape, several, or a structure that holds some.

A structure is plain data. Of what it says, these stand for something else:

| written | given to `forward` |
|---|---|
| `[1, 64, 32, 32]` | a floating tensor of that shape, in the case's data type |
| `{shape: [1, 77], dtype: int64, high: 49408}` | such a tensor, from low (0) to below high |
| `{value: [32, 32]}` | the value as it stands |
| `{tuple: [...]}` | a tuple of what is in the list |
| any other list or mapping | a list or dictionary of what is in it |
| a number, text, `true`, `null` | itself |
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.case import Case, Shape
from harness.messages import quote

FLOATING = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
DTYPES = (*FLOATING, *COMPLEX, *INTEGERS, "bool")
"""Data types of a tensor of a structure."""

MOST_AXES = 8
"""Of a tensor in a structure."""

_OF_LEAF = {"shape", "dtype", "low", "high"}


@dataclass(frozen=True)
class Leaf:
    """A tensor of a structure."""

    shape: Shape
    dtype: str | None = None  # of `DTYPES`; `None`: the case's floating type
    low: float | None = None  # smallest value; normally distributed if neither is said
    high: float | None = None  # above the largest value


class StructureError(ValueError):
    """What a structure says means nothing; the message has the place and the cure."""


def as_call(written: Any) -> tuple[tuple[Shape, ...], Mapping[str, Any] | None]:
    """Shapes of the tensors of what stands under `input`, in order, and how they are given.

    Returns:
        The shapes, and `{args: [...], kwargs: {...}}`; `None` where shapes say it all.

    Raises:
        StructureError: a part of it means nothing, or there is no tensor in it.
    """
    if is_shape(written):
        return (tuple(written),), None
    if isinstance(written, (list, tuple)) and all(map(is_shape, written)):
        return tuple(map(tuple, written)), None
    if isinstance(written, Mapping) and written and {*written} <= {"args", "kwargs"}:
        args, kwargs = written.get("args", []), written.get("kwargs", {})
        if not isinstance(args, (list, tuple)):
            raise StructureError("args is no list; write one entry per positional argument")
        if not isinstance(kwargs, Mapping):
            raise StructureError("kwargs is no mapping; write name: value")
        call = {"args": list(args), "kwargs": dict(kwargs)}
    else:
        call = {"args": list(written) if isinstance(written, (list, tuple)) else [written]}
    leaves = _of_call(call)
    if not leaves:
        raise StructureError("no tensor in it; write a shape, batch first")
    return tuple(leaf.shape for leaf in leaves), {name: part for name, part in call.items() if part}


def of_case(case: Case) -> list[Leaf]:
    """The tensors that a case gives to `forward`, in order."""
    if case.call is None:
        return [Leaf(shape) for shape in case.inputs]
    return [
        replace(leaf, shape=shape)
        for leaf, shape in zip(_of_call(case.call), case.inputs, strict=True)
    ]


def arranged(
    call: Mapping[str, Any] | None, tensors: Sequence[Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Positional and named arguments of a call, made anew, with tensors in place of the leaves."""
    if call is None:
        return tensors, {}
    given = iter(tensors)
    args = [_walk(each, lambda _: next(given), "") for each in call.get("args", ())]
    kwargs = call.get("kwargs", {}).items()
    return args, {name: _walk(each, lambda _: next(given), "") for name, each in kwargs}


def is_shape(node: Any) -> bool:
    """Whether a part of a structure is the shape of a tensor."""
    return isinstance(node, (list, tuple)) and bool(node) and all(type(n) is int for n in node)


def _of_call(call: Mapping[str, Any]) -> list[Leaf]:
    found: list[Leaf] = []
    for n, each in enumerate(call.get("args", ())):
        _walk(each, found.append, f"args[{n}]")
    for name, each in call.get("kwargs", {}).items():
        _walk(each, found.append, f"kwargs.{name}")
    return found


def _walk(node: Any, make: Callable[[Leaf], Any], place: str) -> Any:
    """A structure with what `make` gives in place of each leaf, in order."""
    if is_shape(node):
        return make(_leaf({"shape": node}, place))
    if isinstance(node, (list, tuple)):
        return [_walk(each, make, f"{place}[{n}]") for n, each in enumerate(node)]
    return _walk_mapping(node, make, place) if isinstance(node, Mapping) else node


def _walk_mapping(node: Mapping[str, Any], make: Callable[[Leaf], Any], place: str) -> Any:
    if "shape" in node:
        return make(_leaf(node, place))
    if {*node} == {"value"}:
        return _own(node["value"])
    if {*node} == {"tuple"}:
        if not isinstance(node["tuple"], (list, tuple)):
            raise StructureError(f"{place}: tuple holds no list; write {{tuple: [...]}}")
        return tuple(_walk(each, make, f"{place}[{n}]") for n, each in enumerate(node["tuple"]))
    return {name: _walk(each, make, f"{place}.{name}") for name, each in node.items()}


def _own(value: Any) -> Any:
    """A copy: what one pass does to it is no matter of the next."""
    if isinstance(value, Mapping):
        return {name: _own(each) for name, each in value.items()}
    return [_own(each) for each in value] if isinstance(value, (list, tuple)) else value


def _leaf(said: Mapping[str, Any], place: str) -> Leaf:
    def wrong(what: str, cure: str) -> StructureError:
        return StructureError(f"{place}: {what}; {cure}")

    for name in said:
        if name not in _OF_LEAF:
            raise wrong(f"a tensor has no {quote(name)}", f"write {', '.join(sorted(_OF_LEAF))}")
    shape, dtype = said["shape"], said.get("dtype")
    if not is_shape(shape) or min(shape) < 1 or len(shape) > MOST_AXES:
        cure = f"write up to {MOST_AXES} whole numbers from 1"
        raise wrong(f"{quote(shape)} is no shape", cure)
    if dtype is not None and dtype not in DTYPES:
        raise wrong(f"unknown dtype {quote(dtype)}", f"write one of {', '.join(DTYPES)}")
    low, high = said.get("low"), said.get("high")
    for name, bound in (("low", low), ("high", high)):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
            raise wrong(f"{name} is {quote(bound)}", "write a number")
    if (low is not None or high is not None) and dtype in ("bool", *COMPLEX):
        raise wrong(f"{dtype} takes no low and high", "remove them")
    if dtype in INTEGERS:
        if high is None:
            raise wrong(f"{dtype} without high", "add high: the number above the largest value")
        if any(isinstance(bound, float) for bound in (low, high)):
            raise wrong(f"low or high of {dtype} is no whole number", "write whole numbers")
    if low is not None and high is None:
        raise wrong("low without high", "add high: the number above the largest value")
    if high is not None and high <= (low or 0):
        raise wrong(f"high {high} is not above low {low or 0}", "raise high")
    return Leaf(tuple(shape), dtype, low, high)
