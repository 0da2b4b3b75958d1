"""A module whose output is not finite was not measured: its time and memory mean nothing."""

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves


class NonFiniteOutputError(Exception):
    """The module returned NaN or infinity."""


def require_finite(out: object) -> None:
    """Check every floating-point or complex tensor of an output.

    Raises:
        NonFiniteOutputError: how many elements are NaN or infinite.
    """
    for tensor in tree_leaves(out):
        if isinstance(tensor, Tensor) and (tensor.is_floating_point() or tensor.is_complex()):
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise NonFiniteOutputError(
                    f"{bad} of {tensor.numel()} output elements are NaN or infinite"
                )
