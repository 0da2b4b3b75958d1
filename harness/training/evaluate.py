"""Evaluation: the scores of a network on the validation images of a data set."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.training.augment import normalise
from harness.training.boundary_score import BoundaryScore
from harness.training.confusion import Confusion
from harness.training.data.dataset import SegmentationData
from harness.training.predict import Views, predict
from harness.training.recipe import EvaluationSpec, RecipeSpec


@dataclass(frozen=True)
class Scores:
    """What a network reaches; shares in [0, 1], NaN where nothing defines them.

    Attributes:
        miou: mean intersection over union.
        pixel_acc: share of right pixels.
        class_iou: class: intersection over union.
        boundary_f: mean boundary F-score at the first tolerance; `None` if not asked for.
        class_boundary_f: tolerance in pixels: class: F.
        images: how many were judged.
    """

    miou: float
    pixel_acc: float
    class_iou: dict[str, float]
    boundary_f: float | None
    class_boundary_f: dict[int, dict[str, float]]
    images: int


def evaluate(
    network: nn.Module,
    data: SegmentationData,
    recipe: RecipeSpec,
    views: Views,
    *,
    boundary: tuple[int, ...] = (),
    device: torch.device | str = "cpu",
) -> Scores:
    """Judge a network in evaluation mode.

    Args:
        network: (B, 3, H, W) -> (B, K, H, W) logits.
        data: validation images with labels; sizes may differ from image to image.
        recipe: mean and deviation of the images.
        views: scales, mirroring and crops; `views.batch` images of one size go together.
        boundary: tolerances of the boundary F-score, in pixels.
        device: where the network is.

    Raises:
        LabelError: the data has labels that are no class of it.
    """
    names = tuple(data.classes)
    confusion, contour = Confusion(len(names)), BoundaryScore(len(names), boundary)
    network.eval()
    for images, labels in _batches(data, views.batch):
        inputs = normalise(images.to(device), recipe.mean, recipe.std)
        predicted = predict(network, inputs, views).argmax(1)
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
        images=len(data),
    )


def views_of(
    spec: EvaluationSpec, recipe: RecipeSpec, bound_to: tuple[int, int] | None = None
) -> Views:
    """The views that an evaluation asks for.

    Args:
        spec: the evaluation.
        recipe: has the scales of `multi_scale`.
        bound_to: (H, W) of the only images that the network takes, if it is bound to one size;
            crops of that size are taken where none are asked for.
    """
    return Views(
        scales=recipe.test_scales if spec.multi_scale else spec.scales,
        flip=spec.flip or spec.multi_scale,
        crop=spec.crop or bound_to,
        overlap=spec.overlap,
        batch=spec.batch,
    )


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
