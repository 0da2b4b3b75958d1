"""What each node of a Squeeze Reasoning module attends to (SRNet, Figure 5)."""

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.squeeze_reasoning import SqueezeReasoning
from harness.present.pictures import PictureError, panels
from harness.present.pictures.shown import Shown
from harness.present.plots.canvas import FAINT, house, short

COLUMNS = 6  # at most


def draw_node_activations(
    activations: Mapping[str, Tensor],
    labels: Tensor,
    *,
    image: Tensor | None = None,
    classes: Sequence[str] = (),
) -> Figure:
    """Draw the most salient channel of every node over the image (SRNet, Figure 5).

    The most salient channel of a node is the one whose activations vary most over the positions:
    a channel with one value everywhere shows nothing, however large. Each channel has a scale of
    its own, from its lowest to its highest activation; below it stands the class on which its mean
    is highest. A node whose gate is shut, without any variation, is named silent.

    Args:
        activations: (K, M, H, W) of one image, M channels of each of K nodes, as
            `SqueezeReasoning.node_activations` returns them, by what the module is called.
        labels: (H, W) integers.
        image: what the labels are of, (1 or 3, H', W').
        classes: names of the classes.

    Raises:
        ValueError: the shapes do not belong together.
    """
    for each in activations.values():
        if each.dim() != 4 or labels.shape != each.shape[-2:]:
            raise ValueError(
                f"activations must be (K, M, H, W) of one image and labels (H, W), but they are "
                f"{tuple(each.shape)} and {tuple(labels.shape)}; draw the images of a batch "
                f"one by one"
            )
    shared = 1 if image is None else 2  # panels in front of the nodes
    counts = [shared + len(each) for each in activations.values()]
    columns = math.ceil(max(counts) / math.ceil(max(counts) / COLUMNS))
    rows = [math.ceil(count / columns) for count in counts]
    panel = 5.6 / columns * labels.shape[0] / labels.shape[1]  # inches
    heading = "Squeeze Reasoning: the most salient channel of each node"
    known = panels.Classes.of(labels, names=classes)
    with house():
        height = 0.9 + sum(rows) * (panel + 0.65)
        figure, axes = panels.panel_grid(height, sum(rows), columns, heading)
        begins = [sum(rows[:number]) for number in range(len(rows))]
        for begin, many, (name, nodes) in zip(begins, rows, activations.items(), strict=True):
            block = iter(axes[begin : begin + many].flat)
            axes[begin, 0].set_ylabel(short(name, 30), fontsize=panels.TITLE_SIZE)
            if image is not None:
                panels.draw_image(next(block), image)
            panels.draw_labels(next(block), labels, known)
            for node, (each, channels) in enumerate(zip(block, nodes, strict=False)):
                _draw_node(each, node, channels, labels)
        panels.hide_empty(axes.flat)
        scale = ScalarMappable(Normalize(0, 1), panels.MAP_COLOURS)
        bar = figure.colorbar(scale, ax=axes, ticks=[0, 1], **panels.BAR)
        bar.ax.set_yticklabels(["lowest", "highest"])
        bar.set_label("activation, scale of each channel")
        known.foot(figure, labels)
    return figure


def part_of(network: nn.Module) -> SqueezeReasoning | None:
    """The module whose nodes are drawn."""
    return next((each for each in network.modules() if isinstance(each, SqueezeReasoning)), None)


def of_trained(shown: Sequence[Shown]) -> Figure:
    """Draw the nodes of trained networks on an image."""
    found = {each.name: activations_of(each) for each in shown}
    sizes = {each.shape[-2:] for each in found.values()}
    if len(sizes) > 1:
        raise PictureError("their maps have several sizes; draw them one by one")
    (size,) = sizes
    first = shown[0]
    labels = first.labels((size[0], size[1]))
    return draw_node_activations(found, labels, image=first.sample.image, classes=first.classes)


@torch.no_grad()
def activations_of(shown: Shown) -> Tensor:
    """What the nodes of a trained network hold on its image, (K, M, h, w)."""
    module = part_of(shown.network)
    assert module is not None, "the caller has looked"
    return module.node_activations(shown.entering(module))[0]


def _draw_node(axes: Axes, node: int, channels: Tensor, labels: Tensor) -> None:
    """The channel that varies most, out of (M, H, W), from its lowest 0 to its highest 1."""
    channels = channels.detach().float().cpu()
    channel = int(channels.flatten(1).std(dim=1, correction=0).argmax())
    values = channels[channel]
    if float(values.std(correction=0)) == 0:
        panels.draw_map(axes, "", torch.zeros_like(values))
        axes.set_title(f"node {node}: silent", fontsize=panels.TITLE_SIZE, color=FAINT)
        return
    low, high = values.min(), values.max()
    panels.draw_map(
        axes,
        f"node {node}",
        (values - low) / (high - low).clamp_min(torch.finfo(values.dtype).tiny),
    )
    means = {label: float(values[labels == label].mean()) for label in panels.classes_of(labels)}
    highest = f"\nhighest on class {max(means, key=lambda k: means[k])}" if means else ""
    axes.set_xlabel(f"channel {channel}{highest}", fontsize=panels.CAPTION_SIZE)


def demonstrate(seed: int = 0) -> Figure:
    """Fit a small Squeeze Reasoning module on the made scene and draw its nodes on an unseen view.

    Deterministic; about a second on a CPU.
    """
    scene = panels.Scene.made((32, 40), channels=48, noise=0.5, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = SqueezeReasoning(48, nodes=8)
        classifier = nn.Conv2d(48, scene.classes, 1)

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(classifier(module(x)), scene.labels[None])

    scene.fit(loss, [*module.parameters(), *classifier.parameters()], steps=60)
    with torch.no_grad():
        activations = module.eval().node_activations(scene.view)
    return draw_node_activations({"": activations[0]}, scene.labels)
