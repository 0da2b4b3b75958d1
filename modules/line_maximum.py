"""The largest boundary probability on the line between every two pixels (RANet, Eq. 1).

A line steps along its longer axis, one pixel a step, and interpolates linearly between the two
nearest pixels across it (RANet, Figure 2). Of H*W = 9409 pixels there are 88.5 million ordered
pairs and 3.9 billion such samples, so the sweep is arranged to share work:

- D is symmetric: each line is walked once and its maximum is written twice.
- All lines whose longer axis spans `length` steps meet the shorter axis at multiples of
  1 / `length`. One table per length holds the map at those heights, so that a sample is one row
  look-up, not an interpolation, and without gradients not even that but part of a view. The pairs
  of one length and all their starting columns are taken together, and no Python loop runs over
  pixels.
- The maximum's gradient goes to one sample. The forward keeps that sample's step, one byte per
  line, and the backward visits each line once instead of each sample.
- Several images go through together, their values side by side in memory: on small maps the number
  of calls decides, not that of samples. Where the lines go is worked out once per small size.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# Samples held at a time. On a CPU a tile that is below the size at which PyTorch calls its thread
# pool (32768 elements) stays in the cache and never waits at a barrier: with two threads on two
# busy cores the barriers alone made this sweep ten times slower. A GPU pays per kernel launch.
CPU_TILE = 2**15 - 1
GPU_TILE = 2**26

# Pixels of a map whose lines are kept between calls: a few MB.
MOST_KEPT = 1024


def boundary_line_samples(height: int, width: int) -> int:
    """Number of samples on the lines of all ordered pairs of pixels, end points left out."""
    samples = 0
    for dy in range(height):
        for dx in range(width):
            directions = (2 if dy else 1) * (2 if dx else 1)
            steps = max(dy, dx)
            samples += directions * (height - dy) * (width - dx) * max(steps - 1, 0)
    return samples


def line_maximum(boundary: Tensor, *, end_points: bool = False) -> Tensor:
    """D of RANet, Eq. 1: the probability of a boundary between every two pixels.

    Args:
        boundary: (H, W) boundary probabilities B, floating point.
        end_points: whether the two end points belong to the line. Without them two neighbours
            have nothing between them and D = 0, whatever B says.

    Returns:
        (H*W, H*W), symmetric, 0 on the diagonal; differentiable in `boundary` (at a tie the first
        sample from the upper or left end takes the gradient).
    """
    if boundary.dim() != 2 or not boundary.is_floating_point():
        raise ValueError(
            "boundary must be one (H, W) map of floating point probabilities, "
            f"not {boundary.dtype} of shape {tuple(boundary.shape)}; take the images one by one"
        )
    maximum: Tensor = _LineMaximum.apply(boundary, end_points)  # type: ignore[no-untyped-call]
    return maximum


class _LineMaximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, boundary: Tensor, end_points: bool) -> Tensor:
        maximum, steps = sweep(boundary[None], end_points, keep_steps=ctx.needs_input_grad[0])
        ctx.save_for_backward(steps)
        ctx.size, ctx.end_points = boundary.shape, end_points
        return maximum[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (steps,) = ctx.saved_tensors
        height, width = ctx.size
        return sweep_gradient(grad[None], steps, height, width, ctx.end_points)[0], None


def sweep(boundary: Tensor, end_points: bool, *, keep_steps: bool) -> tuple[Tensor, Tensor]:
    """D (B, N, N) of (B, H, W) and, where asked for, the step of each line's maximum."""
    return torch.ops.context_modules.line_maximum(boundary.detach(), end_points, keep_steps)  # type: ignore[no-any-return]


def sweep_values(boundary: Tensor, steps: Tensor, end_points: bool) -> Tensor:
    """D (B, N, N) again, from the steps that `sweep` kept: one look-up per line."""
    return torch.ops.context_modules.line_values(boundary.detach(), steps, end_points)  # type: ignore[no-any-return]


def sweep_gradient(
    grad: Tensor, steps: Tensor, height: int, width: int, end_points: bool
) -> Tensor:
    """The gradient (B, H, W) of the boundary maps from that of D (B, N, N)."""
    return torch.ops.context_modules.line_gradient(grad, steps, height, width, end_points)  # type: ignore[no-any-return]


