"""Prior maps of a Context Prior Layer beside their ideal (CPNet, Figure 6)."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.affinity_loss import AffinityLoss, ideal_affinity
from context_modules.context_prior import ContextPriorLayer
from harness.present.pictures import panels
from harness.present.plots.canvas import INK, house

QUERIES = "abcd"  # at most so many query pixels are shown


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
    maps = [("P, with the loss", prior), ("ideal map A", ideal)]
    heading = "Context Prior with and without the Affinity Loss"
    if unsupervised is None:
        heading, maps[0] = "Context Prior", ("prior map P", prior)
    else:
        maps.insert(0, ("P, without the loss", unsupervised))
    _require_shapes(labels, [matrix for _, matrix in maps])
    # One pixel per class: the one deepest inside it.
    queries = [_deepest(labels == label) for label in panels.classes_of(labels)[: len(QUERIES)]]
    with house():
        columns = max(1 + len(maps), len(queries))
        figure, axes = panels.panel_grid(1.3 + 2 * 5.6 / columns, 2, columns, heading)
        panels.draw_labels(axes[0, 0], labels)
        for panel, (title, matrix) in zip(axes[0, 1:], maps, strict=False):
            image = _draw_matrix(panel, title, matrix, ideal)
        for panel, name, query in zip(axes[1], QUERIES, queries, strict=False):
            _mark_query(axes[0, 0], query, labels.shape[1], name)
            title = f"row {name} of P (class {int(labels.flatten()[query])})"
            panels.draw_map(panel, title, prior[query].view(labels.shape))
            _mark_query(panel, query, labels.shape[1], name)
        panels.hide_empty(axes.flat)
        bar = figure.colorbar(image, ax=axes, **panels.BAR)
        bar.set_label("probability of the same class")
    return figure


def _require_shapes(labels: Tensor, matrices: list[Tensor]) -> None:
    positions = labels.numel()
    for matrix in matrices:
        if labels.dim() != 2 or tuple(matrix.shape) != (positions, positions):
            raise ValueError(
                f"labels must be (H, W) and every map (H * W, H * W) of one image, but they are "
                f"{tuple(labels.shape)} and {tuple(matrix.shape)}; draw the images of a batch "
                f"one by one"
            )


def _deepest(members: Tensor) -> int:
    """The member farthest from other classes and from the border: (H, W) booleans -> position."""
    padded = F.pad(members, (1, 1, 1, 1), value=False)
    inside, outside = (mask.nonzero().double() for mask in (padded, ~padded))
    place = int(torch.cdist(inside, outside).amin(dim=1).argmax())
    return int(members.flatten().nonzero()[place])


def _draw_matrix(axes: Axes, title: str, matrix: Tensor, ideal: Tensor) -> AxesImage:
    image = panels.draw_map(axes, title, matrix)
    same, other = (
        f"{float(matrix[pairs].float().mean()):.2f}" if bool(pairs.any()) else "none"
        for pairs in (ideal.bool(), ~ideal.bool())
    )
    axes.set_xlabel(f"key pixel\nsame class {same}, other {other}", fontsize=panels.CAPTION_SIZE)
    axes.set_ylabel("query pixel", fontsize=panels.CAPTION_SIZE)
    return image


def _mark_query(axes: Axes, query: int, width: int, name: str) -> None:
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


def demonstrate(seed: int = 0) -> Figure:
    """Fit a small Context Prior Layer on the made scene and draw its prior on an unseen view.

    Two layers start equal and learn to segment; one of them is supervised by the Affinity Loss as
    well (CPNet, Eq. 7, without the auxiliary loss). Deterministic; a few seconds on a CPU.
    """
    scene = panels.Scene.made((20, 20), channels=16, noise=0.5, seed=seed)
    without, supervised = (_fitted_prior(scene, weight) for weight in (0.0, 1.0))
    ideal = ideal_affinity(scene.labels[None])[0]
    return draw_prior_maps(supervised, ideal, scene.labels, unsupervised=without)


def _fitted_prior(scene: panels.Scene, affinity_weight: float) -> Tensor:
    labels, (_, channels, height, width) = scene.labels[None], scene.clean.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(scene.seed)
        layer = ContextPriorLayer(
            channels,
            input_size=(height, width),
            out_channels=16,
            context_channels=16,
            kernel_size=5,
        )
        classifier = nn.Conv2d(16, scene.classes, 1)
    affinity_loss = AffinityLoss(unary_weight=affinity_weight, global_weight=affinity_weight)

    def loss(x: Tensor) -> Tensor:
        out, prior = layer.forward_with_prior(x)
        affinity: Tensor = affinity_loss(prior, labels)
        return F.cross_entropy(classifier(out), labels) + affinity

    scene.fit(loss, [*layer.parameters(), *classifier.parameters()], steps=70)
    with torch.no_grad():
        prior: Tensor = layer.eval().forward_with_prior(scene.view)[1][0]
    return prior
