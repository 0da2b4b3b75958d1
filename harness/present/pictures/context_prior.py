"""Prior maps of a Context Prior Layer beside their ideal (CPNet, Figure 6)."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.affinity_loss import AffinityLoss, ideal_affinity, labelled_pairs
from context_modules.context_prior import ContextPriorLayer
from harness.present.pictures import PictureError, panels
from harness.present.pictures.shown import Shown
from harness.present.plots.canvas import house, short

_MOST_DRAWN = 1024  # rows of an N x N map; more are averaged, since no sheet shows them


def draw_prior_maps(
    priors: Mapping[str, Tensor],
    ideal: Tensor,
    labels: Tensor,
    *,
    image: Tensor | None = None,
    classes: Sequence[str] = (),
    said: Mapping[str, str] | None = None,
) -> Figure:
    """Draw prior maps below their ideal, and what some query pixels select (CPNet, Figure 6).

    A row of an N x N map belongs to one query pixel. Beside each prior some of its rows are folded
    back into the image: where a pixel of each class looks. All maps share the scale 0 to 1; deeper
    colours are higher. Below each N x N map stands its mean over the pairs of one class and over
    the pairs of two.

    Args:
        priors: P, (N, N) in [0, 1], of one image, by what it is called.
        ideal: ideal affinity map A, (N, N), booleans or 0 and 1.
        labels: (H, W) integers, H * W = N.
        image: what the labels are of, (1 or 3, H', W').
        classes: names of the classes.
        said: a line below a prior, by its name.

    Raises:
        ValueError: the shapes do not belong together.
    """
    _require_shapes(labels, [*priors.values(), ideal])
    queries = panels.queries_of(labels)
    known = panels.Classes.of(labels, names=classes)
    with house():
        columns = max(3, 1 + len(queries))
        panel = 5.4 / columns * labels.shape[0] / labels.shape[1] + 0.65  # inches
        height = (1 + len(priors)) * panel + 0.7
        heading = "Context Prior: rows are query pixels, columns what they look at"
        figure, axes = panels.panel_grid(height, 1 + len(priors), columns, heading)
        first = iter(axes[0])
        if image is not None:
            panels.draw_image(next(first), image)
        scene = next(first)
        panels.draw_labels(scene, labels, known)
        known_pairs = labelled_pairs(labels[None])[0]
        pairs = {"same class": ideal.bool() & known_pairs, "other": ~ideal.bool() & known_pairs}
        drawn = _draw_matrix(next(first), "ideal map A", ideal, pairs)
        for row, (name, prior) in zip(axes[1:], priors.items(), strict=True):
            _draw_matrix(row[0], name, prior, pairs, (said or {}).get(name, ""))
            for panel, mark, query in zip(row[1:], panels.QUERIES, queries, strict=False):
                title = f"row {mark} (class {int(labels.flatten()[query])})"
                panels.draw_map(panel, title, prior[query].view(labels.shape))
                panels.mark_query(panel, query, labels.shape[1], mark)
        for mark, query in zip(panels.QUERIES, queries, strict=False):
            panels.mark_query(scene, query, labels.shape[1], mark)
        panels.hide_empty(axes.flat)
        bar = figure.colorbar(drawn, ax=axes, **panels.BAR)
        bar.set_label("probability of the same class")
        known.foot(figure, labels)
    return figure


def part_of(network: nn.Module) -> ContextPriorLayer | None:
    """The layer whose prior is drawn."""
    layers = (each for each in network.modules() if isinstance(each, ContextPriorLayer))
    return next((each for each in layers if each.gives_extras), None)


def of_trained(shown: Sequence[Shown]) -> Figure:
    """Draw the priors of trained networks, with the losses that they have on the image."""
    sizes = {layer.input_size for each in shown if (layer := part_of(each.network))}
    if len(sizes) > 1:
        raise PictureError("their priors are of maps of several sizes; draw them one by one")
    first, (size,) = shown[0], sizes
    labels = first.labels(size)
    priors = {f"P of {each.name}": prior_of(each) for each in shown}
    said = {f"P of {each.name}": _losses(each, labels) for each in shown}
    ideal = ideal_affinity(labels[None])[0]
    image, classes = first.sample.image, first.classes
    return draw_prior_maps(priors, ideal, labels, image=image, classes=classes, said=said)


@torch.no_grad()
def prior_of(shown: Shown) -> Tensor:
    """P, (N, N), of a trained network on its image."""
    layer = part_of(shown.network)
    assert layer is not None, "the caller has looked"
    prior: Tensor = layer.forward_with_prior(shown.entering(layer))[1][0]
    return prior


def _losses(shown: Shown, labels: Tensor) -> str:
    """Both terms of the Affinity Loss on this image, and what of it was trained on."""
    spec = shown.kept.plan.recipe.loss
    loss = AffinityLoss(form=spec.affinity_form)
    unary, global_ = loss.terms(prior_of(shown)[None], labels[None])
    trained = "both" if spec.affinity_global else "unary"
    trained = trained if spec.affinity else "neither"
    return f"losses: unary {float(unary):.2f}, global {float(global_):.2f}; trained on {trained}"


def _require_shapes(labels: Tensor, matrices: list[Tensor]) -> None:
    positions = labels.numel()
    for matrix in matrices:
        if labels.dim() != 2 or tuple(matrix.shape) != (positions, positions):
            raise ValueError(
                f"labels must be (H, W) and every map (H * W, H * W) of one image, but they are "
                f"{tuple(labels.shape)} and {tuple(matrix.shape)}; draw the images of a batch "
                f"one by one"
            )


def _draw_matrix(
    axes: Axes, title: str, matrix: Tensor, pairs: Mapping[str, Tensor], said: str = ""
) -> AxesImage:
    drawn = matrix.float()
    if len(drawn) > _MOST_DRAWN:
        drawn = F.adaptive_avg_pool2d(drawn[None], _MOST_DRAWN)[0]
    image = panels.draw_map(axes, short(title, 30), drawn)
    means = ", ".join(
        f"{kind} {float(matrix[those].float().mean()):.2f}" if bool(those.any()) else f"{kind} none"
        for kind, those in pairs.items()
    )
    lines = [means, *filter(None, said.split("; "))]
    axes.set_xlabel("\n".join(lines), fontsize=panels.CAPTION_SIZE)
    return image


def demonstrate(seed: int = 0) -> Figure:
    """Fit a small Context Prior Layer on the made scene and draw its prior on an unseen view.

    Two layers start equal and learn to segment; one of them is supervised by the Affinity Loss as
    well (CPNet, Eq. 7, without the auxiliary loss). Deterministic; a few seconds on a CPU.
    """
    scene = panels.Scene.made((20, 20), channels=16, noise=0.5, seed=seed)
    without, supervised = (_fitted_prior(scene, weight) for weight in (0.0, 1.0))
    ideal = ideal_affinity(scene.labels[None])[0]
    priors = {"P, without the loss": without, "P, with the loss": supervised}
    return draw_prior_maps(priors, ideal, scene.labels)


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
