"""Object regions of Region Attention and their representative pixels (RANet, Figure 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from context_modules.region_attention import RegionAttention, RegionAuxiliaryHead
from context_modules.region_construction import RegionConstruction, Regions
from context_modules.region_interaction import select_representatives
from context_modules.region_losses import RegionLosses
from harness.present.pictures import PictureError, panels
from harness.present.pictures.shown import Shown
from harness.present.plots.canvas import PALETTE, house, short

REPRESENTATIVES = 4  # as in Figure 5
REGION_COLOURS = (*PALETTE[4:6], *PALETTE[:4])  # the largest region first; black is the dots' rim
SMALL_COLOUR = "#B8B8B8"
DOT = "#2CE02C"  # green, as in Figure 5


@dataclass(frozen=True)
class RegionMaps:
    """What a Region Attention head has found in one image; all maps are (H, W)."""

    regions: Tensor  # integers, the region of each pixel
    representatives: Tensor  # boolean, True at a representative pixel
    scores: Tensor  # representative scores J
    boundary: Tensor  # boundary probabilities B


def draw_regions(
    found: Mapping[str, RegionMaps],
    labels: Tensor,
    *,
    image: Tensor | None = None,
    classes: Sequence[str] = (),
) -> Figure:
    """Draw an image's regions with their representative pixels, and what they come from.

    A row for each head that was asked. Single pixels are grey. Regions of fewer pixels than there
    are representatives in the largest have no dots: each of their pixels is a representative,
    which would hide the others.

    Args:
        found: by what the head is called.
        labels: (H, W) integer classes.
        image: what the labels are of, (1 or 3, H', W'); regions are drawn on it.
        classes: names of the classes.

    Raises:
        ValueError: the shapes differ or are not those of one image.
    """
    maps = [m for each in found.values() for m in vars(each).values()]
    if labels.dim() != 2 or any(m.shape != labels.shape for m in maps):
        raise ValueError(
            "regions, representatives, scores, boundary and labels must be (H, W) of one image, "
            f"but they are {[tuple(m.shape) for m in (*maps, labels)]}; draw the images of a batch "
            "one by one"
        )
    height, width = labels.shape
    known = panels.Classes.of(labels, names=classes)
    columns = 4 if image is None else 5
    with house():
        row_height = 5.7 / columns * height / width + 0.65
        heading = "Region Attention: object regions"
        figure, axes = panels.panel_grid(
            len(found) * row_height + 0.8, len(found), columns, heading
        )
        for row, (name, each) in zip(axes, found.items(), strict=True):
            panel = iter(row)
            if image is not None:
                panels.draw_image(next(panel), image)
            panels.draw_labels(next(panel), labels, known)
            row[0].set_ylabel(short(name, 30), fontsize=panels.TITLE_SIZE)
            panels.draw_map(next(panel), "boundaries B", each.boundary)
            grouped = next(panel)
            if image is not None:
                panels.draw_image(grouped, image.mean(dim=0, keepdim=True), (height, width))
            _draw_grouped(grouped, each, opacity=1.0 if image is None else 0.65)
            drawn = panels.draw_map(next(panel), "scores J", each.scores)
        figure.colorbar(drawn, ax=axes, label="probability, score", **panels.BAR)
        known.foot(figure, labels)
    return figure


def _draw_grouped(axes: Axes, found: RegionMaps, opacity: float) -> None:
    """Regions, one colour each from the largest on, and dots on their representatives."""
    regions, representatives = found.regions.cpu(), found.representatives.cpu()
    names, sizes = torch.unique(regions, return_counts=True)
    order = sizes.argsort(descending=True, stable=True)
    largest = regions == names[order[0]]
    enough = max(1, int(representatives[largest].sum()))
    drawn = [int(names[place]) for place in order if int(sizes[place]) > 1]
    dotted = sum(int(size) >= max(enough, 2) for size in sizes)
    index = panels.draw_areas(axes, regions, drawn, REGION_COLOURS, SMALL_COLOUR, opacity=opacity)
    rows, columns = torch.nonzero(representatives & (index < dotted), as_tuple=True)
    axes.scatter(columns.numpy(), rows.numpy(), s=9, c=DOT, edgecolors="black", linewidths=0.5)
    axes.set_title("regions", fontsize=panels.TITLE_SIZE)
    single = len(names) - len(drawn)
    many = "1 region" if len(drawn) == 1 else f"{len(drawn)} regions"
    pixels = "1 single pixel" if single == 1 else f"{single} single pixels"
    said = f"{many},\n{pixels}" if single else many
    axes.set_xlabel(said, fontsize=panels.CAPTION_SIZE)


def part_of(network: nn.Module) -> RegionAttention | None:
    """The head whose regions are drawn."""
    return next((each for each in network.modules() if isinstance(each, RegionAttention)), None)


def of_trained(shown: Sequence[Shown]) -> Figure:
    """Draw the regions that trained networks find in an image."""
    found = {each.name: regions_of(each) for each in shown}
    sizes = {each.regions.shape for each in found.values()}
    if len(sizes) > 1:
        raise PictureError("their maps have several sizes; draw them one by one")
    (size,) = sizes
    first = shown[0]
    labels = first.labels((size[0], size[1]))
    return draw_regions(found, labels, image=first.sample.image, classes=first.classes)


@torch.no_grad()
def regions_of(shown: Shown) -> RegionMaps:
    """What a trained network finds in its image."""
    head = part_of(shown.network)
    assert head is not None, "the caller has looked"
    x = shown.entering(head)
    scores = head.forward_with_scores(x)[1]
    interaction = head.interaction
    return _region_maps(
        head.regions(scores),
        scores.boundary.sigmoid()[0],
        interaction.representatives,
        interaction.max_regions,
    )


def _region_maps(
    regions: Regions, boundary: Tensor, per_region: int, max_regions: int = 0
) -> RegionMaps:
    chosen = select_representatives(regions, per_region, max_regions=max_regions)
    representatives = torch.zeros_like(boundary, dtype=torch.bool)
    representatives.view(-1)[chosen.pixels[0][chosen.valid[0]]] = True
    labels, scores = (each[0].view(boundary.shape) for each in (regions.labels, regions.scores))
    return RegionMaps(labels, representatives, scores, boundary)


def demonstrate(seed: int = 0) -> Figure:
    """Fit boundary and category scores on the made scene and draw the regions of an unseen view.

    Deterministic; a few seconds on a CPU.
    """
    scene = panels.Scene.made((32, 40), channels=24, noise=0.5, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = RegionAuxiliaryHead(24, channels=16, categories=scene.classes)
    losses = RegionLosses(boundary_radius=1)  # pixels of the map

    def loss(x: Tensor) -> Tensor:
        scores = head(x)
        total: Tensor = losses(scores.categories, scores, scene.labels[None]).total
        return total

    scene.fit(loss, head.parameters(), steps=80)
    with torch.no_grad(), panels.one_thread():
        scores = head.eval()(scene.view)
        boundary = scores.boundary.sigmoid()
        found: Regions = RegionConstruction()(boundary, scores.categories.softmax(dim=1))
    maps = _region_maps(found, boundary[0], REPRESENTATIVES)
    return draw_regions({"": maps}, scene.labels)
