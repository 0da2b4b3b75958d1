"""The boundary F-score of a segmentation."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from context_modules.losses import VOID
from harness.training.confusion import mean_of_defined


class BoundaryScore:
    """Boundary F-score by class and tolerance, averaged over images (OCNet, Table 6).

    The measure is that of Perazzi et al. 2016 (DAVIS, Section 4: contour accuracy) as Takikawa et
    al. 2019 (Gated-SCNN, Section 4.2) bring it to segmentation: precision is the share of the
    predicted boundary that lies within the tolerance of the annotated one, recall the converse, F
    their harmonic mean. Both papers match by dilation, not one to one, and so does this.

    What they leave open:
        * A pixel of a class is on its boundary where one of its four neighbours is labelled and of
          another class; the border of the image makes none, and neither does void.
        * Void pixels are no part of the predicted boundary either: nothing is known of them.
        * Distances are Euclidean, in pixels of the annotation.
        * An image counts for the classes that its annotation has. Where a class fills all that is
          labelled and is predicted so, there is no boundary to miss: F is 1.

    Args:
        classes: K.
        tolerances: in pixels; 12, 9, 5 and 3 in OCNet's Table 6.
    """

    def __init__(self, classes: int, tolerances: Sequence[int]) -> None:
        self.tolerances = tuple(tolerances)
        self._sums = torch.zeros(len(self.tolerances), classes, dtype=torch.float64)
        self._images = torch.zeros(classes, dtype=torch.int64)

    def add(self, predicted: Tensor, labels: Tensor) -> None:
        """Count one image.

        Args:
            predicted: (H, W) classes.
            labels: (H, W) classes, void 255.
        """
        known = labels != VOID
        present = torch.unique(labels[known]).long()
        if present.numel() == 0 or not self.tolerances:
            return
        annotated = class_boundaries(labels, known, present)
        guessed = class_boundaries(predicted, known, present)
        self._images[present.cpu()] += 1
        for row, tolerance in enumerate(self.tolerances):
            scores = _f_scores(guessed, annotated, tolerance)
            self._sums[row, present.cpu()] += scores.cpu()

    def by_class(self) -> dict[int, list[float]]:
        """Tolerance: F of each class, NaN where no image has it."""
        images = self._images.tolist()
        return {
            tolerance: [
                total / count if count else math.nan
                for total, count in zip(self._sums[row].tolist(), images, strict=True)
            ]
            for row, tolerance in enumerate(self.tolerances)
        }

    def mean(self) -> float | None:
        """Mean over the classes at the first tolerance; `None` without tolerances."""
        if not self.tolerances:
            return None
        return mean_of_defined(self.by_class()[self.tolerances[0]])


def class_boundaries(segmentation: Tensor, known: Tensor, classes: Tensor) -> Tensor:
    """Boundary pixels of classes: (H, W) classes -> (C, H, W) booleans, see `BoundaryScore`.

    Args:
        segmentation: (H, W).
        known: (H, W) booleans; other pixels have no class.
        classes: (C,) the classes asked for.
    """
    edge = torch.zeros_like(known)
    for axis in (0, 1):
        low = segmentation.narrow(axis, 0, segmentation.shape[axis] - 1)
        high = segmentation.narrow(axis, 1, segmentation.shape[axis] - 1)
        both = known.narrow(axis, 0, low.shape[axis]) & known.narrow(axis, 1, low.shape[axis])
        change = (low != high) & both
        edge.narrow(axis, 0, low.shape[axis]).logical_or_(change)
        edge.narrow(axis, 1, low.shape[axis]).logical_or_(change)
    return edge & (segmentation == classes[:, None, None].to(segmentation))


def dilate(masks: Tensor, radius: int) -> Tensor:
    """All pixels within a Euclidean distance: (C, H, W) booleans -> (C, H, W).

    A disc is a stack of horizontal bars: one running maximum per row of it.
    """
    height = masks.shape[-2]
    spread = torch.zeros_like(masks)
    bars: dict[int, Tensor] = {}
    for dy in range(-min(radius, height - 1), min(radius, height - 1) + 1):
        half = math.isqrt(radius * radius - dy * dy)
        if half not in bars:
            pooled = F.max_pool2d(masks[:, None].float(), (1, 2 * half + 1), 1, (0, half))
            bars[half] = pooled[:, 0] > 0
        length = height - abs(dy)
        target = spread.narrow(-2, max(0, dy), length)
        target.logical_or_(bars[half].narrow(-2, max(0, -dy), length))
    return spread


def _f_scores(guessed: Tensor, annotated: Tensor, tolerance: int) -> Tensor:
    """(C, H, W) boundaries -> (C,) float64."""
    hits = (guessed & dilate(annotated, tolerance)).flatten(1).sum(1).double()
    found = (annotated & dilate(guessed, tolerance)).flatten(1).sum(1).double()
    guesses = guessed.flatten(1).sum(1)
    truths = annotated.flatten(1).sum(1)
    precision = hits / guesses.clamp_min(1)
    recall = found / truths.clamp_min(1)
    both = precision + recall
    score = 2 * precision * recall / torch.where(both > 0, both, 1.0)
    return torch.where((guesses == 0) & (truths == 0), 1.0, score)
