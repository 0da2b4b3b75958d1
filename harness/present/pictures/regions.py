"""Object regions of Region Attention and their representative pixels (RANet, Figure 5)."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from context_modules.region_attention import RegionAuxiliaryHead
from context_modules.region_construction import RegionConstruction, Regions
from context_modules.region_interaction import select_representatives
from context_modules.region_losses import RegionLosses
from harness.present.pictures import panels
from harness.present.plots.canvas import PALETTE, house

REPRESENTATIVES = 4  # as in Figure 5
REGION_COLOURS = ("#E8E8E8", *PALETTE[:-1])  # the largest region first; black is the dots' rim
SMALL_COLOUR = "#B8B8B8"
DOT = "#2CE02C"  # green, as in Figure 5


def draw_regions(
    regions: Tensor, representatives: Tensor, scores: Tensor, boundary: Tensor, labels: Tensor
) -> Figure:
    """Draw an image's regions with their representative pixels, and what they come from.

    Regions of fewer pixels than there are representatives in the largest are grey and have no
    dots: each of their pixels is a representative, which would hide the others.

    Args:
        regions: (H, W) integers, the region of each pixel.
        representatives: (H, W) boolean, True at a representative pixel.
        scores: (H, W) representative scores J.
        boundary: (H, W) boundary probabilities B.
        labels: (H, W) integer classes.

    Raises:
        ValueError: the shapes differ or are not those of one image.
    """
    maps = (regions, representatives, scores, boundary, labels)
    if labels.dim() != 2 or any(m.shape != labels.shape for m in maps):
        raise ValueError(
            "regions, representatives, scores, boundary and labels must be (H, W) of one image, "
            f"but they are {[tuple(m.shape) for m in maps]}; draw the images of a batch one by one"
        )
    height, width = labels.shape
    with house():
        heading = "Region Attention: object regions"
        figure, axes = panels.panel_grid(1.1 + 6.0 * height / width, 2, 2, heading)
        (scene, edges), (grouped, scored) = axes
        panels.draw_labels(scene, labels)
        image = panels.draw_map(edges, "boundary score map B", boundary)
        figure.colorbar(image, ax=edges, shrink=0.8, label="probability")
        _draw_grouped(grouped, regions, representatives)
        image = panels.draw_map(scored, "representative score map J", scores)
        figure.colorbar(image, ax=scored, shrink=0.8, label="score")
    return figure


def _draw_grouped(axes: Axes, regions: Tensor, representatives: Tensor) -> None:
    """Regions, one colour each from the largest on, and dots on their representatives."""
    names, sizes = torch.unique(regions.cpu(), return_counts=True)
    order = sizes.argsort(descending=True, stable=True)
    largest = regions.cpu() == names[order[0]]
    enough = max(1, int(representatives.cpu()[largest].sum()))
    drawn = [int(names[place]) for place in order if int(sizes[place]) >= enough]
    index, _ = panels.draw_areas(axes, regions.cpu(), drawn, REGION_COLOURS, SMALL_COLOUR)
    rows, columns = torch.nonzero(representatives.cpu() & (index < len(drawn)), as_tuple=True)
    axes.scatter(columns.numpy(), rows.numpy(), s=14, c=DOT, edgecolors="black", linewidths=0.5)
    axes.set_title("regions and representative pixels", fontsize=panels.TITLE_SIZE)
    small = len(names) - len(drawn)
    many = "1 region" if len(drawn) == 1 else f"{len(drawn)} regions"
    axes.set_xlabel(many + (f" and {small} smaller, grey" if small else ""))


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
    chosen = select_representatives(found, REPRESENTATIVES)
    labels = scene.labels
    representatives = torch.zeros_like(labels, dtype=torch.bool)
    representatives.view(-1)[chosen.pixels[0][chosen.valid[0]]] = True
    regions, importance = (each.view(labels.shape) for each in (found.labels, found.scores))
    return draw_regions(regions, representatives, importance, boundary[0], labels)
