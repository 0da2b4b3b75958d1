"""Traffic: the bytes that one operator call must read and write."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from harness.measure.operators import stem
from harness.measure.subject import tensors_of

# Read as many elements of their first argument as they return, however large it is.
_SELECTING = {
    "gather", "index", "_unsafe_index", "index_select", "embedding", "take", "masked_select",
}  # fmt: skip


def bytes_moved(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """Bytes of the tensors that a call reads plus those that it writes, each once per call.

    This is the compulsory traffic of operators that run one by one: what stays in a cache between
    two calls moves less, an operator that reads its input several times moves more. Broadcast
    tensors count the elements that they store.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        kwargs: its keyword arguments.
        out: what it returned.
    """
    returned = sum(map(_bytes, _distinct(tensors_of(out))))
    given = list(args)
    name = stem(func)
    changed = changed_by(func, args) if out is None else []
    written = returned + sum(map(_bytes, _distinct(changed)))
    read = 0
    if name == "copy" and given:
        given = given[1:]  # the target is written, not read
    elif name in _SELECTING and given:
        read += min(_bytes(given[0]), returned)
        given = given[1:]
    # What `out=` names is written, not read.
    named = [value for key, value in kwargs.items() if key != "out"]
    return read + written + sum(map(_bytes, _distinct(tensors_of([given, named]))))


def changed_by(func: Any, args: Sequence[Any]) -> list[Tensor]:
    """Tensors among the arguments of an operator that it changes in place."""
    schema = getattr(func, "_schema", None)
    declared = zip(schema.arguments if schema else (), args, strict=False)
    written = (given for each, given in declared if each.alias_info and each.alias_info.is_write)
    return tensors_of(list(written))


def _distinct(tensors: list[Tensor]) -> Iterable[Tensor]:
    return {id(tensor): tensor for tensor in tensors}.values()


def _bytes(value: Tensor) -> int:
    if value.layout is torch.sparse_coo:
        return _bytes(value._indices()) + _bytes(value._values())
    if value.layout is not torch.strided:
        return value.numel() * value.itemsize
    sides = zip(value.shape, value.stride(), strict=True)
    # A stride of 0 repeats what is stored once; overlapping windows repeat within the storage.
    stored = prod(side if stride else min(side, 1) for side, stride in sides) * value.itemsize
    return min(stored, value.untyped_storage().nbytes())
