"""The confusion matrix of a segmentation, and the scores that are read from it."""

import math

import torch
from torch import Tensor

from context_modules.losses import VOID
from harness.errors import HarnessError


class LabelError(HarnessError):
    """Labels or predictions that are no class of the data."""


class Confusion:
    """Pixels by annotated class (row) and predicted class (column), summed over images.

    Scores are those of Cityscapes and ADE20K (CPNet, Section 4.1: mIoU and pixAcc): the counts of
    all images are summed first, void pixels take no part, and a class that neither the annotation
    nor the prediction has is left out of the mean.

    Args:
        classes: K.

    Attributes:
        counts: (K, K) int64.
    """

    def __init__(self, classes: int) -> None:
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, predicted: Tensor, labels: Tensor) -> None:
        """Count images.

        Args:
            predicted: (..., H, W) classes in 0 ... K - 1.
            labels: (..., H, W) classes, void 255.

        Raises:
            LabelError: a class is not below K, or the shapes differ.
        """
        if predicted.shape != labels.shape:
            raise LabelError(
                f"predictions are {tuple(predicted.shape)}, labels {tuple(labels.shape)}; "
                "bring them to one size"
            )
        classes = self.counts.shape[0]
        known = labels != VOID
        annotated, guessed = labels[known].long(), predicted[known].long()
        for what, values in (("labels", annotated), ("predictions", guessed)):
            if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < classes:
                raise LabelError(
                    f"{what} hold classes from {int(values.min())} to {int(values.max())}, but the "
                    f"data has {classes}; map others to {VOID}"
                )
        pairs = torch.bincount(annotated * classes + guessed, minlength=classes**2)
        self.counts += pairs.view(classes, classes).cpu()

    def class_iou(self) -> list[float]:
        """Intersection over union of each class, in [0, 1]; NaN where its union is empty."""
        true = self.counts.diagonal().tolist()
        union = (self.counts.sum(0) + self.counts.sum(1) - self.counts.diagonal()).tolist()
        return [hit / all_ if all_ else math.nan for hit, all_ in zip(true, union, strict=True)]

    def miou(self) -> float:
        """Mean of the defined class IoUs; NaN without any labelled pixel."""
        return mean_of_defined(self.class_iou())

    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels that are right; NaN without any."""
        total = int(self.counts.sum())
        return int(self.counts.diagonal().sum()) / total if total else math.nan


def mean_of_defined(values: list[float]) -> float:
    """Mean without NaN; NaN of nothing."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
