"""What each node of a Squeeze Reasoning module attends to (SRNet, Figure 5)."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.squeeze_reasoning import SqueezeReasoning
from harness.present.pictures.panels import (
    COLOURS,
    classes_of,
    draw_labels,
    draw_map,
    features,
    minimise,
    noisy,
    rectangles,
)
from harness.present.plots.canvas import FAINT, house, new_figure

SIZE = (32, 40)  # of the made scene, in pixels
CHANNELS = 48
NODES = 8
STEPS = 60
NOISE = 0.5
COLUMNS = 5
TITLE, LABEL = 9, 7  # points


def draw_node_activations(activations: Tensor, labels: Tensor) -> Figure:
    """Draw the most salient channel of every node over the image (SRNet, Figure 5).

    The most salient channel of a node is the one whose activations vary most over the positions:
    a channel with one value everywhere shows nothing, however large. Each channel has a scale of
    its own, from its lowest to its highest activation; below it stands the class on which its mean
    is highest. A node whose gate is shut, without any variation, is named silent.

    Args:
        activations: (K, M, H, W) of one image, M channels of each of K nodes, as
            `SqueezeReasoning.node_activations` returns them.
        labels: (H, W) integers.

    Raises:
        ValueError: the shapes do not belong together.
    """
    _require_shapes(activations, labels)
    panels_needed = 1 + len(activations)
    columns = min(COLUMNS, panels_needed)
    rows = math.ceil(panels_needed / columns)
    panel = 5.6 / columns * labels.shape[0] / labels.shape[1]  # inches
    with house():
        figure = new_figure(height=0.6 + rows * (panel + 0.65))
        figure.set_layout_engine("compressed", w_pad=0.08, h_pad=0.08)
        figure.suptitle(
            "Squeeze Reasoning: the most salient channel of each node", fontsize=TITLE + 2
        )
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat:
            axes.set_axis_off()
        scene, *others = panels.flat
        scene.set_axis_on()
        scene.set_title("labels", fontsize=TITLE)
        draw_labels(scene, labels)
        for node, (axes, channels) in enumerate(zip(others, activations, strict=False)):
            _draw_node(axes, node, channels, labels)
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, 1), COLOURS),
            ax=panels,
            shrink=0.6,
            aspect=30,
            pad=0.02,
            ticks=[0, 1],
        )
        bar.ax.set_yticklabels(["lowest", "highest"])
        bar.set_label("activation, scale of each channel")
    return figure


def demonstrate(seed: int = 0) -> Figure:
    """Fit a small Squeeze Reasoning module on the made scene and draw its nodes on an unseen view.

    Deterministic; about a second on a CPU.

    Args:
        seed: of the scene, the parameters and the noise.
    """
    labels = rectangles(*SIZE)
    scene = features(labels, CHANNELS, noise=0.0, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = SqueezeReasoning(CHANNELS, nodes=NODES)
        classifier = nn.Conv2d(CHANNELS, int(labels.max()) + 1, 1)

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(classifier(module(x)), labels.expand(x.shape[0], -1, -1))

    parameters = [*module.parameters(), *classifier.parameters()]
    minimise(loss, parameters, scene, steps=STEPS, noise=NOISE, seed=seed)
    view = noisy(scene, NOISE, torch.Generator().manual_seed(seed + 1))
    with torch.no_grad():
        activations = module.eval().node_activations(view)
    return draw_node_activations(activations[0], labels)


def _draw_node(axes: Axes, node: int, channels: Tensor, labels: Tensor) -> None:
    channel, values = _most_salient(channels)
    axes.set_axis_on()
    if float(values.std(correction=0)) == 0:
        axes.set_title(f"node {node}: silent", fontsize=TITLE, color=FAINT)
        draw_map(axes, torch.zeros_like(values), low=0.0, high=1.0)
        return
    axes.set_title(f"node {node}", fontsize=TITLE)
    draw_map(axes, _scaled(values), low=0.0, high=1.0)
    means = {label: float(values[labels == label].mean()) for label in classes_of(labels)}
    highest = f"\nhighest on class {max(means, key=lambda k: means[k])}" if means else ""
    axes.set_xlabel(f"channel {channel}{highest}", fontsize=LABEL)


def _most_salient(channels: Tensor) -> tuple[int, Tensor]:
    """Index and map, (H, W), of the channel that varies most, out of (M, H, W)."""
    channels = channels.detach().float().cpu()
    index = int(channels.flatten(1).std(dim=1, correction=0).argmax())
    return index, channels[index]


def _scaled(values: Tensor) -> Tensor:
    """Lowest to 0, highest to 1; a constant map becomes 0."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low).clamp_min(torch.finfo(values.dtype).tiny)


def _require_shapes(activations: Tensor, labels: Tensor) -> None:
    if activations.dim() != 4 or labels.shape != activations.shape[-2:]:
        raise ValueError(
            f"activations must be (K, M, H, W) of one image and labels (H, W), but they are "
            f"{tuple(activations.shape)} and {tuple(labels.shape)}; draw the images of a batch "
            f"one by one"
        )
