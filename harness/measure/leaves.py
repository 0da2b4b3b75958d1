"""The tensors inside of what operators take and return."""

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves


def tensors_of(value: Any) -> list[Tensor]:
    """Tensors of a nested value, in order.

    A dispatch mode asks this several times per operator call, and nearly always of a tensor or a
    flat sequence, for which PyTorch's general flattening takes ten times as long.
    """
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        found: list[Tensor] = []
        for item in value:
            if isinstance(item, Tensor):
                found.append(item)
            elif isinstance(item, (list, tuple, dict)):
                found += tensors_of(item)
        return found
    if value is None or isinstance(value, (bool, int, float, str)):
        return []
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
