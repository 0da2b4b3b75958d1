"""The Region Interaction Block of RANet (Section 3.2, Figure 4).

    pixels --(a) collection, Eq. 6--> representatives of their region
    representatives --(b) interaction, Eq. 7--> representatives of the other regions
    representatives --(c) distribution, Eq. 8--> pixels of their region

With R representatives of all regions together, each step is one masked attention over a dense
(R, N), (R, R) or (N, R) relation: R is small (RANet, Section 5.2: 8 of 400 pixels), and regions of
unequal size would need a loop otherwise. R never exceeds N.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from context_modules.attention import attend
from context_modules.region_construction import RegionKernel, Regions

# RANet, Section 5.2: "There are 400 pixels in each region, on average".
MEAN_REGION_PIXELS = 400


class Representatives(NamedTuple):
    """The representative pixels of a batch, listed region by region.

    Attributes:
        pixels: (B, R) indices p into the N pixels; R is the largest number in the batch.
        regions: (B, R) label of each one's region.
        valid: (B, R) False where an image has fewer than R.
    """

    pixels: Tensor
    regions: Tensor
    valid: Tensor


def nominal_representatives(pixels: int, per_region: int, max_regions: int = 0) -> int:
    """R for an image whose regions are of the paper's mean size; for counting without data."""
    regions = math.ceil(pixels / MEAN_REGION_PIXELS)
    return min(pixels, (min(regions, max_regions) if max_regions else regions) * per_region)


def select_representatives(
    regions: Regions, per_region: int, *, max_regions: int = 0
) -> Representatives:
    """phi(R_q): the pixels of highest representative score in each region.

    A region of fewer pixels gives all it has. At equal scores the first pixel wins.

    Args:
        regions: of B images of N pixels.
        per_region: K, at least 1.
        max_regions: only the largest so many regions have representatives, and R is
            `min(N, max_regions * per_region)` whatever the image shows. 0 sets no limit: R is then
            read from the data, which a traced or fake tensor has not; those take
            `nominal_representatives`.
    """
    labels, scores = regions.labels, regions.scores.detach()
    pixels = labels.shape[1]
    order = scores.argsort(dim=1, descending=True, stable=True)
    # Stable by region: contiguous regions, highest score first in each.
    order = order.gather(1, labels.gather(1, order).argsort(dim=1, stable=True))
    grouped = labels.gather(1, order)  # (B, N)
    position = torch.arange(pixels, device=labels.device)
    rank = position - torch.searchsorted(grouped, grouped)
    chosen = rank < per_region
    if max_regions:
        chosen &= _among_largest(labels, max_regions).gather(1, order)
        count = min(pixels, max_regions * per_region)
    elif labels.is_meta or isinstance(labels, FakeTensor):
        count = nominal_representatives(pixels, per_region)
    else:
        count = int(chosen.sum(dim=1).max())
    # The chosen come first, in their order.
    first = (~chosen).byte().argsort(dim=1, stable=True)[:, :count]
    return Representatives(
        order.gather(1, first), grouped.gather(1, first), chosen.gather(1, first)
    )


def _among_largest(labels: Tensor, count: int) -> Tensor:
    """(B, N) -> (B, N): whether a pixel's region is among the `count` largest of its image."""
    pixels = labels.shape[1]
    # Labels are the index of a pixel of the region, so that at most N regions have a size here.
    sizes = torch.zeros_like(labels).scatter_add_(1, labels, torch.ones_like(labels))
    largest = sizes.argsort(dim=1, descending=True, stable=True)[:, : min(count, pixels)]
    chosen = torch.zeros_like(labels, dtype=torch.bool).scatter_(1, largest, True)
    return chosen.gather(1, labels)


