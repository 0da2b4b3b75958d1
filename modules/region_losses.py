"""The four losses that train RANet (Section 4)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.boundary import VOID, boundary_labels
from context_modules.region_attention import RegionScores


class RegionLossTerms(NamedTuple):
    """The terms before their weights, and their weighted sum; scalars.

    Attributes:
        final: cross entropy of the final segmentation.
        auxiliary: cross entropy of the auxiliary segmentation; 0 without one.
        semantic: cross entropy of the semantic score maps C.
        boundary: binary cross entropy of the boundary score map B.
        total: what to minimise.
    """

    final: Tensor
    auxiliary: Tensor
    semantic: Tensor
    boundary: Tensor
    total: Tensor


class RegionLosses(nn.Module):
    """Cross entropy of the final and the auxiliary segmentation, of C and of B.

    "We use the cross-entropy loss to penalize all of the training error" (RANet, Section 4): B and
    C have targets of their own besides the gradient that J brings them. Logits are resized
    bilinearly to the labels, so that boundaries are learnt as thin as they are annotated. The
    paper prints no weights: 0.4 for the auxiliary segmentation is PSPNet's (Zhao et al. 2017,
    Section 5.2), 1 for the others weighs them as their sum does.

    Args:
        auxiliary_weight: of the auxiliary segmentation.
        semantic_weight: of C.
        boundary_weight: of B.
        boundary_radius: see `boundary_labels`, in pixels of the labels.
        balanced: weigh boundary pixels by the share of the others and the others by the share of
            boundary pixels (CASENet, Eq. 1), since boundaries are rare.
        void: label of pixels that take no part.
    """

    def __init__(
        self,
        *,
        auxiliary_weight: float = 0.4,
        semantic_weight: float = 1.0,
        boundary_weight: float = 1.0,
        boundary_radius: int = 2,
        balanced: bool = False,
        void: int = VOID,
    ) -> None:
        super().__init__()
        weights = {
            "auxiliary_weight": auxiliary_weight,
            "semantic_weight": semantic_weight,
            "boundary_weight": boundary_weight,
        }
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f"{name} is {weight}; use 0 to leave the term out")
        self.auxiliary_weight = auxiliary_weight
        self.semantic_weight = semantic_weight
        self.boundary_weight = boundary_weight
        self.boundary_radius = boundary_radius
        self.balanced = balanced
        self.void = void

    def forward(
        self,
        final: Tensor,
        scores: RegionScores,
        labels: Tensor,
        auxiliary: Tensor | None = None,
    ) -> RegionLossTerms:
        """Compare with the annotation.

        Args:
            final: (B, classes, h, w) logits of the final segmentation.
            scores: logits of B (B, h', w') and C (B, classes, h', w').
            labels: (B, H, W) integer labels.
            auxiliary: (B, classes, h'', w'') logits of an auxiliary segmentation, if there is one.
        """
        edges = boundary_labels(labels, radius=self.boundary_radius, void=self.void)
        final_loss = cross_entropy(final, labels, void=self.void)
        semantic = cross_entropy(scores.categories, labels, void=self.void)
        boundary = boundary_cross_entropy(
            scores.boundary, edges, balanced=self.balanced, void=self.void
        )
        if auxiliary is None:
            extra = torch.zeros_like(final_loss)
        else:
            extra = cross_entropy(auxiliary, labels, void=self.void)
        total = (
            final_loss
            + self.auxiliary_weight * extra
            + self.semantic_weight * semantic
            + self.boundary_weight * boundary
        )
        return RegionLossTerms(final_loss, extra, semantic, boundary, total)


def cross_entropy(logits: Tensor, labels: Tensor, *, void: int = VOID) -> Tensor:
    """Mean cross entropy over the pixels that are not void; 0 where all are.

    Args:
        logits: (B, classes, h, w), resized to the labels.
        labels: (B, H, W).
        void: label that takes no part.
    """
    resized = _resize(logits, labels)
    total = F.cross_entropy(resized, labels, ignore_index=void, reduction="sum")
    return total / (labels != void).sum().clamp(min=1)


def boundary_cross_entropy(
    logits: Tensor, edges: Tensor, *, balanced: bool = False, void: int = VOID
) -> Tensor:
    """Mean binary cross entropy over the pixels that are not void; 0 where all are.

    Args:
        logits: (B, h, w), resized to the labels.
        edges: (B, H, W) of 0, 1 and `void`.
        balanced: weigh the two classes by the share of the other (CASENet, Eq. 1).
        void: label that takes no part.
    """
    resized = _resize(logits.unsqueeze(1), edges).squeeze(1)
    known = edges != void
    positive = edges == 1
    count = known.sum().clamp(min=1)
    weight = known.to(resized.dtype)
    if balanced:
        share = positive.sum() / count
        weight = weight * torch.where(positive, 1 - share, share).to(resized.dtype)
    total = F.binary_cross_entropy_with_logits(
        resized, positive.to(resized.dtype), weight=weight, reduction="sum"
    )
    return total / count


def _resize(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.shape[2:] == labels.shape[1:]:
        return logits
    return F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
