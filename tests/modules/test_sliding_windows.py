"""Windows as views of strips, against attention under the dense adjacency."""

import pytest
import torch

from context_modules import sliding_windows
from context_modules.head_graph import Local
from context_modules.sliding_windows import window_attend

NEAR = {"rtol": 0, "atol": 1e-12}


def leaf(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("block", [30, 10**6])
@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize(
    ("size", "radius"),
    [((1, 1), 0), ((5, 7), 0), ((9, 13), 1), ((13, 9), 2), ((7, 30), 3), ((17, 21), 2)],
)
def test_the_function_and_its_gradients(monkeypatch, size, radius, tile, block, scale):
    """Single tiles, tiles that do not divide a side, windows over the border; batch 2."""
    monkeypatch.setattr(sliding_windows, "TILE", tile)
    monkeypatch.setattr(sliding_windows, "BLOCK", block)
    pixels = size[0] * size[1]
    query, key, value = leaves = [leaf(2, pixels, c, seed=c + i) for i, c in enumerate((3, 3, 4))]
    logits = query @ key.transpose(1, 2) * (1.0 if scale else 3**-0.5)
    away = ~Local(radius).adjacency(*size)
    expected = logits.masked_fill(away, float("-inf")).softmax(dim=-1) @ value
    actual = window_attend(*leaves, size, radius=radius, scale=scale)
    torch.testing.assert_close(actual, expected, **NEAR)
    incoming = leaf(*expected.shape, seed=9).detach()
    gradients = [torch.autograd.grad(out, leaves, incoming) for out in (expected, actual)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, one, **NEAR)
    with torch.no_grad():
        torch.testing.assert_close(
            window_attend(*leaves, size, radius=radius, scale=scale), expected, **NEAR
        )
