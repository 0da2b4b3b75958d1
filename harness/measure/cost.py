"""The cost of one operator call: operations, and bytes moved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from harness.measure.subject import tensors_of

# Traffic: the bytes that one operator call must read and write.

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
    name = func.overloadpacket.__name__
    targets = [] if out is not None else _changed(func, args)
    written = returned + sum(map(_bytes, _distinct(tensors_of(targets))))
    read = 0
    if name.rstrip("_") == "copy" and given:
        given = given[1:]  # the target is written, not read
    elif name in _SELECTING and given:
        read += min(_bytes(given[0]), returned)
        given = given[1:]
    # What `out=` names is written, not read.
    named = [value for key, value in kwargs.items() if key != "out"]
    return read + written + sum(map(_bytes, _distinct(tensors_of([given, named]))))


def _changed(func: Any, args: Sequence[Any]) -> list[Any]:
    """Arguments that an operator without a result changes in place."""
    declared = zip(func._schema.arguments, args, strict=False)
    return [given for each, given in declared if each.alias_info and each.alias_info.is_write]


def _distinct(leaves: Iterable[Any]) -> list[Tensor]:
    """Tensors, one that is named twice only once."""
    return list({id(leaf): leaf for leaf in leaves if isinstance(leaf, Tensor)}.values())


def _bytes(value: Any) -> int:
    if not isinstance(value, Tensor):
        return 0
    if value.layout is torch.sparse_coo:
        return _bytes(value._indices()) + _bytes(value._values())
    if value.layout is not torch.strided:
        return value.numel() * value.itemsize
    sides = zip(value.shape, value.stride(), strict=True)
    # A stride of 0 repeats what is stored once; overlapping windows repeat within the storage.
    stored = prod(side if stride else min(side, 1) for side, stride in sides) * value.itemsize
    return min(stored, value.untyped_storage().nbytes())


@dataclass(frozen=True)
class Cost:
    """Cost of one operator call."""

    conv_macs: int = 0  # multiply-accumulates of a convolution
    transposed_conv_macs: int = 0  # the same if the convolution is transposed, else 0
    matmul_macs: int = 0  # multiply-accumulates of a matrix product
    elementwise: tuple[tuple[str, int], ...] = ()  # elements processed, by kind
    known: bool = True  # whether a rule said so; `False` for an operator that no rule covers


FREE = Cost()
UNKNOWN = Cost(known=False)
