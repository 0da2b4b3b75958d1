"""The Affinity Loss of CPNet from a prior that is nowhere held, a block of its rows at a time."""

import torch
from torch import Tensor
from torch.nn import functional as F

from context_modules.affinity_loss import AffinityLoss
from context_modules.blocks import in_blocks
from context_modules.implicit_prior import ImplicitPrior
from context_modules.prior_operator import sum_by_triton

_EPSILON = 1e-12  # as of `AffinityLoss`


class FusedAffinityLoss(AffinityLoss):
    """`AffinityLoss` of an `ImplicitPrior`: the same function, without any map of N x N.

        output, prior = layer.implicit_forward(features)
        loss = segmentation_loss(classifier(output), labels) + fused_loss(prior, small_labels)

    A row of the prior counts in both terms by a few sums over it (Eq. 1 to 4), so that blocks of
    rows are made, summed and dropped, and made again in the backward; those of a layer with
    `kernel: triton` by kernels. Arguments are those of `AffinityLoss`; a prior that is a map is
    taken as there.
    """

    def forward(self, prior: Tensor | ImplicitPrior, labels: Tensor) -> Tensor:
        """The complete loss, L_p (Eq. 6): see `AffinityLoss.forward`."""
        if isinstance(prior, Tensor):
            return super().forward(prior, labels)
        unary, global_ = self.implicit_terms(prior, labels)
        return self.unary_weight * unary + self.global_weight * global_

    def implicit_terms(self, prior: ImplicitPrior, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The unary and the global term, without their weights.

        Raises:
            ValueError: the labels are not of the prior's map.
            NotImplementedError: of a prior by kernels in Triton, as the layer that made it.
        """
        batch, pixels, _ = prior.features.shape
        if labels.dim() != 3 or labels.flatten(1).shape != (batch, pixels):
            raise ValueError(
                f"labels must be ({batch}, H, W) with H * W = {pixels}, not "
                f"{tuple(labels.shape)}; bring them to the size of the feature map with "
                "downsample_labels"
            )
        flat = labels.flatten(1)
        released = self.form == "released"
        terms = _released_terms if released else _terms
        if prior.scale is not None:
            sums = sum_by_triton(
                prior.features, prior.weight, prior.scale, prior.bias, flat,
                ignore_index=self.ignore_index, diagonal=self.diagonal, released=released,
            )  # fmt: skip
            return terms(sums)
        position = torch.arange(pixels, device=labels.device).expand(batch, -1)

        def some(features: Tensor, own: Tensor, at: Tensor) -> Tensor:
            p = prior.rows(features)
            if p.dtype in (torch.float16, torch.bfloat16):
                p = p.float()
            others = at.unsqueeze(2) != position.unsqueeze(1)
            same = own.unsqueeze(2) == flat.unsqueeze(1)
            if released:
                return _released_sums(p, same, others)
            pairs = (own != self.ignore_index).unsqueeze(2)
            pairs = pairs & (flat != self.ignore_index).unsqueeze(1)
            return _sums(p, same, pairs if self.diagonal else pairs & others)

        return terms(in_blocks(some, (prior.features, flat, position), prior.step))


def _sums(p: Tensor, same: Tensor, pairs: Tensor) -> Tensor:
    """Of rows (B, n, N): what Eq. 1 to 4 sum along them, and over how many: (B, n, 6)."""
    agreement = torch.where(same, p, 1 - p)
    intra, inter = same & pairs, ~same & pairs
    logarithm = agreement.clamp_min(_EPSILON).log()
    along = (
        logarithm.masked_fill(~pairs, 0.0), agreement.masked_fill(~intra, 0.0),
        agreement.masked_fill(~inter, 0.0), p.masked_fill(~pairs, 0.0), intra, inter,
    )  # fmt: skip
    return torch.stack([each.sum(dim=2).to(p.dtype) for each in along], dim=2)


def _terms(sums: Tensor) -> tuple[Tensor, Tensor]:
    logarithm, true_intra, true_inter, predicted, intra, inter = sums.unbind(2)
    unary = -logarithm.sum() / (intra + inter).sum().clamp_min(1)
    true_intra, true_inter, predicted, intra_log, inter_log = (
        each.clamp_min(_EPSILON).log() for each in (true_intra, true_inter, predicted, intra, inter)
    )
    kinds = (
        (true_intra - predicted, intra),  # Eq. 2
        (true_intra - intra_log, intra),  # Eq. 3
        (true_inter - inter_log, inter),  # Eq. 4
    )
    means = [
        value.masked_fill(count == 0, 0.0).sum() / (count > 0).sum().clamp_min(1)
        for value, count in kinds
    ]
    return unary, -(means[0] + means[1] + means[2])  # Eq. 5


def _released_sums(p: Tensor, same: Tensor, others: Tensor) -> Tensor:
    """As `_sums`, of what the released code counts."""
    intra, inter = same & others, ~same
    along = (
        -F.binary_cross_entropy(p, same.to(p.dtype), reduction="none"),
        p.masked_fill(~intra, 0.0), (1 - p).masked_fill(~inter, 0.0), p, intra, inter,
    )  # fmt: skip
    return torch.stack([each.sum(dim=2).to(p.dtype) for each in along], dim=2)


def _released_terms(sums: Tensor) -> tuple[Tensor, Tensor]:
    logarithm, true_intra, true_inter, predicted, intra, inter = sums.unbind(2)
    pixels = logarithm.shape[1]
    shares = ((true_intra, predicted), (true_intra, intra), (true_inter, inter))
    total = logarithm.new_zeros(())
    for part, whole in shares:
        share = part / torch.where(whole > 0, whole, 1.0)
        total = total + F.binary_cross_entropy(share, torch.ones_like(share))
    return -logarithm.sum() / (logarithm.numel() * pixels), total
