"""The operators of one pass in order, each with what was alive when it began."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from harness.measure.live_peak import LivePeak


@dataclass(frozen=True)
class TensorLayout:
    """Everything about a tensor but its values and its device."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> "TensorLayout":
        """The layout of a dense tensor."""
        return cls(tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)

    def tensor(self, device: torch.device) -> Tensor:
        """A tensor of this layout; floating values are whatever the memory holds."""
        made = torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=device)
        # Whole numbers are indices as often as not: zero is one that every tensor has.
        return made if self.dtype.is_floating_point else made.zero_()


@dataclass(frozen=True)
class Call:
    """An operator with the layouts of its arguments: what decides how much memory it takes.

    Attributes:
        operator: overload, such as `aten.convolution.default`.
        leaves: its arguments, flat, tensors as layouts.
        structure: how the flat arguments nest.
    """

    operator: Any
    leaves: tuple[Any, ...]
    structure: TreeSpec

    def __hash__(self) -> int:
        return hash((self.operator, str(self.leaves)))

    @classmethod
    def of(cls, operator: Any, args: Any, kwargs: dict[str, Any]) -> "Call | None":
        """The call; `None` if an argument is no dense tensor."""
        leaves, structure = tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if any(tensor.layout is not torch.strided for tensor in tensors):
            return None
        plain = (TensorLayout.of(x) if isinstance(x, Tensor) else x for x in leaves)
        return cls(operator, tuple(plain), structure)

    def arguments(self, device: torch.device) -> tuple[Any, dict[str, Any]]:
        """Arguments of these layouts on a device."""
        leaves = [self._leaf(leaf, device) for leaf in self.leaves]
        args, kwargs = tree_unflatten(leaves, self.structure)
        return args, kwargs

    @staticmethod
    def _leaf(leaf: Any, device: torch.device) -> Any:
        if isinstance(leaf, TensorLayout):
            return leaf.tensor(device)
        return device if isinstance(leaf, torch.device) else leaf


@dataclass(frozen=True)
class Step:
    """One operator of a pass.

    Attributes:
        call: what ran; `None` where it cannot be run again on its own.
        name: of the operator.
        before: bytes alive when it began.
        after: bytes alive when it had ended, its outputs included.
    """

    call: Call | None
    name: str
    before: int
    after: int


class OperatorTrace(LivePeak):
    """A live peak that also notes every operator that may allocate.

    Args:
        ignored: tensors that do not count (the input, the parameters).

    Attributes:
        steps: the operators in order, views left out.
    """

    def __init__(self, ignored: Iterable[Tensor] = ()) -> None:
        super().__init__(ignored)
        self.steps: list[Step] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, then note it."""
        kwargs = kwargs or {}
        call = None if func.is_view else Call.of(func, args, kwargs)
        before = self.live_bytes
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if not func.is_view:
            self.steps.append(Step(call, str(func), before, self.live_bytes))
        return out
