import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from context_modules import criss_cross as criss_cross_file
from context_modules.criss_cross import RCCA, CrissCrossAttention, criss_cross, criss_cross_weights

SIDES = st.integers(1, 7)


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def on_cross(height, width):
    """(N, N): positions that share a row or a column, each counted once."""
    row = torch.arange(height).repeat_interleave(width)
    column = torch.arange(width).repeat(height)
    return (row[:, None] == row) | (column[:, None] == column)


@given(SIDES, SIDES, st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_equals_masked_dense_attention(height, width, batch):
    query, key = (random_map(batch, 3, height, width, seed=seed) for seed in (1, 2))
    value = random_map(batch, 5, height, width, seed=3)
    logits = query.flatten(2).transpose(1, 2) @ key.flatten(2)
    logits = logits.masked_fill(~on_cross(height, width), float("-inf"))
    expected = value.flatten(2) @ logits.softmax(-1).transpose(1, 2)
    actual = criss_cross(query, key, value)
    torch.testing.assert_close(actual.flatten(2), expected)


@pytest.mark.parametrize("block", [10, 100, 10**6])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 1), (5, 7)])
def test_the_fused_kernel_gives_the_function_and_its_gradients(monkeypatch, size, block):
    monkeypatch.setattr(criss_cross_file, "BLOCK", block)
    maps = [random_map(2, c, *size, seed=c).requires_grad_() for c in (2, 3, 4)]
    maps[0] = random_map(2, 3, *size).requires_grad_()
    expected, actual = (criss_cross(*maps, kernel=kernel) for kernel in ("explicit", "fused"))
    near = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(actual, expected, **near)
    incoming = random_map(*expected.shape, seed=5)
    gradients = [torch.autograd.grad(out, maps, incoming) for out in (expected, actual)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, one, **near)
    with torch.no_grad():
        torch.testing.assert_close(criss_cross(*maps, kernel="fused"), expected, **near)


@given(SIDES, SIDES)
@settings(deadline=None, max_examples=20)
def test_weights_hold_each_position_once(height, width):
    weights = criss_cross_weights(random_map(2, 3, height, width), random_map(2, 3, height, width))
    assert weights.shape == (2, height, width, height + width)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, height, width).double())
    own = weights[..., :height].diagonal(dim1=1, dim2=3)  # the position in its own column
    assert (own == 0).all()
    assert (weights > 0).sum() == 2 * height * width * (height + width - 1)


def influences(module, height, width, row, column):
    x = random_map(1, 4, height, width).requires_grad_()
    module(x)[0, :, row, column].sum().backward()
    return set(map(tuple, x.grad[0].abs().amax(0).nonzero().tolist()))


@pytest.mark.parametrize("recurrence", [1, 2])
def test_two_rounds_reach_every_position(recurrence):
    torch.manual_seed(0)
    module = CrissCrossAttention(4, key_channels=2, recurrence=recurrence).double()
    module.gamma.data.fill_(0.5)
    cross = {(i, j) for i in range(5) for j in range(6) if i == 2 or j == 3}
    everywhere = {(i, j) for i in range(5) for j in range(6)}
    assert influences(module, 5, 6, 2, 3) == (cross if recurrence == 1 else everywhere)


@torch.no_grad()
def test_rounds_share_their_weights():
    torch.manual_seed(0)
    once, twice = (CrissCrossAttention(8, recurrence=r).double() for r in (1, 2))
    once.gamma.fill_(0.5)
    twice.load_state_dict(once.state_dict())
    x = random_map(2, 8, 4, 5)
    torch.testing.assert_close(twice(x), once(once(x)))
    torch.testing.assert_close(CrissCrossAttention(8).double()(x), x)  # gamma is 0 at first


@torch.no_grad()
def test_head_equals_its_figure():
    torch.manual_seed(0)
    module = RCCA(6, out_channels=8).double().eval()
    x = random_map(2, 6, 5, 4)
    context = module.context[2](module.context[1](module.context[0](x)))
    torch.testing.assert_close(module(x), module.fuse(torch.cat([x, context], 1)))
    assert module.context[1].recurrence == 2
