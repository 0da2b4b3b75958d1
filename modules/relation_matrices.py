"""The relation matrices of chosen pixels, as maps to draw (OCNet, Algorithm 2, Figures 1, 6, 7)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from context_modules.interlaced import InterlacedSelfAttention, SparseRelation
from context_modules.self_attention import SelfAttention

Size = tuple[int, int]
Pixel = tuple[int, int]


class Relations(NamedTuple):
    """How strongly chosen pixels relate to every pixel: rows of W, each laid out as a map.

    Attributes:
        dense: (B, pixels, H, W), rows of W, of W^l P^T W^g P (Eq. 9), or of the only stage.
        global_relation: (B, pixels, H, W), rows of W^g, zero outside the set of Eq. 7; `None`
            without such a stage.
        local_relation: (B, pixels, H, W), rows of W^l, zero outside the set of Eq. 8; `None`
            without such a stage.
    """

    dense: Tensor
    global_relation: Tensor | None
    local_relation: Tensor | None


@torch.no_grad()
def relation_matrices(
    attention: SelfAttention | InterlacedSelfAttention, x: Tensor, pixels: Sequence[Pixel]
) -> Relations:
    """Relations of `pixels` to the map `x`, the input of `attention`.

    Unlike the paper's Algorithm 2, the sparse relations come at the size of the map instead of
    squeezed into their group, for every order of the stages and for sides that P does not divide.
    Masked padding has weight zero; without the mask, what falls on the padding is cropped.

    Args:
        attention: dense or interlaced self-attention, without regions and strided keys.
        x: (B, in_channels, H, W).
        pixels: (row, column) of each pixel.

    Raises:
        ValueError: for no pixel, one outside the map, or an attention with regions or strided keys.
    """
    size = (x.shape[-2], x.shape[-1])
    _check_pixels(pixels, size)
    stages = attention.stages if isinstance(attention, InterlacedSelfAttention) else [attention]
    for stage in stages:
        if stage.regions != 1 or stage.key_stride != 1:
            raise ValueError("relation matrices need an attention with regions 1 and key_stride 1")
    sparse = [stage for stage in stages if isinstance(stage, SparseRelation)]
    if sparse:
        return _sparse_relations(sparse, x, pixels)
    assert isinstance(attention, SelfAttention)
    rows = attention.weights(x)[:, [row * size[1] + column for row, column in pixels]]
    return Relations(rows.reshape(*rows.shape[:2], *size), None, None)


def _sparse_relations(
    stages: list[SparseRelation], x: Tensor, pixels: Sequence[Pixel]
) -> Relations:
    size = (x.shape[-2], x.shape[-1])
    tables: list[Tensor] = []
    for stage in stages:
        tables.append(stage.weights(x))  # (B, groups, members, members)
        x = stage(x)
    single = {
        stage.scope: _stack(_own_row(stage, table, size, pixel) for pixel in pixels)
        for stage, table in zip(stages, tables, strict=True)
    }
    if len(stages) == 2:
        dense = _stack(_product_row(stages, tables, size, pixel) for pixel in pixels)
    else:
        dense = single[stages[0].scope]
    return Relations(dense, single.get("global"), single.get("local"))


def _own_row(stage: SparseRelation, table: Tensor, size: Size, pixel: Pixel) -> Tensor:
    """The pixel's row of W^g or W^l as a map: (B, 1, H, W)."""
    group, member = _address(stage, size, pixel)
    rows = table.new_zeros(table.shape[:3])
    rows[:, group] = table[:, group, member]
    return stage.merge(rows.unsqueeze(-1), *size)


def _product_row(
    stages: list[SparseRelation], tables: list[Tensor], size: Size, pixel: Pixel
) -> Tensor:
    """The pixel's row of the product of both stages as a map: (B, 1, H, W).

    Groups and members of one stage are members and groups of the other. In its second stage the
    pixel sees one position of every group of the first, all with the same place in their group;
    each hands over its own row of the first stage.
    """
    group, member = _address(stages[0], size, pixel)
    handed = tables[1][:, member, group]  # (B, groups of the first stage)
    rows = tables[0][:, :, member] * handed.unsqueeze(-1)  # (B, groups, members)
    return stages[0].merge(rows.unsqueeze(-1), *size)


def _address(stage: SparseRelation, size: Size, pixel: Pixel) -> tuple[int, int]:
    """Group of the pixel in this stage, and its place in the group."""
    (p_h, p_w), (top, _, left, right) = stage.groups, stage.padding(*size)
    row, column = pixel[0] + top, pixel[1] + left
    remainder = row % p_h * p_w + column % p_w
    quotient = row // p_h * ((size[1] + left + right) // p_w) + column // p_w
    return (remainder, quotient) if stage.scope == "global" else (quotient, remainder)


def _check_pixels(pixels: Sequence[Pixel], size: Size) -> None:
    if not pixels:
        raise ValueError("pixels is empty; give at least one (row, column)")
    for row, column in pixels:
        if not (0 <= row < size[0] and 0 <= column < size[1]):
            raise ValueError(f"pixel ({row}, {column}) lies outside the map of {size[0]}x{size[1]}")


def _stack(maps: Iterable[Tensor]) -> Tensor:
    return torch.cat(list(maps), dim=1)