class RegionInteraction(nn.Module):
    """Region Interaction Block (RANet, Eq. 6 to 8). It has no weights.

    As printed, no logits are scaled by 1 / sqrt(M). A sum over an empty set is zero: collection
    where a region has no pixel but its representatives, interaction where there is one region.

    Args:
        representatives: K, the representative pixels of a region (Table 2: best at 8).
        intra: with collection and distribution. Without, only representatives are updated, each
            from those of the other regions (Section 5.1, 79.2 % mean IoU).
        inter: with interaction. Without, A^g = A^l (Section 5.1, 81.1 %).
        joint_softmax: one softmax over all other regions' representatives in Eq. 7 instead of one
            per region s, as printed; then the message does not grow with the number of regions.
        max_regions: see `select_representatives`.
        kernel: of the attentions, see `attend`; Eq. 7's softmax per region is explicit.

    Shape:
        query, value, receiver (B, N, M) and `Regions` of (B, N) -> (B, N, M). query and value are
        A(p) and A_i of Eq. 6, receiver is A_i of Eq. 8.

    Complexity: 4 R N M + 2 R^2 M multiply-accumulates.
    """

    def __init__(
        self,
        *,
        representatives: int = 8,
        intra: bool = True,
        inter: bool = True,
        joint_softmax: bool = False,
        max_regions: int = 0,
        kernel: RegionKernel = "explicit",
    ) -> None:
        super().__init__()
        if representatives < 1:
            raise ValueError(f"representatives is {representatives}; a region needs at least 1")
        if max_regions < 0:
            raise ValueError(f"max_regions is {max_regions}; 0 sets no limit, no number is less")
        self.representatives = representatives
        self.intra = intra
        self.inter = inter
        self.joint_softmax = joint_softmax
        self.max_regions = max_regions
        self.kernel: RegionKernel = kernel

    def forward(self, query: Tensor, value: Tensor, receiver: Tensor, regions: Regions) -> Tensor:
        """Exchange the context of regions: three (B, N, M) -> O (B, N, M)."""
        chosen = select_representatives(regions, self.representatives, max_regions=self.max_regions)
        scores = regions.scores.to(value.dtype).unsqueeze(2)  # J (B, N, 1)
        weighted = scores * value  # J_i A_i
        importance = take(scores, chosen.pixels)  # J(p) (B, R, 1)

        local = take(weighted, chosen.pixels)  # J(p) A(p) (B, R, M)
        if self.intra:
            local = local + collect(
                take(query, chosen.pixels), weighted, chosen, regions.labels, kernel=self.kernel
            )
        context = local  # A^g
        if self.inter:
            sent = importance * local
            context = sent + interact(
                local, sent, chosen, joint=self.joint_softmax, kernel=self.kernel
            )

        base = scores * receiver  # J_i A_i
        if self.intra:
            return base + distribute(
                receiver, importance * context, chosen, regions.labels, kernel=self.kernel
            )
        return _replace(base, context, chosen)


def take(rows: Tensor, pixels: Tensor) -> Tensor:
    """(B, N, M) rows at (B, R) pixels -> (B, R, M)."""
    return rows.gather(1, pixels.unsqueeze(2).expand(-1, -1, rows.shape[2]))


def collect(
    query: Tensor,
    weighted: Tensor,
    chosen: Representatives,
    labels: Tensor,
    *,
    kernel: RegionKernel = "explicit",
) -> Tensor:
    """Eq. 6's sum: what a representative receives from its region's other pixels.

    Args:
        query: (B, R, M) A(p).
        weighted: (B, N, M) J_i A_i.
        chosen: the representatives.
        labels: (B, N) regions.
        kernel: see `attend`.

    Returns:
        (B, R, M).
    """
    # A padded entry must not take the pixel that it happens to name out of the sum.
    ordinary = torch.zeros_like(labels).scatter_(1, chosen.pixels, chosen.valid.long()) == 0
    mask = _same_region(chosen, labels) & ordinary.unsqueeze(1)  # (B, R, N)
    return _masked_attend(query, weighted, mask, kernel)


