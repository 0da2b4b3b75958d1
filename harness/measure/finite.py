"""A module without a finite output was not measured: its time and memory mean nothing."""

import torch

from harness.measure.leaves import tensors_of


class NonFiniteOutputError(Exception):
    """The module returned NaN or infinity."""


class NoOutputError(Exception):
    """The module returned no tensor at all."""


def require_finite(out: object) -> None:
    """Check every floating-point or complex tensor of an output.

    Raises:
        NoOutputError: there is none, nor one of integers.
        NonFiniteOutputError: how many elements are NaN or infinite.
    """
    tensors = tensors_of(out)
    if not tensors:
        raise NoOutputError(f"the module returned no tensor: {type(out).__name__}")
    for tensor in tensors:
        if tensor.is_floating_point() or tensor.is_complex():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise NonFiniteOutputError(
                    f"{bad} of {tensor.numel()} output elements are NaN or infinite"
                )
