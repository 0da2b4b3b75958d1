"""Panels that several pictures share: a label map with its legend, a map over positions."""

from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from torch import Tensor

from harness.present.style import FAINT, PALETTE

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
