"""What trained networks say of validation images, and where they are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from context_modules.losses import VOID
from harness.present.pictures import panels
from harness.present.plots.canvas import house, short
from harness.training.kept import KeptNetwork

WRONG, VOID_COLOUR = "#D55E00", "#C8C8C8"
_MOST_WITH_ERRORS = 2  # networks beside one another whose errors have a panel of their own


@dataclass(frozen=True)
class Predicted:
    """An image and what several networks say of it."""

    image: Tensor  # (3, H, W)
    labels: Tensor  # (H, W) integers, void 255
    said: Mapping[str, Tensor]  # (H, W) classes, by what the network is called


def draw_predictions(
    found: Mapping[int, Predicted], *, classes: Sequence[str] = (), errors: bool | None = None
) -> Figure:
    """Draw images, their labels, predictions and errors: a row for each image.

    Below each prediction stands its share of right pixels, void left out.

    Args:
        found: by the number of the image.
        classes: names of the classes.
        errors: whether errors have a panel of their own; for few networks they have if absent.
    """
    names = list(next(iter(found.values())).said)
    apart = len(names) <= _MOST_WITH_ERRORS if errors is None else errors
    maps = [m for each in found.values() for m in (each.labels, *each.said.values())]
    known = panels.Classes.of(*maps, names=classes)
    columns = 2 + len(names) * (2 if apart else 1)
    height, width = next(iter(found.values())).labels.shape
    with house():
        panel = 6.6 / columns * height / width + 0.4  # inches
        figure, axes = panels.panel_grid(len(found) * panel + 0.7, len(found), columns)
        for row, (index, each) in zip(axes, found.items(), strict=True):
            panel_of = iter(row)
            panels.draw_image(row[0], each.image)
            row[0].set_ylabel(f"image {index}", fontsize=panels.TITLE_SIZE)
            next(panel_of)
            panels.draw_labels(next(panel_of), each.labels, known)
            for name, said in each.said.items():
                axes_of = next(panel_of)
                panels.draw_labels(axes_of, said, known, title=short(name, 84 // columns))
                axes_of.set_xlabel(_right(said, each.labels), fontsize=panels.CAPTION_SIZE)
                if apart:
                    _draw_errors(next(panel_of), said, each.labels)
        every = torch.cat([m.flatten() for m in maps])
        known.foot(figure, every)
    return figure


def _right(said: Tensor, labels: Tensor) -> str:
    right = (said == labels)[labels != VOID]
    return f"{float(right.float().mean()):.1%} right" if right.numel() else "no labelled pixel"


def _draw_errors(axes: Axes, said: Tensor, labels: Tensor) -> None:
    wrong = ((said != labels) & (labels != VOID)).long()
    wrong[labels == VOID] = 2
    panels.draw_areas(axes, wrong, (0, 1), ("#F4F4F4", WRONG), VOID_COLOUR)
    axes.set_title("errors", fontsize=panels.TITLE_SIZE)


def of_trained(networks: Mapping[str, KeptNetwork], images: Sequence[int]) -> Figure:
    """Draw what trained networks say of images, as the evaluation sees them."""
    first = next(iter(networks.values()))
    return draw_predictions(
        {index: predicted(networks, index) for index in images}, classes=first.plan.val.classes
    )


def predicted(networks: Mapping[str, KeptNetwork], index: int) -> Predicted:
    """What trained networks say of an image."""
    sample = next(iter(networks.values())).sample(index)
    said = {name: each.prediction(index) for name, each in networks.items()}
    return Predicted(sample.image, sample.labels, said)
