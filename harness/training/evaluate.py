"""Evaluation: predictions of whole images or sliding crops, confusion and boundary scores."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.losses import VOID
from context_modules.segmentor import Segmentor
from harness.messages import HarnessError
from harness.suite.recipe import EvaluationSpec, RecipeSpec
from harness.training.batches import normalise
from harness.training.data.dataset import SegmentationData
from harness.training.data.sides import Sides, exchanged, sides_of


@dataclass(frozen=True)
class Scores:
    """What a network reaches; shares in [0, 1], NaN where nothing defines them."""

    miou: float  # mean intersection over union
    pixel_acc: float  # share of right pixels
    class_iou: dict[str, float]  # class: intersection over union
    # mean boundary F-score at the first tolerance; `None` if not asked for
    boundary_f: float | None
    class_boundary_f: dict[int, dict[str, float]]  # tolerance in pixels: class: F


def evaluate(
    network: nn.Module,
    data: SegmentationData,
    recipe: RecipeSpec,
    views: EvaluationSpec,
    device: torch.device | str = "cpu",
) -> Scores:
    """Judge a network, (B, 3, H, W) -> (B, K, H, W) logits, in evaluation mode.

    Raises:
        LabelError: the data has labels that are no class of it.
    """
    names, sides = tuple(data.classes), sides_of(data)
    confusion, contour = Confusion(len(names)), BoundaryScore(len(names), views.boundary)
    network.eval()
    for images, labels in _batches(data, views.batch):
        inputs = normalise(images.to(device), recipe.mean, recipe.std)
        predicted = predict_probabilities(network, inputs, views, sides).argmax(1)
        truths = labels.to(device)
        confusion.add(predicted, truths)
        for one, truth in zip(predicted, truths, strict=True):
            contour.add(one, truth)
    return Scores(
        miou=confusion.miou(),
        pixel_acc=confusion.pixel_accuracy(),
        class_iou=dict(zip(names, confusion.class_iou(), strict=True)),
        boundary_f=contour.mean(),
        class_boundary_f={
            tolerance: dict(zip(names, values, strict=True))
            for tolerance, values in contour.by_class().items()
        },
    )


def views_of(
    spec: EvaluationSpec, recipe: RecipeSpec, bound_to: tuple[int, int] | None = None
) -> EvaluationSpec:
    """The views that an evaluation asks for, said in full.

    Of a network that is bound to images of one size (H, W) crops of that size are taken where none
    are asked for.
    """
    changes: dict[str, Any] = {"crop": spec.crop or bound_to}
    if spec.multi_scale:
        changes |= {"scales": recipe.test_scales, "flip": True}
    return spec.model_copy(update=changes)


def mean_by_name(several: list[dict[str, float]]) -> dict[str, float]:
    """Means over several runs, name by name; NaN where a run has none."""
    return {name: math.fsum(d[name] for d in several) / len(several) for name in several[0]}


def _batches(data: SegmentationData, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring images of one size, at most `batch` together, in order."""
    images: list[Tensor] = []
    labels: list[Tensor] = []
    for index in range(len(data)):
        sample = data[index]
        if images and (len(images) == batch or images[0].shape != sample.image.shape):
            yield torch.stack(images), torch.stack(labels)
            images, labels = [], []
        images.append(sample.image)
        labels.append(sample.labels)
    if images:
        yield torch.stack(images), torch.stack(labels)


Logits = Callable[[Tensor], Tensor]
"""A network in use: (B, 3, h, w) -> (B, K, h, w) logits."""


@torch.no_grad()
def predict_probabilities(
    network: Logits, images: Tensor, views: EvaluationSpec, sides: Sides = ()
) -> Tensor:
    """Average the probabilities of all views (CPNet, Section 4.1, "Inference").

    Each view is brought to the size of the image and passed through a softmax before the mean. In a
    mirrored view `sides` exchange their probabilities: its left arm is the image's right one.

    (B, 3, H, W), normalised -> (B, K, H, W) float32, sums of 1 over K.
    """
    size = images.shape[-2:]
    total: Tensor | None = None
    for view, mirrored in _views(images, views):
        if views.crop is None:
            logits = network(view).float()
        else:
            logits = sliding(network, view, views.crop, overlap=views.overlap, batch=views.batch)
        if logits.shape[-2:] != size:
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        probabilities = logits.softmax(1)
        if mirrored:
            probabilities = probabilities.flip(-1)
            if sides:
                order = exchanged(probabilities.shape[1], sides)
                probabilities = probabilities[:, order.to(probabilities.device)]
        total = probabilities if total is None else total.add_(probabilities)
    assert total is not None, "there is at least one scale"
    return total.div_(len(views.scales) * (2 if views.flip else 1))


def _views(images: Tensor, views: EvaluationSpec) -> Iterator[tuple[Tensor, bool]]:
    """The images at each scale, and whether they are mirrored."""
    height, width = images.shape[-2:]
    for scale in views.scales:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        scaled = images
        if size != (height, width):
            scaled = F.interpolate(images, size, mode="bilinear", align_corners=False)
        yield scaled, False
        if views.flip:
            yield scaled.flip(-1), True


