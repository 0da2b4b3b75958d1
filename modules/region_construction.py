"""The Region Construction Block of RANet (Section 3.1, Figures 2 and 3).

    boundary scores B ---- largest on the line, Eq. 1 ----> D --.
                                                                +-> F, Eq. 3
    category scores C ---- Jensen-Shannon divergence, Eq. 2 -> E --'
    F -> G -> regions (connected components); F -> F^g, regions -> representative scores J, Eq. 5

With N = H*W, every map over pairs is N x N: 354 MB at 97x97 in float32, and the printed memory of
the paper (1893 MB) is five of them. Here one is alive: D is overwritten by F row by row, with E
computed on the way, and F^g and G are F after an affine and a threshold, applied where they are
read. Images of a batch are taken one after the other, so the batch adds none, unless their maps are
so small that the calls take longer than the work (`MOST_PAIRS`).

By kernels in Triton (`region_operator.py`) none is.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from context_modules.layers import one_of
from context_modules.region_maps import Context, region_attention_maps, row_blocks
from context_modules.region_operator import regions_by_triton

RegionKernel = Literal["explicit", "triton"]
"""Forms of the region construction: one map of N x N numbers, or kernels for a GPU and none."""

# Pairs of pixels in the images that are taken together: 8 MB in float32, a map of 38 x 38.
MOST_PAIRS = 2**21


class Regions(NamedTuple):
    """The regions of a batch of images.

    Attributes:
        labels: (B, N) integers; pixels of one region share the index of its first pixel.
        scores: (B, N) representative scores J (Eq. 5); they carry the gradient to B and C.
    """

    labels: Tensor
    scores: Tensor


class RegionConstruction(nn.Module):
    """Region Construction Block (RANet, Eq. 1 to 5).

    The paper writes F^g = W^g (*) F, a convolution over maps whose channels are the N pixels. A
    kernel over N channels would fix the input's size; the only form that does not is one scalar
    weight and bias, which is what this is (1 and 0 at the start). F is symmetric in every bit, so
    Eq. 4's mean with the transpose changes nothing. As printed, Eq. 4 takes the sign of a positive
    number and would join every pair: G is 1 from `threshold` on.

    G is made of F, which lies in [0, 1] whatever is learnt, and not of F^g: a training that moves
    weight + bias below the threshold, as 40 steps do, would part even a pixel from itself and leave
    single pixels for good, since the threshold has no gradient. The affine is in J alone.

    G is not transitive, so a region is a connected component of it. Boundary and category scores
    learn through F^g and J.

    Args:
        context: what F is made of (Table 1): `both` (Eq. 3), `boundary` (1 - D) or `semantic`
            (1 - E).
        threshold: the F from which a pair of pixels is joined.
        end_points: whether a line's end points count in Eq. 1. Without them, the default,
            neighbours have D = 0 and are told apart by their categories only: the boundary map
            keeps apart regions that do not touch, and `context="boundary"` gives a single region.
            With them a pixel on a boundary is a region of its own.
        kernel: `explicit` holds F; `triton` runs kernels on a GPU, which make it where it is
            needed, and keeps G as bits.

    Shape:
        boundary (B, H, W) and categories (B, classes, H, W), both probabilities -> `Regions`.

    Complexity: O(N^2 max(H, W)) line samples, O(N^2 classes) logarithms, no matrix product.
    """

    def __init__(
        self,
        *,
        context: Context = "both",
        threshold: float = 0.8,
        end_points: bool = False,
        kernel: RegionKernel = "explicit",
    ) -> None:
        super().__init__()
        one_of("kernel", kernel, get_args(RegionKernel))
        if context not in ("both", "boundary", "semantic"):
            raise ValueError(f"context is {context!r}; choose 'both', 'boundary' or 'semantic'")
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is {threshold}; it must lie in (0, 1], as F does")
        self.context = context
        self.threshold = threshold
        self.end_points = end_points
        self.kernel: RegionKernel = kernel
        self.weight = nn.Parameter(torch.ones(1))  # W^g
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, boundary: Tensor, categories: Tensor) -> Regions:
        """Group the pixels: (B, H, W) and (B, classes, H, W) -> (B, N) labels and scores."""
        if categories.dim() != 4 or boundary.shape != (len(categories), *categories.shape[2:]):
            raise ValueError(
                "boundary must be (B, H, W) and categories (B, classes, H, W) of the same B, H, W, "
                f"not {tuple(boundary.shape)} and {tuple(categories.shape)}"
            )
        if self.kernel == "triton":
            labels, sums = regions_by_triton(
                boundary, categories, context=self.context, threshold=self.threshold,
                end_points=self.end_points,
            )  # fmt: skip
            return Regions(labels, self._learnt(sums / region_sizes(labels)))
        images = [self._one(maps) for maps in self._maps(boundary, categories)]
        of_each, scores = zip(*images, strict=True)
        return Regions(torch.stack(of_each), torch.stack(scores))

    def _maps(self, boundary: Tensor, categories: Tensor) -> Iterator[Tensor]:
        """F (N, N) of each image, made for so many together as are small."""
        at_once = max(1, MOST_PAIRS // boundary[0].numel() ** 2)
        for b, c in zip(boundary.split(at_once), categories.split(at_once), strict=True):
            alone = len(b) == 1
            maps = region_attention_maps(
                b[0] if alone else b,
                c[0] if alone else c,
                context=self.context,
                end_points=self.end_points,
            )
            yield from (maps,) if alone else maps

    def _one(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Regions of one image from its F (N, N)."""
        labels = connected_components(maps.detach(), self.threshold)
        return labels, self._learnt(representative_scores(maps, labels))

    def _learnt(self, means: Tensor) -> Tensor:
        """J from the means of F: the affine W^g commutes with Eq. 5's, so F^g never exists."""
        return means * self.weight.to(means.dtype) + self.bias.to(means.dtype)


