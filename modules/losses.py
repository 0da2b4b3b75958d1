"""Losses over the pixels of a segmentation: cross entropy, with and without hard example mining."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The label that Cityscapes, ADE20K and COCO-Stuff tools give to pixels that no class is asked of.
VOID = 255


class CrossEntropy(nn.Module):
    """Mean cross entropy over the labelled pixels: logits (B, K, H, W), labels (B, H, W) -> scalar.

    As PyTorch's own, with two differences: a batch without any labelled pixel costs 0 with zero
    gradients instead of NaN, and half precision is raised to float32 inside.

    Args:
        ignore_index: label of pixels without a class; they take no part.
        class_weights: one factor per class; the mean is then weighted by them.

    Raises:
        ValueError: in `forward`, labels or weights that do not fit the logits.
    """

    class_weights: Tensor | None

    def __init__(
        self, *, ignore_index: int = VOID, class_weights: tuple[float, ...] | None = None
    ) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.register_buffer("class_weights", _weights(class_weights))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (B, K, ...) floating.
            labels: (B, ...) integers in 0 ... K - 1, or `ignore_index`.

        Returns:
            Scalar, float32 or float64.
        """
        losses = _pixel_losses(logits, labels, self.ignore_index)
        return _weighted_mean(losses, self._pixel_weights(logits, labels, losses))

    def _pixel_weights(self, logits: Tensor, labels: Tensor, losses: Tensor) -> Tensor:
        """The weight of each pixel, (B, ...): its class's, and 0 for void."""
        labelled = labels != self.ignore_index
        if self.class_weights is None:
            return labelled.to(losses)
        if len(self.class_weights) != logits.shape[1]:
            raise ValueError(
                f"class_weights has {len(self.class_weights)} entries for {logits.shape[1]} classes"
            )
        known = torch.where(labelled, labels, 0).long()
        return self.class_weights.to(losses)[known] * labelled


class OHEMCrossEntropy(CrossEntropy):
    """Cross entropy over the hard pixels of a batch: (B, K, H, W) and (B, H, W) -> scalar.

    Online hard example mining (Shrivastava et al., CVPR 2016) in the form that segmentation uses,
    the bootstrapped cross entropy of Wu et al. 2016 with a floor: a pixel is kept where the
    predicted probability of its own class lies below `threshold`, and the `min_kept` hardest pixels
    are kept in any case. Ties at that border are all kept; if fewer pixels are labelled, all are.

    Hardness is judged without class weights and without gradient. A NaN counts as hard, so that a
    diverged network shows. One `topk` over the pixels of the batch; no copy of the logits and no
    shape that depends on values.

    Args:
        threshold: probability below which a pixel is hard; 0.7 in common practice, 0 keeps the
            `min_kept` hardest alone.
        min_kept: least number of pixels kept of one batch (of one process), not of one image.
        ignore_index: label of pixels without a class; they take no part.
        class_weights: one factor per class; the mean over the kept pixels is weighted by them.

    Raises:
        ValueError: `threshold` is not in 0 ... 1, `min_kept` is negative, or both are 0; in
            `forward`, labels or weights that do not fit the logits.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.7,
        min_kept: int = 100_000,
        ignore_index: int = VOID,
        class_weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__(ignore_index=ignore_index, class_weights=class_weights)
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold is a probability, 0 to 1; got {threshold}")
        if min_kept < 0:
            raise ValueError(f"min_kept must not be negative; got {min_kept}")
        if threshold == 0.0 and min_kept == 0:
            raise ValueError("threshold 0 and min_kept 0 keep no pixel; raise one of them")
        self.threshold = threshold
        self.min_kept = min_kept

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits: (B, K, ...) floating.
            labels: (B, ...) integers in 0 ... K - 1, or `ignore_index`.

        Returns:
            Scalar, float32 or float64.
        """
        losses = _pixel_losses(logits, labels, self.ignore_index)
        weights = self._pixel_weights(logits, labels, losses)
        return _weighted_mean(losses, weights * self._hard(losses, labels))

    @torch.no_grad()
    def _hard(self, losses: Tensor, labels: Tensor) -> Tensor:
        """Which pixels are kept, (B, ...) booleans; void pixels may be among them."""
        border = -math.log(self.threshold) if self.threshold > 0.0 else math.inf
        easy = losses <= border
        kept = min(self.min_kept, losses.numel())
        if kept > 0:
            hardness = losses.masked_fill(labels == self.ignore_index, -math.inf).flatten()
            # topk, since kthvalue has no deterministic CUDA kernel.
            easy &= losses < hardness.topk(kept, sorted=False).values.min()
        return ~easy


def _pixel_losses(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Negative log-probability of each pixel's class, (B, ...); 0 for void."""
    expected = (logits.shape[0], *logits.shape[2:])
    if tuple(labels.shape) != expected:
        raise ValueError(
            f"labels must be {expected} for logits {tuple(logits.shape)}, not "
            f"{tuple(labels.shape)}; bring the logits to the size of the labels first"
        )
    precise = logits if logits.dtype == torch.float64 else logits.float()
    return F.cross_entropy(precise, labels.long(), ignore_index=ignore_index, reduction="none")


def _weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    total = weights.sum()
    return (losses * weights).sum() / torch.where(total > 0, total, 1.0)


def _weights(class_weights: Sequence[float] | None) -> Tensor | None:
    return None if class_weights is None else torch.tensor([float(w) for w in class_weights])
