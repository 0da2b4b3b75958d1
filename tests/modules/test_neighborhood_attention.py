"""Neighbourhood attention against its definition, position by position, and its costs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import costs, gradcheck, random_map, randomised

from context_modules.neighborhood_attention import NeighborhoodAttention


def nearest(i, side, window, dilation):
    """The `window` places nearest to i of those that a multiple of the dilation separates from it.

    Where two are equally far, those of the middle window go first; at a border the window moves.
    """
    family = [p for p in range(side) if (p - i) % dilation == 0]
    runs = [family[start : start + window] for start in range(len(family) - window + 1)]
    return min(runs, key=lambda run: max(abs(p - i) for p in run))


def plain(module, x):
    height, width = x.shape[2:]
    window, dilation, heads = module.window, module.dilation, module.heads
    query, key, value = (
        part.unflatten(-1, (heads, -1)) for part in module.qkv(x.movedim(1, -1)).chunk(3, -1)
    )
    out = torch.zeros_like(x)
    for i in range(height):
        for j in range(width):
            logits, values = [], []
            for a in nearest(i, height, window, dilation):
                for b in nearest(j, width, window, dilation):
                    product = (query[:, i, j] * key[:, a, b]).sum(-1) / query.shape[-1] ** 0.5
                    if module.relative_bias is not None:
                        dy, dx = (a - i) // dilation, (b - j) // dilation
                        product = (
                            product
                            + module.relative_bias.table[:, dy + window - 1, dx + window - 1]
                        )
                    logits.append(product)
                    values.append(value[:, a, b])
            weights = torch.stack(logits).softmax(0)[..., None]
            found = (weights * torch.stack(values)).sum(0).flatten(1)
            out[:, :, i, j] = module.project(found)
    return out


@pytest.mark.parametrize(
    ("size", "window", "dilation"), [((5, 7), 3, 1), ((3, 5), 3, 1), ((7, 9), 3, 2), ((6, 8), 1, 3)]
)
@torch.no_grad()
def test_equals_its_definition_position_by_position(size, window, dilation):
    module = randomised(NeighborhoodAttention(4, window=window, dilation=dilation, heads=2))
    x = random_map(2, 4, *size)
    expected = plain(module, x)
    torch.testing.assert_close(module(x), expected)
    module.rows = 1
    torch.testing.assert_close(module(x), expected)
    module.kernel = "fused"
    torch.testing.assert_close(module(x), expected)


@given(st.integers(1, 30), st.integers(0, 4), st.integers(1, 4))
@settings(deadline=None)
def test_every_place_has_as_many_keys_inside_the_axis(side, half, dilation):
    window = 2 * half + 1
    module = NeighborhoodAttention(1, window=window, dilation=dilation)
    if side < dilation:
        with pytest.raises(ValueError, match="dilation"):
            module.neighbors(side)
        return
    places, steps = module.neighbors(side)
    count = min(window, side // dilation)
    assert places.shape == steps.shape == (side, count)
    assert places.min() >= 0
    assert places.max() < side
    assert torch.equal(places - torch.arange(side)[:, None], steps * dilation)
    if count == window:
        assert places.tolist() == [nearest(i, side, window, dilation) for i in range(side)]
    # With fewer places than keys asked for, all of the axis, or of a dilated family, is seen.
    elif dilation == 1:
        assert places.tolist() == [list(range(side))] * side


def test_window_start_of_the_published_kernel():
    """NATTEN's rule for 9 places, 3 keys, dilation 2: clamped within each parity."""
    places, _ = NeighborhoodAttention(1, window=3, dilation=2).neighbors(9)
    assert places[:, 0].tolist() == [0, 1, 0, 1, 2, 3, 4, 3, 4]
    places, _ = NeighborhoodAttention(1, window=5).neighbors(9)
    assert places[:, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 4, 4]


@torch.no_grad()
def test_a_window_as_large_as_the_map_is_dense_attention():
    module = randomised(NeighborhoodAttention(4, window=7, heads=1, relative_bias=False))
    x = random_map(2, 4, 5, 6)
    query, key, value = module.qkv(x.flatten(2).transpose(1, 2)).chunk(3, dim=-1)
    context = (query @ key.transpose(1, 2) / 2).softmax(-1) @ value
    torch.testing.assert_close(module(x), module.project(context).transpose(1, 2).view_as(x))


def test_gradient():
    assert gradcheck(randomised(NeighborhoodAttention(4, window=3, heads=2)), (1, 4, 4, 3))


def test_costs_are_linear_in_the_positions():
    c, k, n = 64, 7, 20 * 30
    parameters, macs = costs(NeighborhoodAttention, (1, c, 20, 30))
    assert macs == 4 * n * c**2 + 2 * k**2 * n * c
    assert parameters == 4 * c**2 + 4 * c + 13**2 * (c // 32)
    assert costs(NeighborhoodAttention, (1, c, 20, 30), dilation=2)[1] == macs


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"window": 4}, "window"),
        ({"dilation": 0}, "dilation"),
        ({"heads": 3}, "heads"),
        ({"rows": 0}, "rows"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        NeighborhoodAttention(8, **arguments)