# The three operators below are opaque: tracing and counting see one operator with fixed shapes,
# not the tens of thousands of calls inside. They hold no multiply-accumulate of matrices.


@torch.library.custom_op("context_modules::line_maximum", mutates_args=())
def _sweep(boundary: Tensor, end_points: bool, keep_steps: bool) -> tuple[Tensor, Tensor]:
    images, height, width = boundary.shape
    maximum = boundary.new_zeros(images, height * width, height * width)
    steps = _empty_steps(boundary, end_points, keep_steps)
    values = _side_by_side(boundary)
    position = 0
    for bundle in _bundles(height, width, end_points, boundary.device):
        table = bundle.table(values[bundle.along_x])
        best, first = bundle.maximum(table, _tile(boundary), keep_steps)
        bundle.write(maximum, best)
        if keep_steps:
            steps[position : position + first.numel()] = first.flatten()
            position += first.numel()
    return maximum, steps


@_sweep.register_fake
def _(boundary: Tensor, end_points: bool, keep_steps: bool) -> tuple[Tensor, Tensor]:
    images, pixels = boundary.shape[0], boundary.shape[1] * boundary.shape[2]
    return boundary.new_empty(images, pixels, pixels), _empty_steps(
        boundary, end_points, keep_steps
    )


@torch.library.custom_op("context_modules::line_values", mutates_args=())
def _values(boundary: Tensor, steps: Tensor, end_points: bool) -> Tensor:
    images, height, width = boundary.shape
    maximum = boundary.new_zeros(images, height * width, height * width)
    values = _side_by_side(boundary)
    position = 0
    for bundle in _bundles(height, width, end_points, boundary.device):
        table = bundle.table(values[bundle.along_x])
        step, position = bundle.read_steps(steps, position, images)
        index = (bundle.row(step) * bundle.columns + bundle.column(step)) * images
        bundle.write(maximum, table.take(index + torch.arange(images, device=index.device)))
    return maximum


@_values.register_fake
def _(boundary: Tensor, steps: Tensor, end_points: bool) -> Tensor:  # noqa: ARG001
    images, pixels = boundary.shape[0], boundary.shape[1] * boundary.shape[2]
    return boundary.new_empty(images, pixels, pixels)


@torch.library.custom_op("context_modules::line_gradient", mutates_args=())
def _gradient(grad: Tensor, steps: Tensor, height: int, width: int, end_points: bool) -> Tensor:
    images = len(grad)
    along_x = grad.new_zeros(height, width, images)
    along_y = grad.new_zeros(width, height, images)
    image = torch.arange(images, device=grad.device)
    position = 0
    for bundle in _bundles(height, width, end_points, grad.device):
        flat = (along_x if bundle.along_x else along_y).view(-1)
        step, position = bundle.read_steps(steps, position, images)
        share = bundle.read(grad)
        row, column = bundle.row(step), bundle.column(step)
        low = row // bundle.length
        above = (row - low * bundle.length).to(share.dtype) / bundle.length
        # A sample at a whole height has no share of the next row, which may not exist.
        high = torch.where(above > 0, low + 1, low)
        for nearest, weight in ((low, 1 - above), (high, above)):
            pixel = (nearest * bundle.columns + column) * images + image
            flat.index_add_(0, pixel.flatten(), (share * weight).flatten())
    return (along_x + along_y.transpose(0, 1)).permute(2, 0, 1).contiguous()


@_gradient.register_fake
def _(grad: Tensor, steps: Tensor, height: int, width: int, end_points: bool) -> Tensor:  # noqa: ARG001
    return grad.new_empty(len(grad), height, width)


def _side_by_side(boundary: Tensor) -> dict[bool, Tensor]:
    """(B, H, W) -> (H, W, B) for lines along x, (W, H, B) for lines along y."""
    return {
        True: boundary.permute(1, 2, 0).contiguous(),
        False: boundary.permute(2, 1, 0).contiguous(),
    }


def _tile(x: Tensor) -> int:
    return CPU_TILE if x.device.type == "cpu" else GPU_TILE


