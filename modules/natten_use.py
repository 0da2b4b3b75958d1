"""Neighbourhood attention by the kernels of NATTEN, where that package is; imported when called."""

from importlib.util import find_spec

from torch import Tensor


def attend_by_natten(
    query: Tensor, key: Tensor, value: Tensor, window: tuple[int, int], dilation: int
) -> Tensor:
    """Attend to the nearest positions (Hassani et al., "Faster Neighborhood Attention", 2024).

    NATTEN takes its own kernel for the GPU, where it was built with one, else PyTorch's
    FlexAttention, which on the CPU holds a relation of all pairs and has no gradients.

    Args:
        query: (B, H, W, heads, D), contiguous, as the others.
        key: (B, H, W, heads, D).
        value: (B, H, W, heads, D).
        window: keys of a query along both axes, as far as the axes reach.
        dilation: steps between them, in positions.

    Returns:
        (B, H, W, heads, D).

    Raises:
        NotImplementedError: NATTEN is not installed, or has no kernel for these tensors.
    """
    if find_spec("natten") is None:
        raise NotImplementedError(
            "kernel: natten needs the optional extra `natten`: pip install --no-build-isolation "
            "'context-harness[natten]'; kernel: fused computes the same anywhere"
        )
    from natten import na2d

    out: Tensor = na2d(query, key, value, window, dilation=dilation)
    return out