def interact(
    query: Tensor,
    sent: Tensor,
    chosen: Representatives,
    *,
    joint: bool,
    kernel: RegionKernel = "explicit",
) -> Tensor:
    """Eq. 7's sum: what a representative receives from those of other regions.

    Args:
        query: (B, R, M) A^l.
        sent: (B, R, M) J(p) A^l.
        chosen: the representatives.
        joint: one softmax over all senders instead of one per region.
        kernel: of the joint softmax, see `attend`.

    Returns:
        (B, R, M).
    """
    mask = ~_same_region(chosen, chosen.regions) & chosen.valid.unsqueeze(1)  # (B, R, R)
    if joint:
        return _masked_attend(query, sent, mask, kernel)
    logits = torch.matmul(query, sent.transpose(1, 2))
    starts = torch.ones_like(chosen.valid)
    starts[:, 1:] = chosen.regions[:, 1:] != chosen.regions[:, :-1]
    return torch.matmul(_softmax_by_group(logits, starts.cumsum(dim=1) - 1, mask), sent)


def distribute(
    receiver: Tensor,
    sent: Tensor,
    chosen: Representatives,
    labels: Tensor,
    *,
    kernel: RegionKernel = "explicit",
) -> Tensor:
    """Eq. 8's sum: what a pixel receives from its region's representatives.

    Args:
        receiver: (B, N, M) A_i.
        sent: (B, R, M) J(p) A^g.
        chosen: the representatives.
        labels: (B, N) regions.
        kernel: see `attend`.

    Returns:
        (B, N, M).
    """
    return _masked_attend(receiver, sent, _same_region(chosen, labels).transpose(1, 2), kernel)


def _same_region(chosen: Representatives, labels: Tensor) -> Tensor:
    """(B, R, N): whether a representative, not a padded entry, is of a pixel's region."""
    return (chosen.regions.unsqueeze(2) == labels.unsqueeze(1)) & chosen.valid.unsqueeze(2)


def _masked_attend(query: Tensor, sent: Tensor, mask: Tensor, kernel: RegionKernel) -> Tensor:
    """Attention without a scale, its keys being its values; zero where a row has no key."""
    empty = ~mask.any(dim=2, keepdim=True)
    received = attend(query, sent, sent, scale=1.0, mask=mask | empty, kernel=kernel)
    return received.masked_fill(empty, 0.0)


def _softmax_by_group(logits: Tensor, group: Tensor, mask: Tensor) -> Tensor:
    """Softmax of each row within groups of its columns.

    Args:
        logits: (B, R, R).
        group: (B, R) integers below R, the group of a column.
        mask: (B, R, R); False takes weight 0. A group without a True has weight 0 everywhere.
    """
    columns = group.unsqueeze(1).expand_as(logits)
    # The maximum of each group keeps exp() in range; its own gradient cancels.
    lowest = torch.finfo(logits.dtype).min
    logits = logits.masked_fill(~mask, lowest)
    largest = torch.full_like(logits, lowest).scatter_reduce(2, columns, logits.detach(), "amax")
    exponential = (logits - largest.gather(2, columns)).exp().masked_fill(~mask, 0.0)
    total = torch.zeros_like(logits).scatter_add(2, columns, exponential)
    # An empty group's is 0. Not `clamp`: the largest of a group adds exp(0) = 1 to its total, and
    # at the bound itself some releases of PyTorch give that total no gradient.
    return exponential / torch.where(total > 0, total, 1.0).gather(2, columns)


def _replace(base: Tensor, context: Tensor, chosen: Representatives) -> Tensor:
    """`base` (B, N, M) with the representatives' rows replaced by `context` (B, R, M)."""
    change = (context - take(base, chosen.pixels)) * chosen.valid.unsqueeze(2).to(base.dtype)
    index = chosen.pixels.unsqueeze(2).expand_as(change)
    return base.scatter_add(1, index, change)