def _empty_steps(boundary: Tensor, end_points: bool, keep: bool) -> Tensor:
    images, height, width = boundary.shape
    # A line is at most max(H, W) - 1 steps long; one byte counts to 255.
    dtype = torch.uint8 if max(height, width) <= 256 else torch.int16
    lines = images * _lines(height, width, end_points) if keep else 0
    return torch.empty(lines, dtype=dtype, device=boundary.device)


def _lines(height: int, width: int, end_points: bool) -> int:
    """Number of unordered pairs of pixels that have a sample between them."""
    pixels = height * width
    pairs = pixels * (pixels - 1) // 2
    if end_points:
        return pairs
    neighbours = height * (width - 1) + (height - 1) * width + 2 * (height - 1) * (width - 1)
    return pairs - neighbours


@dataclass(frozen=True)
class _Bundle:
    """All lines of one length along one axis, written for lines along x.

    A line starts at (start, x) and ends at (end, x + length), for every column x where it fits.
    For lines along y the map is transposed, and rows and columns change their parts.
    """

    along_x: bool
    length: int
    columns: int  # of the map, along the longer axis
    first: int  # first step that is on the line
    last: int  # last step that is on the line
    start: Tensor  # (pairs,)
    end: Tensor  # (pairs,)

    def table(self, rows: Tensor) -> Tensor:
        """(H, W, B) -> (length * (H - 1) + 1, W, B): row m is the maps at height m / length."""
        m = torch.arange(self.length * (rows.shape[0] - 1) + 1, device=rows.device)
        low = m // self.length
        high = (low + 1).clamp(max=rows.shape[0] - 1)
        above = (m - low * self.length).to(rows.dtype) / self.length
        return torch.lerp(rows[low], rows[high], above[:, None, None])

    def maximum(self, table: Tensor, tile: int, keep_steps: bool) -> tuple[Tensor, Tensor]:
        """The largest sample of every line and its step, (pairs, starting columns, B) each."""
        reach, images = self.columns - self.length, table.shape[2]
        if not keep_steps:
            return self._largest(table, tile).view(-1, reach, images), self.start.new_empty(0)
        size = max(1, tile // ((self.last - self.first + 1) * reach * images))
        best = table.new_empty(len(self.start), reach * images)
        step = torch.empty(best.shape, dtype=torch.long, device=table.device)
        for low in range(0, len(self.start), size):
            part = slice(low, low + size)
            best[part], step[part] = self.samples(table, part).max(dim=0)
        step = step.add_(self.first)
        return best.view(-1, reach, images), step.view(-1, reach, images)

    def _largest(self, table: Tensor, tile: int) -> Tensor:
        """The largest sample of every line, (pairs, starting columns * B).

        At one step the samples of all lines, by the upper of their rows and by how many rows they
        fall, are a view of the table, so that nothing is looked up: a line that falls by `gap`
        meets row length * upper + step * gap. A line that rises is walked from its end. Lines that
        would leave the map are taken along, read zeros and are left out at last.
        """
        reach, images = self.columns - self.length, table.shape[2]
        rows = (table.shape[0] - 1) // self.length + 1
        gaps = min(self.length if self.along_x else self.length - 1, rows - 1) + 1
        row = self.columns * images
        padded = F.pad(table, (0, 0, 0, 0, 0, self.last * (gaps - 1)))
        best = table.new_empty(2, rows, gaps, reach * images)
        if torch.get_num_threads() == 1:
            tile *= 4  # no pool to wait for, and fewer calls
        size = max(1, tile // best[0, 0].numel())
        for rises, upper in ((r, u) for r in (0, 1) for u in range(0, rows, size)):
            part = best[rises, upper : upper + size]
            for step in range(self.first, self.last + 1):
                column = self.length - step if rises else step
                samples = padded.as_strided(
                    part.shape,
                    (self.length * row, step * row, 1),
                    self.length * upper * row + column * images,
                )
                if step == self.first:
                    part.copy_(samples)
                else:
                    torch.maximum(part, samples, out=part)
        gap = self.end - self.start
        return best[(gap < 0).long(), torch.minimum(self.start, self.end), gap.abs()]

    def samples(self, table: Tensor, part: slice) -> Tensor:
        """(steps, pairs, starting columns * B): the maps on every step of the lines of pairs."""
        reach, images = self.columns - self.length, table.shape[2]
        # Row r of `windows` is the run of `reach` pixels from the r-th of the flattened table, so
        # that one look-up fetches the samples of all starting columns and images.
        count = table.shape[0] * self.columns - reach + 1
        windows = table.as_strided((count, reach * images), (images, 1))
        return F.embedding(self._windows[:, part], windows)

    @cached_property
    def _windows(self) -> Tensor:
        """(steps, pairs): the pixel of the table at which the samples of a step begin."""
        step = torch.arange(self.first, self.last + 1, device=self.start.device).unsqueeze(1)
        row = (self.length - step) * self.start + step * self.end
        return row.mul_(self.columns).add_(step)

    def row(self, step: Tensor) -> Tensor:
        """The table's row at a step (pairs, starting columns, B)."""
        start, end = self.start[:, None, None], self.end[:, None, None]
        return (self.length - step) * start + step * end

    def column(self, step: Tensor) -> Tensor:
        """The map's column at a step (pairs, starting columns, B)."""
        return step + torch.arange(step.shape[1], device=step.device).unsqueeze(1)

    def read_steps(self, steps: Tensor, position: int, images: int) -> tuple[Tensor, int]:
        """The kept steps (pairs, starting columns, B) of these lines, and where the next begin."""
        shape = (len(self.start), self.columns - self.length, images)
        stop = position + math.prod(shape)
        return steps[position:stop].long().view(shape), stop

    def _both_ways(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Views (B, start, end, column) of maps over pairs of pixels: from start, and from end."""
        rows, columns = pairs.shape[1] // self.columns, self.columns
        if self.along_x:
            four = pairs.view(-1, rows, columns, rows, columns)
        else:
            four = pairs.view(-1, columns, rows, columns, rows).permute(0, 2, 1, 4, 3)
        return (
            four.diagonal(self.length, dim1=2, dim2=4),
            four.diagonal(-self.length, dim1=2, dim2=4),
        )

    def write(self, pairs: Tensor, best: Tensor) -> None:
        """Write `best` (pairs, starting columns, B) to maps over pairs, in both directions."""
        there, back = self._both_ways(pairs)
        values = best.permute(2, 0, 1)
        there[:, self.start, self.end] = values
        back[:, self.end, self.start] = values

    def read(self, pairs: Tensor) -> Tensor:
        """The sum over both directions of maps over pairs, (pairs, starting columns, B)."""
        there, back = self._both_ways(pairs)
        both = there[:, self.start, self.end] + back[:, self.end, self.start]
        return both.permute(1, 2, 0)


def _bundles(height: int, width: int, end_points: bool, device: torch.device) -> Iterable[_Bundle]:
    """Every unordered pair of distinct pixels that has a sample on its line, once."""
    if height * width <= MOST_KEPT:
        return _kept(height, width, end_points, device)
    return _each(height, width, end_points, device)


@lru_cache(maxsize=4)
def _kept(height: int, width: int, end_points: bool, device: torch.device) -> tuple[_Bundle, ...]:
    # Made outside of inference mode, whose tensors no later training could use.
    with torch.inference_mode(mode=False):
        return tuple(_each(height, width, end_points, device))


def _each(height: int, width: int, end_points: bool, device: torch.device) -> Iterator[_Bundle]:
    for along_x in (True, False):
        rows, columns = (height, width) if along_x else (width, height)
        for length in range(1 if end_points else 2, columns):
            # A diagonal line is as long along x as along y; it belongs to x.
            start, end = _band(rows, length if along_x else length - 1, device)
            first, last = (0, length) if end_points else (1, length - 1)
            yield _Bundle(along_x, length, columns, first, last, start, end)


def _band(rows: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """All (start, end) of `rows` numbers at most `width` apart, in order.

    Worked out, not searched for: how many there are is known here, and no device is waited for.
    """
    position = torch.arange(rows, device=device)
    low = (position - width).clamp(min=0)
    counts = (position + width).clamp(max=rows - 1) - low + 1
    reach = min(width, rows - 1)
    total = rows * (2 * reach + 1) - reach * (reach + 1)
    start = torch.repeat_interleave(position, counts, output_size=total)
    before = counts.cumsum(0) - counts
    return start, torch.arange(total, device=device) - before[start] + low[start]
