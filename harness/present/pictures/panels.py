"""What the pictures share: the made scene that a module is fitted on, and panels to draw it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from torch import Tensor
from torch.nn import Parameter

from harness.present.plots.canvas import FAINT, PALETTE, SheetFigure

_LEARNING_RATE = 1e-2


@dataclass(frozen=True)
class Scene:
    """A small made scene, on which pictures of a module's inner maps can be checked by eye."""

    labels: Tensor  # (H, W) integers, of `rectangles`
    clean: Tensor  # features, (1, C, H, W): a random direction per class
    noise: float  # standard deviation in a view, against directions of unit variance
    seed: int  # of directions and noise

    @classmethod
    def made(cls, size: tuple[int, int], *, channels: int, noise: float, seed: int) -> "Scene":
        """The scene of that size, in pixels, with random directions."""
        labels = rectangles(*size)
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(int(labels.max()) + 1, channels, generator=generator)
        clean = directions[labels].permute(2, 0, 1).unsqueeze(0).contiguous()
        return cls(labels, clean, noise, seed)

    @property
    def classes(self) -> int:
        """Their number."""
        return int(self.labels.max()) + 1

    @property
    def view(self) -> Tensor:
        """A view that no fit has seen, (1, C, H, W)."""
        return self._noisy(torch.Generator().manual_seed(self.seed + 1))

    def fit(
        self, loss: Callable[[Tensor], Tensor], parameters: Iterable[Parameter], steps: int
    ) -> None:
        """Minimise a loss over noisy views, (1, C, H, W), by Adam; fresh noise in every step."""
        optimiser = torch.optim.Adam(parameters, lr=_LEARNING_RATE)
        generator = torch.Generator().manual_seed(self.seed)
        with one_thread():
            for _ in range(steps):
                optimiser.zero_grad()
                loss(self._noisy(generator)).backward()
                optimiser.step()

    def _noisy(self, generator: torch.Generator) -> Tensor:
        return self.clean + self.noise * torch.randn(self.clean.shape, generator=generator)


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread: sums keep their order everywhere, and small maps gain nothing by more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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


CLASS_COLOURS = ("#E8E8E8", *PALETTE)  # the first class is the background of most scenes
VOID_COLOUR = "#FFFFFF"
MAP_COLOURS = "Blues"  # of maps: deeper is higher, as in the papers' figures
TITLE_SIZE, CAPTION_SIZE = 9, 7  # points
BAR: dict[str, Any] = {"shrink": 0.6, "aspect": 30, "pad": 0.02}  # of colours, beside all panels


def panel_grid(height: float, rows: int, columns: int, heading: str = "") -> tuple[Figure, Any]:
    """A figure of a height in inches, and its (rows, columns) array of axes."""
    figure = SheetFigure(height)
    figure.set_layout_engine("compressed", w_pad=0.08, h_pad=0.08)
    if heading:
        figure.suptitle(heading, fontsize=TITLE_SIZE + 2)
    return figure, figure.subplots(rows, columns, squeeze=False)


def hide_empty(axes: Iterable[Axes]) -> None:
    """Hide the panels on which nothing is drawn."""
    for each in axes:
        if not each.has_data():
            each.set_axis_off()


def draw_labels(axes: Axes, labels: Tensor, *, void: int = 255) -> None:
    """Draw a label map, one colour per class, with a legend below.

    Args:
        labels: (H, W) integers.
        void: label of pixels without a class, drawn white.
    """
    axes.set_title("labels", fontsize=TITLE_SIZE)
    classes = classes_of(labels, void=void)
    _, colours = draw_areas(axes, labels, classes, CLASS_COLOURS, VOID_COLOUR)
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


def draw_areas(
    axes: Axes, names: Tensor, shown: Sequence[int], colours: Sequence[str], rest: str
) -> tuple[Tensor, list[str]]:
    """Draw a map of names, (H, W) integers: the shown ones by their colours, all others alike.

    Returns:
        (H, W), the place of each pixel's name in `shown`, its length for others; and the colours.
    """
    places = names.new_full(names.shape, len(shown))
    for place, name in enumerate(shown):
        places[names == name] = place
    used = [colours[place % len(colours)] for place in range(len(shown))]
    axes.imshow(
        places.cpu().numpy(),
        cmap=ListedColormap([*used, rest]),
        vmin=-0.5,
        vmax=len(shown) + 0.5,
        interpolation="nearest",
    )
    bare(axes)
    return places, used


def classes_of(labels: Tensor, *, void: int = 255) -> list[int]:
    """The classes of a label map in ascending order, void left out."""
    return sorted(set(labels.flatten().tolist()) - {void})


def draw_map(axes: Axes, title: str, values: Tensor) -> AxesImage:
    """Draw a map of numbers, (rows, columns), on the scale 0 to 1; deeper colours are higher."""
    axes.set_title(title, fontsize=TITLE_SIZE)
    image = axes.imshow(values.detach().float().cpu().numpy(), cmap=MAP_COLOURS, vmin=0, vmax=1)
    bare(axes)
    return image


def bare(axes: Axes) -> None:
    """A thin frame without ticks, for panels whose axes are pixels."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
        spine.set_linewidth(0.6)
