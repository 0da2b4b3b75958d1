"""Object regions of Region Attention and their representative pixels (RANet, Figure 5)."""

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from context_modules.region_attention import RegionAuxiliaryHead
from context_modules.region_construction import RegionConstruction, Regions
from context_modules.region_interaction import select_representatives
from context_modules.region_losses import RegionLosses
from harness.present.pictures.panels import (
    draw_labels,
    draw_map,
    features,
    frame,
    minimise,
    noisy,
    one_thread,
    rectangles,
)
from harness.present.plots.canvas import PALETTE, house, new_figure

SIZE = (32, 40)  # of the made scene, in pixels
CHANNELS = 24
HIDDEN = 16
STEPS = 80
NOISE = 0.5
BOUNDARY_RADIUS = 1  # pixels of the map
REPRESENTATIVES = 4  # as in Figure 5
TITLE = 9  # points
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
        figure = new_figure(height=1.1 + 6.0 * height / width)
        figure.set_layout_engine("compressed", w_pad=0.08, h_pad=0.08)
        figure.suptitle("Region Attention: object regions", fontsize=TITLE + 2)
        (scene, edges), (grouped, scored) = figure.subplots(2, 2)
        scene.set_title("labels", fontsize=TITLE)
        draw_labels(scene, labels)
        edges.set_title("boundary score map B", fontsize=TITLE)
        image = draw_map(edges, boundary, low=0.0, high=1.0)
        figure.colorbar(image, ax=edges, shrink=0.8, label="probability")
        _draw_grouped(grouped, regions, representatives)
        scored.set_title("representative score map J", fontsize=TITLE)
        image = draw_map(scored, scores, low=0.0, high=1.0)
        figure.colorbar(image, ax=scored, shrink=0.8, label="score")
    return figure


def demonstrate(seed: int = 0) -> Figure:
    """Fit boundary and category scores on the made scene and draw the regions of an unseen view.

    Deterministic; a few seconds on a CPU.

    Args:
        seed: of the scene, the parameters and the noise.
    """
    labels = rectangles(*SIZE)
    classes = int(labels.max()) + 1
    scene = features(labels, CHANNELS, noise=0.0, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = RegionAuxiliaryHead(CHANNELS, channels=HIDDEN, categories=classes)
    losses = RegionLosses(boundary_radius=BOUNDARY_RADIUS)

    def loss(x: Tensor) -> Tensor:
        scores = head(x)
        total: Tensor = losses(scores.categories, scores, labels.expand(len(x), -1, -1)).total
        return total

    minimise(loss, head.parameters(), scene, steps=STEPS, noise=NOISE, seed=seed)
    view = noisy(scene, NOISE, torch.Generator().manual_seed(seed + 1))
    with torch.no_grad(), one_thread():
        scores = head.eval()(view)
        boundary = scores.boundary.sigmoid()
        found: Regions = RegionConstruction()(boundary, scores.categories.softmax(dim=1))
    chosen = select_representatives(found, REPRESENTATIVES)
    representatives = torch.zeros_like(labels, dtype=torch.bool)
    representatives.view(-1)[chosen.pixels[0][chosen.valid[0]]] = True
    return draw_regions(
        found.labels.view(SIZE), representatives, found.scores.view(SIZE), boundary[0], labels
    )


def _draw_grouped(axes: Axes, regions: Tensor, representatives: Tensor) -> None:
    """Regions, one colour each from the largest on, and dots on their representatives."""
    names, sizes = torch.unique(regions.cpu(), return_counts=True)
    order = sizes.argsort(descending=True, stable=True)
    largest = regions.cpu() == names[order[0]]
    enough = max(1, int(representatives.cpu()[largest].sum()))
    drawn = [int(names[place]) for place in order if int(sizes[place]) >= enough]
    index = torch.full(regions.shape, len(drawn))
    for place, name in enumerate(drawn):
        index[regions.cpu() == name] = place
    colours = [REGION_COLOURS[place % len(REGION_COLOURS)] for place in range(len(drawn))]
    axes.imshow(
        index.numpy(),
        cmap=ListedColormap([*colours, SMALL_COLOUR]),
        vmin=-0.5,
        vmax=len(drawn) + 0.5,
        interpolation="nearest",
    )
    rows, columns = torch.nonzero(representatives.cpu() & (index < len(drawn)), as_tuple=True)
    axes.scatter(columns.numpy(), rows.numpy(), s=14, c=DOT, edgecolors="black", linewidths=0.5)
    axes.set_title("regions and representative pixels", fontsize=TITLE)
    small = len(names) - len(drawn)
    many = "1 region" if len(drawn) == 1 else f"{len(drawn)} regions"
    axes.set_xlabel(many + (f" and {small} smaller, grey" if small else ""))
    frame(axes)
