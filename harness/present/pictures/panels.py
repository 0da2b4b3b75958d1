"""Panels that several pictures share: a label map with its legend, a map over positions."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from torch import Tensor
from torch.nn import Parameter

from harness.present.plots.canvas import FAINT, PALETTE

# Fit a small module on the made scene, so that its picture shows something learned.


def minimise(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[Parameter],
    scene: Tensor,
    *,
    steps: int,
    learning_rate: float = 1e-2,
    batch: int = 1,
    noise: float = 0.5,
    seed: int = 0,
) -> None:
    """Minimise a loss over noisy views of one scene by Adam; fresh noise in every step.

    Args:
        loss: from features, (batch, C, H, W), to a scalar.
        parameters: what is fitted.
        scene: clean features, (1, C, H, W).
        steps: number of updates.
        learning_rate: of Adam.
        batch: views per step.
        noise: standard deviation of the noise.
        seed: of the noise.
    """
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    with one_thread():
        for _ in range(steps):
            optimiser.zero_grad()
            loss(noisy(scene, noise, generator, batch=batch)).backward()
            optimiser.step()


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread: sums keep their order everywhere, and small maps gain nothing by more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def noisy(scene: Tensor, noise: float, generator: torch.Generator, *, batch: int = 1) -> Tensor:
    """Views of a scene under white noise: (1, C, H, W) -> (batch, C, H, W)."""
    views = scene.expand(batch, -1, -1, -1)
    return views + noise * torch.randn(views.shape, generator=generator)


# A small made scene on which pictures of a module's inner maps can be checked by eye.


def rectangles(height: int, width: int) -> Tensor:
    """Labels of a scene of three classes: background 0, two rectangles of class 1, one of class 2.

    Two separate regions of one class show whether a module groups by class or by region.

    Returns:
        (height, width) integer labels.
    """
    labels = torch.zeros(height, width, dtype=torch.long)
    labels[height // 8 : height // 2, width // 8 : 3 * width // 8] = 1
    labels[height // 2 : 7 * height // 8, 5 * width // 8 : 7 * width // 8] = 1
    labels[height // 8 : 3 * height // 8, width // 2 : 7 * width // 8] = 2
    return labels


def features(labels: Tensor, channels: int, *, noise: float = 0.25, seed: int = 0) -> Tensor:
    """Features of a scene: a random direction per class plus noise.

    Args:
        labels: (H, W).
        channels: C.
        noise: standard deviation of the noise, against directions of unit variance.
        seed: of directions and noise.

    Returns:
        (1, channels, H, W).
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(int(labels.max()) + 1, channels, generator=generator)
    clean = directions[labels].permute(2, 0, 1)
    return (clean + noise * torch.randn(clean.shape, generator=generator)).unsqueeze(0)


CLASS_COLOURS = ("#E8E8E8", *PALETTE)  # the first class is the background of most scenes
VOID_COLOUR = "#FFFFFF"
COLOURS = "Blues"  # of maps: deeper is higher, as in the papers' figures


def draw_labels(axes: Axes, labels: Tensor, *, void: int = 255) -> None:
    """Draw a label map, one colour per class, with a legend below.

    Args:
        axes: where.
        labels: (H, W) integers.
        void: label of pixels without a class, drawn white.
    """
    classes = classes_of(labels, void=void)
    index = labels.new_full(labels.shape, len(classes))
    for place, label in enumerate(classes):
        index[labels == label] = place
    colours = [CLASS_COLOURS[place % len(CLASS_COLOURS)] for place in range(len(classes))]
    axes.imshow(
        index.cpu().numpy(),
        cmap=ListedColormap([*colours, VOID_COLOUR]),
        vmin=-0.5,
        vmax=len(classes) + 0.5,
        interpolation="nearest",
    )
    names = [str(label) for label in classes]
    if bool((labels == void).any()):
        names, colours = [*names, "void"], [*colours, VOID_COLOUR]
    axes.legend(
        handles=[
            Patch(facecolor=colour, edgecolor=FAINT, linewidth=0.5, label=name)
            for colour, name in zip(colours, names, strict=True)
        ],
        title="class",
        title_fontsize="small",
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=min(len(names), 4),
        handlelength=1.0,
        handletextpad=0.4,
        columnspacing=1.0,
    )
    frame(axes)


def classes_of(labels: Tensor, *, void: int = 255) -> list[int]:
    """The classes of a label map in ascending order, void left out."""
    return sorted(set(labels.flatten().tolist()) - {void})


def draw_map(axes: Axes, values: Tensor, *, low: float, high: float) -> AxesImage:
    """Draw a map of numbers, (rows, columns), on a given scale; deeper colours are higher."""
    image = axes.imshow(values.detach().float().cpu().numpy(), cmap=COLOURS, vmin=low, vmax=high)
    frame(axes)
    return image


def frame(axes: Axes) -> None:
    """A thin frame without ticks, for panels whose axes are pixels."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
        spine.set_linewidth(0.6)
