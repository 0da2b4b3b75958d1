"""W-MSA and SW-MSA against Swin's Eq. 4, pixel by pixel, and their costs."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised

from context_modules.window_attention import SwinBlocks, WindowAttention


def place(pixel, size, window, shift):
    """Window and place inside it of a pixel of the padded map, after the roll."""
    rolled = [(p - shift) % s for p, s in zip(pixel, size, strict=True)]
    return tuple(r // window for r in rolled), tuple(r % window for r in rolled)


def plain(module, x, *, mask_padding=False):
    """Every pixel of the padded map attends to those of its window that may be seen from it."""
    batch, channels, height, width = x.shape
    window, shift, heads = module.window, module.shift, module.heads
    size = (height + -height % window, width + -width % window)
    padded = torch.zeros(batch, channels, *size, dtype=x.dtype)
    padded[:, :, :height, :width] = x
    query, key, value = (
        part.unflatten(-1, (heads, -1)) for part in module.qkv(padded.movedim(1, -1)).chunk(3, -1)
    )  # (B, H, W, heads, d)
    pixels = [(i, j) for i in range(size[0]) for j in range(size[1])]
    added = {p for p in pixels if p[0] >= height or p[1] >= width}
    out = torch.zeros_like(x)
    for p in pixels:
        if p in added:
            continue
        own_window, own = place(p, size, window, shift)
        seen = []
        for q in pixels:
            its_window, its = place(q, size, window, shift)
            # The roll brings the first rows behind the last: those were no neighbours.
            far = (
                any(
                    (a < shift) != (b < shift) and w == s // window - 1
                    for a, b, w, s in zip(p, q, own_window, size, strict=True)
                )
                and shift
            )
            if its_window == own_window and not far and not (mask_padding and q in added):
                seen.append((q, own[0] - its[0], own[1] - its[1]))
        logits = torch.stack(
            [
                (query[:, p[0], p[1]] * key[:, q[0], q[1]]).sum(-1) / query.shape[-1] ** 0.5
                + (
                    0
                    if module.relative_bias is None
                    else module.relative_bias.table[:, dy + window - 1, dx + window - 1]
                )
                for q, dy, dx in seen
            ]
        )  # (seen, B, heads)
        values = torch.stack([value[:, q[0], q[1]] for q, _, _ in seen])
        found = (logits.softmax(0)[..., None] * values).sum(0).flatten(1)
        out[:, :, p[0], p[1]] = module.project(found)
    return out


@pytest.mark.parametrize("size", [(6, 9), (5, 7), (2, 3)])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("mask_padding", [False, True])
@torch.no_grad()
def test_equals_its_equation_pixel_by_pixel(size, shift, mask_padding):
    module = randomised(
        WindowAttention(4, window=3, shift=shift, heads=2, mask_padding=mask_padding)
    )
    x = random_map(2, 4, *size)
    expected = plain(module, x, mask_padding=mask_padding)
    torch.testing.assert_close(module(x), expected)
    module.kernel = "fused"
    torch.testing.assert_close(module(x), expected)


@torch.no_grad()
def test_without_a_relative_bias():
    module = randomised(WindowAttention(4, window=2, heads=1, relative_bias=False, bias=False))
    x = random_map(1, 4, 4, 3)
    torch.testing.assert_close(module(x), plain(module, x))


@torch.no_grad()
def test_a_window_of_the_whole_map_without_bias_is_dense_attention():
    module = randomised(WindowAttention(4, window=6, heads=1, relative_bias=False))
    x = random_map(2, 4, 6, 6)
    rows = x.flatten(2).transpose(1, 2)
    query, key, value = module.qkv(rows).chunk(3, dim=-1)
    context = (query @ key.transpose(1, 2) / 2).softmax(-1) @ value
    torch.testing.assert_close(module(x), module.project(context).transpose(1, 2).view_as(x))


@torch.no_grad()
def test_two_blocks_are_windows_then_shifted_windows():
    module = randomised(SwinBlocks(4, window=3, heads=2, mlp_ratio=2))
    x = random_map(2, 4, 7, 5)
    rows = x
    for block, shift in zip(module.blocks, (0, 1), strict=True):
        assert block.attention.shift == shift
        normed = block.norm1(rows.movedim(1, -1)).movedim(-1, 1)
        rows = rows + plain(block.attention, normed)
        rows = rows + block.mlp(rows.movedim(1, -1)).movedim(-1, 1)
    torch.testing.assert_close(module(x), rows)


@torch.no_grad()
def test_only_the_shifted_block_lets_a_change_leave_its_window():
    module = randomised(SwinBlocks(4, window=4, heads=1, mlp_ratio=0))
    x = random_map(1, 4, 8, 8)
    other = x.clone()
    other[0, :, 0, 0] += torch.tensor([1.0, -1.0, 2.0, 0.0])  # a shift alone leaves layer norm
    after_first = [
        module.blocks[0](each.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) for each in (x, other)
    ]
    changed = (after_first[0] - after_first[1]).abs().amax(dim=1)[0] > 1e-12
    assert changed[:4, :4].all()
    assert changed.sum() == 16
    after_both = (module(x) - module(other)).abs().amax(dim=1)[0] > 1e-12
    # Shifted by 2, windows begin at -2, 2 and 6: those that hold a changed pixel change.
    assert after_both[:6, :6].all()
    assert after_both.sum() == 36


def test_gradients():
    assert gradcheck(randomised(WindowAttention(4, window=2, shift=1, heads=2)), (1, 4, 3, 5))
    assert gradcheck(randomised(SwinBlocks(4, window=2, heads=2, mlp_ratio=1)), (1, 4, 3, 2))


def test_costs_are_those_of_equation_2():
    c, m, n = 96, 7, 56 * 56
    parameters, macs = costs(WindowAttention, (1, c, 56, 56))
    assert macs == 4 * n * c**2 + 2 * m**2 * n * c
    assert parameters == 4 * c**2 + 4 * c + 13**2 * (c // 32)
    blocks = costs(SwinBlocks, (1, c, 56, 56))
    assert blocks[1] == 2 * (macs + 2 * 4 * n * c**2)
    assert blocks[0] == 2 * (parameters + 2 * 4 * c**2 + 5 * c + 4 * c)


def test_a_padded_map_costs_as_what_it_is_padded_to():
    assert costs(WindowAttention, (1, 32, 50, 56)) == costs(WindowAttention, (1, 32, 56, 52))


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        (WindowAttention, {"window": 0}, "window"),
        (WindowAttention, {"window": 4, "shift": 4}, "shift"),
        (WindowAttention, {"heads": 3}, "heads"),
        (SwinBlocks, {"mlp_ratio": -1}, "mlp_ratio"),
    ],
)
def test_wrong_arguments_are_named(kind, arguments, named):
    with pytest.raises(ValueError, match=named):
        kind(8, **arguments)
