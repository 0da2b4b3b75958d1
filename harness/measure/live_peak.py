"""Live peak: the largest sum of storages alive at one moment of a pass."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode

from harness.measure.leaves import tensors_of


class LivePeak(TorchDispatchMode):
    """Follows storages from their creation to their release and keeps the largest sum.

    On fake tensors this predicts, without memory, what an allocator that never fragments would
    hold; operators' internal temporaries are not seen. Use it under `torch.no_grad()` or with
    gradients, not under `torch.inference_mode()`, where composite operators hide what they
    allocate.

    Args:
        ignored: tensors that do not count (the input, the parameters).

    Attributes:
        peak_bytes: the largest sum so far.
        live_bytes: the sum now.
    """

    def __init__(self, ignored: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live_bytes = 0
        self.peak_bytes = 0
        # A storage's Python object lives as long as the storage, so its address is a valid key
        # until the finalizer has run.
        self._sizes: dict[int, int] = {}
        self._ignored = tuple(t.untyped_storage() for t in ignored)
        self._ignored_addresses = {storage._cdata for storage in self._ignored}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, then follow the storages of what it returned."""
        out = func(*args, **(kwargs or {}))
        for tensor in tensors_of(out):
            for part in _dense_parts(tensor):
                self._follow(part.untyped_storage())
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        return out

    def _follow(self, storage: UntypedStorage) -> None:
        address = storage._cdata
        if address in self._ignored_addresses:
            return
        known = self._sizes.get(address)
        if known is None:
            weakref.finalize(storage, self._release, address).atexit = False
        self._sizes[address] = storage.nbytes()  # an in-place resize changes it
        self.live_bytes += self._sizes[address] - (known or 0)

    def _release(self, address: int) -> None:
        self.live_bytes -= self._sizes.pop(address)


def _dense_parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors that hold a tensor's storages: itself, or indices and values of a sparse one."""
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    return (tensor,) if tensor.layout is torch.strided else ()
