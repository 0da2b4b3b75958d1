"""Prior maps of a Context Prior Layer beside their ideal (CPNet, Figure 6)."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.affinity_loss import AffinityLoss, ideal_affinity
from context_modules.context_prior import ContextPriorLayer
from harness.present.pictures.panels import (
    classes_of,
    draw_labels,
    draw_map,
    features,
    minimise,
    noisy,
    rectangles,
)
from harness.present.plots.canvas import INK, house, new_figure

SIZE = (20, 20)  # of the made scene, in pixels
CHANNELS = 16
STEPS = 70
NOISE = 0.5
QUERIES = "abcd"  # at most so many query pixels are shown
TITLE, LABEL = 9, 7  # points


def draw_prior_maps(
    prior: Tensor, ideal: Tensor, labels: Tensor, *, unsupervised: Tensor | None = None
) -> Figure:
    """Draw a prior map beside its ideal, and what some query pixels select (CPNet, Figure 6).

    The upper row holds the labels and the N x N maps; a row of such a map belongs to one query
    pixel. The lower row folds rows of the prior back into the image: where a pixel of each class
    looks. All maps share the scale 0 to 1; deeper colours are higher. Below each N x N map stands
    its mean over the pairs of one class and over the pairs of two.

    Args:
        prior: P, (N, N) in [0, 1], of one image.
        ideal: ideal affinity map A, (N, N), booleans or 0 and 1.
        labels: (H, W) integers, H * W = N.
        unsupervised: a prior learned without the Affinity Loss, for comparison, (N, N).

    Raises:
        ValueError: the shapes do not belong together.
    """
    _require_shapes(labels, prior, ideal, *([] if unsupervised is None else [unsupervised]))
    maps = [("P, with the loss", prior), ("ideal map A", ideal)]
    heading = "Context Prior with and without the Affinity Loss"
    if unsupervised is None:
        heading, maps[0] = "Context Prior", ("prior map P", prior)
    else:
        maps.insert(0, ("P, without the loss", unsupervised))
    queries = _queries(labels)
    with house():
        columns = max(1 + len(maps), len(queries))
        figure = new_figure(height=1.3 + 2 * 5.6 / columns)
        figure.set_layout_engine("compressed", w_pad=0.08, h_pad=0.08)
        figure.suptitle(heading, fontsize=TITLE + 2)
        panels = figure.subplots(2, columns, squeeze=False)
        for axes in panels.flat:
            axes.set_axis_off()
        _draw_scene(panels[0, 0], labels, queries)
        for axes, (title, matrix) in zip(panels[0, 1:], maps, strict=False):
            image = _draw_matrix(axes, title, matrix, ideal)
        for axes, name, query in zip(panels[1], QUERIES, queries, strict=False):
            _draw_query(axes, name, query, prior, labels)
        bar = figure.colorbar(image, ax=panels, shrink=0.6, aspect=30, pad=0.02)
        bar.set_label("probability of the same class")
    return figure


def demonstrate(seed: int = 0) -> Figure:
    """Fit a small Context Prior Layer on the made scene and draw its prior on an unseen view.

    Two layers start equal and learn to segment; one of them is supervised by the Affinity Loss as
    well (CPNet, Eq. 7, without the auxiliary loss). Deterministic; a few seconds on a CPU.

    Args:
        seed: of the scene, the parameters and the noise.
    """
    labels = rectangles(*SIZE)
    scene = features(labels, CHANNELS, noise=0.0, seed=seed)
    view = noisy(scene, NOISE, torch.Generator().manual_seed(seed + 1))
    priors = [_fitted_prior(scene, labels, view, weight, seed) for weight in (0.0, 1.0)]
    ideal = ideal_affinity(labels[None])[0]
    return draw_prior_maps(priors[1], ideal, labels, unsupervised=priors[0])


def _fitted_prior(
    scene: Tensor, labels: Tensor, view: Tensor, affinity_weight: float, seed: int
) -> Tensor:
    classes = int(labels.max()) + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = ContextPriorLayer(
            CHANNELS, input_size=SIZE, out_channels=16, context_channels=16, kernel_size=5
        )
        classifier = nn.Conv2d(16, classes, 1)
    affinity_loss = AffinityLoss(unary_weight=affinity_weight, global_weight=affinity_weight)

    def loss(x: Tensor) -> Tensor:
        batch = labels.expand(x.shape[0], -1, -1)
        out, prior = layer.forward_with_prior(x)
        affinity: Tensor = affinity_loss(prior, batch)
        return F.cross_entropy(classifier(out), batch) + affinity

    parameters = [*layer.parameters(), *classifier.parameters()]
    minimise(loss, parameters, scene, steps=STEPS, noise=NOISE, seed=seed)
    with torch.no_grad():
        prior: Tensor = layer.eval().forward_with_prior(view)[1][0]
    return prior


def _queries(labels: Tensor) -> list[int]:
    """Flat position of one pixel per class: the one deepest inside its class."""
    return [_deepest(labels == label) for label in classes_of(labels)[: len(QUERIES)]]


def _deepest(members: Tensor) -> int:
    """The member farthest from other classes and from the border: (H, W) booleans -> position."""
    padded = F.pad(members, (1, 1, 1, 1), value=False)
    inside, outside = (mask.nonzero().double() for mask in (padded, ~padded))
    place = int(torch.cdist(inside, outside).amin(dim=1).argmax())
    return int(members.flatten().nonzero()[place])


def _draw_scene(axes: Axes, labels: Tensor, queries: list[int]) -> None:
    axes.set_axis_on()
    axes.set_title("labels", fontsize=TITLE)
    draw_labels(axes, labels)
    for name, query in zip(QUERIES, queries, strict=False):
        _mark(axes, query, labels.shape[1], name)


def _draw_matrix(axes: Axes, title: str, matrix: Tensor, ideal: Tensor) -> AxesImage:
    axes.set_axis_on()
    axes.set_title(title, fontsize=TITLE)
    image = draw_map(axes, matrix, low=0.0, high=1.0)
    same, other = (_mean(matrix, pairs) for pairs in (ideal.bool(), ~ideal.bool()))
    axes.set_xlabel(f"key pixel\nsame class {same}, other {other}", fontsize=LABEL)
    axes.set_ylabel("query pixel", fontsize=LABEL)
    return image


def _mean(matrix: Tensor, pairs: Tensor) -> str:
    return f"{float(matrix[pairs].float().mean()):.2f}" if bool(pairs.any()) else "none"


def _draw_query(axes: Axes, name: str, query: int, prior: Tensor, labels: Tensor) -> None:
    axes.set_axis_on()
    axes.set_title(f"row {name} of P (class {int(labels.flatten()[query])})", fontsize=TITLE)
    draw_map(axes, prior[query].view(labels.shape), low=0.0, high=1.0)
    _mark(axes, query, labels.shape[1], name)


def _mark(axes: Axes, query: int, width: int, name: str) -> None:
    row, column = divmod(query, width)
    axes.plot(column, row, marker="o", markersize=5, markerfacecolor="white", color=INK)
    axes.annotate(
        name,
        (column, row),
        xytext=(5, 4),
        textcoords="offset points",
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
    )


def _require_shapes(labels: Tensor, *matrices: Tensor) -> None:
    positions = labels.numel()
    for matrix in matrices:
        if labels.dim() != 2 or tuple(matrix.shape) != (positions, positions):
            raise ValueError(
                f"labels must be (H, W) and every map (H * W, H * W) of one image, but they are "
                f"{tuple(labels.shape)} and {tuple(matrix.shape)}; draw the images of a batch "
                f"one by one"
            )
