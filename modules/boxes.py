"""Boxes of an image: placed in a grid, refined by offsets, sampled from a feature map."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Offsets are learned in units of their spread (Girshick 2015; the usual values for Faster R-CNN),
# and a box grows at most from 16 pixels to 1000 in one step, so that exp stays finite.
_SPREAD = (0.1, 0.1, 0.2, 0.2)
_LARGEST = math.log(1000 / 16)


def canonical_boxes(count: int, side: float, image: tuple[int, int], like: Tensor) -> Tensor:
    """Square boxes whose centres fill the image row by row.

    Args:
        count: number of boxes.
        side: of each, in pixels.
        image: (H, W) in pixels.
        like: gives the device, and the floating type if that is wider than float32.

    Returns:
        (count, 4): left, top, right, bottom in pixels; they may reach over the border.
    """
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    # Half precision holds no pixel coordinates: at 1000 its step is 4 (bfloat16) or 0.5 (float16).
    dtype = torch.promote_types(like.dtype, torch.float32)
    index = torch.arange(count, device=like.device)
    x = ((index % columns).to(dtype) + 0.5) * (image[1] / columns)
    y = (torch.div(index, columns, rounding_mode="floor").to(dtype) + 0.5) * (image[0] / rows)
    centres = torch.stack([x, y], dim=1)
    return torch.cat([centres - side / 2, centres + side / 2], dim=1)


def refine_boxes(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Move and scale boxes by what a box head regressed (Girshick et al. 2014, appendix C).

    Args:
        boxes: (..., 4): left, top, right, bottom in pixels.
        offsets: (..., 4): of the centre in box sides and of the logarithm of the sides, each over
            its spread.

    Returns:
        (..., 4), as `boxes`.
    """
    dx, dy, dw, dh = (o * s for o, s in zip(offsets.unbind(-1), _SPREAD, strict=True))
    left, top, right, bottom = boxes.unbind(-1)
    width, height = right - left, bottom - top
    x = (left + right) / 2 + dx * width
    y = (top + bottom) / 2 + dy * height
    half_width = width * dw.clamp(max=_LARGEST).exp() / 2
    half_height = height * dh.clamp(max=_LARGEST).exp() / 2
    return torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=-1)


def sample_regions(x: Tensor, boxes: Tensor, side: int, image: tuple[int, int]) -> Tensor:
    """Read each box as a `side` x `side` map, bilinearly at the centre of every bin.

    This is RoIAlign (He et al. 2017, section 3) with one sample per bin; outside of the image is 0.

    Args:
        x: (B, C, h, w), a map of the whole image.
        boxes: (B, R, 4): left, top, right, bottom in pixels of the image.
        side: bins per side of a region.
        image: (H, W) in pixels.

    Returns:
        (B, R, C, side, side).
    """
    bins = (torch.arange(side, device=x.device, dtype=boxes.dtype) + 0.5) / side
    left, top, right, bottom = boxes.unsqueeze(-1).unbind(2)  # (B, R, 1) each
    # grid_sample's coordinates are -1 and 1 at the outer edges of the map.
    across = (left + (right - left) * bins) * (2 / image[1]) - 1  # (B, R, side)
    down = (top + (bottom - top) * bins) * (2 / image[0]) - 1
    shape = (*down.shape, side)  # (B, R, side, side)
    grid = torch.stack([across.unsqueeze(2).expand(shape), down.unsqueeze(3).expand(shape)], dim=-1)
    # All regions as one tall map: (B, C, R * side, side).
    sampled = F.grid_sample(x, grid.flatten(1, 2).to(x.dtype), align_corners=False)
    return sampled.reshape(*sampled.shape[:2], -1, side, side).transpose(1, 2)