def connected_components(maps: Tensor, threshold: float) -> Tensor:
    """Regions: the connected components of G = (maps >= threshold).

    Args:
        maps: (N, N), symmetric.
        threshold: from which two pixels are joined.

    Returns:
        (N,) the smallest pixel index of each pixel's component.
    """
    labels: Tensor = _components(maps, threshold)
    return labels


def representative_scores(maps: Tensor, labels: Tensor) -> Tensor:
    """J of RANet, Eq. 5: the mean of each pixel's row of `maps` over its own region.

    Args:
        maps: (N, N); F^g, or F where the affine follows.
        labels: (N,) region of each pixel.

    Returns:
        (N,), differentiable in `maps`.
    """
    scores: Tensor = _RegionMean.apply(maps, labels)  # type: ignore[no-untyped-call]
    return scores


class _RegionMean(torch.autograd.Function):
    """Linear in the maps: neither they nor a mask is kept for the backward."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(labels)
        mean: Tensor = torch.ops.context_modules.region_mean(maps.detach(), labels)
        return mean

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (labels,) = ctx.saved_tensors
        share = grad / region_sizes(labels).to(grad.dtype)
        same = labels.unsqueeze(1) == labels
        return torch.where(same, share.unsqueeze(1), share.new_zeros(())), None


def region_sizes(labels: Tensor) -> Tensor:
    """(..., N) labels -> (..., N): the number of pixels of each pixel's region."""
    counts = torch.zeros_like(labels).scatter_add_(-1, labels, torch.ones_like(labels))
    return counts.gather(-1, labels)


# Opaque, as the operators in line_maximum.py are: one operator of fixed shapes each.


@torch.library.custom_op("context_modules::region_mean", mutates_args=())
def _region_mean(maps: Tensor, labels: Tensor) -> Tensor:
    total = maps.new_empty(len(labels))
    for rows in row_blocks(maps):
        total[rows] = (maps[rows] * (labels[rows].unsqueeze(1) == labels)).sum(dim=1)
    return total.div_(region_sizes(labels))


@_region_mean.register_fake
def _(maps: Tensor, labels: Tensor) -> Tensor:
    return maps.new_empty(len(labels))


def ends_early(device: torch.device) -> bool:
    """Whether to look after each round if the components are complete."""
    return device.type == "cpu"


@torch.library.custom_op("context_modules::connected_components", mutates_args=())
def _components(maps: Tensor, threshold: float) -> Tensor:
    """Components of G = (maps >= threshold) by hooking and pointer jumping.

    Each round every tree's root takes the smallest root among the tree's neighbours, and every
    pixel then points to its root. A root that neither takes another nor is taken has neighbours
    that all took smaller ones, so it takes one in the next round: two rounds at least halve the
    roots of a component, and 2 log2(N) rounds are enough for any G. Few are needed as a rule, but
    only a CPU looks: a GPU that is asked has to be waited for, and allows no graph of its kernels.
    """
    pixels = len(maps)
    jumps = max(1, math.ceil(math.log2(max(pixels, 2))))
    labels = torch.arange(pixels, device=maps.device)
    nearest = torch.empty_like(labels)
    for _round in range(2 * jumps + 1):
        for rows in row_blocks(maps):
            nearest[rows] = torch.where(maps[rows] >= threshold, labels, pixels).amin(dim=1)
        hooked = labels.scatter_reduce(0, labels, nearest, "amin")
        for _jump in range(jumps):
            hooked = hooked[hooked]
        if ends_early(maps.device) and torch.equal(hooked, labels):
            break
        labels = hooked
    return labels


@_components.register_fake
def _(maps: Tensor, threshold: float) -> Tensor:  # noqa: ARG001
    return maps.new_empty(len(maps), dtype=torch.long)
