"""Tensors that PyTorch writes into, though a dispatch mode sees it make new ones.

Where C++ is the last to hold a tensor, PyTorch adds the bias of a linear layer, meeting gradients
and scattered gradients in place; while a dispatch mode is on, it takes the tensors for those of a
subclass and makes new ones. In Python somebody holds the tensor: a name, or the stack.
"""

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from harness.measure.operators import is_ours, stem

_IN_PLACE = ("add", "scatter", "scatter_add", "index_put")
_SHAPE = (2, 3, 4)


def reused_bytes(func: Any, args: Sequence[Any], alone: int) -> int:
    """Bytes of the first argument of a call if PyTorch alone writes the result into it, else 0.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments, in the tuple that the mode was given.
        alone: what `references_of_cpp` says.
    """
    if stem(func) not in _IN_PLACE or not is_ours(func) or func._schema.is_mutable:
        return 0
    x = args[0]
    if x.layout is not torch.strided or not x.is_floating_point():
        return 0
    storage = x.untyped_storage()
    whole = storage.nbytes() == x.numel() * x.itemsize
    single = torch._C._storage_Use_Count(storage._cdata) <= 2  # its tensor's, and the one above
    del x
    return int(storage.nbytes()) if whole and single and _holders(args) <= alone else 0


def _holders(args: Sequence[Any]) -> int:
    return sys.getrefcount(args[0])


class _Probe(TorchDispatchMode):
    holders = 0

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if stem(func) == "add":
            self.holders = _holders(args)
        return func(*args, **(kwargs or {}))


@cache
def references_of_cpp() -> int:
    """References to a tensor that only C++ holds, as this Python and this PyTorch count them.

    To be asked outside of a dispatch: within one a linear layer is a single operator.
    """
    probe = _Probe()  # type: ignore[no-untyped-call]
    x = torch.empty(_SHAPE).transpose(0, 1)  # of which a linear layer adds its bias apart
    weight, bias = torch.empty(_SHAPE[-1], _SHAPE[-1]), torch.empty(_SHAPE[-1])
    with probe, torch.no_grad():
        F.linear(x, weight, bias)
    return probe.holders