def sliding(
    network: Logits,
    images: Tensor,
    crop: tuple[int, int],
    *,
    overlap: float = 1 / 3,
    batch: int = 8,
) -> Tensor:
    """Logits of overlapping crops, averaged where they overlap: (B, 3, H, W) -> (B, K, H, W).

    Every crop has exactly the size `crop`, as a network with one map size needs: the last ones are
    moved back into the image, and an image that is smaller is padded by 0, the mean, to the right
    and below.
    """
    height, width = images.shape[-2:]
    padding = (0, max(0, crop[1] - width), 0, max(0, crop[0] - height))
    padded = F.pad(images, padding) if any(padding) else images
    places = [
        (top, left)
        for top in starts(padded.shape[-2], crop[0], overlap)
        for left in starts(padded.shape[-1], crop[1], overlap)
    ]
    at_once = max(1, batch // images.shape[0])
    total: Tensor | None = None
    counts = padded.new_zeros(1, 1, *padded.shape[-2:], dtype=torch.float32)
    for first in range(0, len(places), at_once):
        group = places[first : first + at_once]
        windows = [padded[..., y : y + crop[0], x : x + crop[1]] for y, x in group]
        logits = network(torch.cat(windows)).float()
        if total is None:
            total = logits.new_zeros(images.shape[0], logits.shape[1], *padded.shape[-2:])
        for (top, left), part in zip(group, logits.chunk(len(group)), strict=True):
            window = (..., slice(top, top + crop[0]), slice(left, left + crop[1]))
            total[window] += part
            counts[window] += 1
    assert total is not None, "there is at least one crop"
    return (total / counts)[..., :height, :width]


def starts(size: int, crop: int, overlap: float) -> list[int]:
    """Where crops begin along a side: evenly, the last one at the end of the side."""
    stride = max(1, round(crop * (1 - overlap)))
    last = max(0, size - crop)
    return [*range(0, last, stride), last]


class LabelError(HarnessError):
    """Labels or predictions that are no class of the data."""


class Confusion:
    """Pixels by annotated class (row) and predicted class (column), summed over images.

    Scores are those of Cityscapes and ADE20K (CPNet, Section 4.1: mIoU and pixAcc): the counts of
    all images are summed first, void pixels take no part, and a class that neither the annotation
    nor the prediction has is left out of the mean.
    """

    def __init__(self, classes: int) -> None:
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)  # (K, K)

    def add(self, predicted: Tensor, labels: Tensor) -> None:
        """Count images: (..., H, W) classes in 0 ... K - 1, void 255 in the labels.

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

    Tolerances are in pixels; 12, 9, 5 and 3 in OCNet's Table 6.
    """

    def __init__(self, classes: int, tolerances: Sequence[int]) -> None:
        self.tolerances = tuple(tolerances)
        self._sums = torch.zeros(len(self.tolerances), classes, dtype=torch.float64)
        self._images = torch.zeros(classes, dtype=torch.int64)

    def add(self, predicted: Tensor, labels: Tensor) -> None:
        """Count one image: (H, W) classes, void 255 in the labels."""
        known = labels != VOID
        present = torch.unique(labels[known]).long()
        if present.numel() == 0 or not self.tolerances:
            return
        annotated = class_boundaries(labels, known, present)
        guessed = class_boundaries(predicted, known, present)
        self._images[present.cpu()] += 1
        for row, tolerance in enumerate(self.tolerances):
            self._sums[row, present.cpu()] += _f_scores(guessed, annotated, tolerance).cpu()

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
    """Boundary pixels of (C,) classes: (H, W) classes, (H, W) known -> (C, H, W) booleans."""
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
    precision, recall = hits / guesses.clamp_min(1), found / truths.clamp_min(1)
    both = precision + recall
    score = 2 * precision * recall / torch.where(both > 0, both, 1.0)
    return torch.where((guesses == 0) & (truths == 0), 1.0, score)


class CoarseError(HarnessError):
    """A network without a coarse segmentation."""


class CoarseSegmentation(nn.Module):
    """The semantic score maps C of RANet as a segmentation of their own (Section 5.3, Table 4).

    (B, 3, H, W) -> (B, classes, H, W) logits, upsampled as the final ones are.
    """

    def __init__(self, network: Segmentor) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the coarse segmentation.

        Raises:
            CoarseError: the context module has none.
        """
        network = self.network
        _, extras = network.contextual(network.backbone.features(images))
        categories = extras.get("categories")
        if not isinstance(categories, Tensor):
            raise CoarseError(
                f"{type(network.context).__name__} makes no coarse segmentation; remove "
                "evaluation: segmentation, or take a module with semantic score maps "
                "(region_attention)"
            )
        return F.interpolate(
            categories,
            size=tuple(images.shape[-2:]),
            mode="bilinear",
            align_corners=network.align_corners,
        )
