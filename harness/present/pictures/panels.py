"""What the pictures share: the made scene that a module is fitted on, and panels to draw it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from torch import Tensor
from torch.nn import Parameter
from torch.nn import functional as F

from harness.present.plots.canvas import FAINT, INK, PALETTE, SheetFigure, short

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


def _mixed(colour: str, other: str) -> str:
    red, green, blue = ((a + b) / 2 for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))
    return to_hex((red, green, blue))


CLASS_COLOURS = (
    "#E8E8E8",  # the first class is the background of most scenes
    *PALETTE,
    "#F0E442",  # the yellow that plots leave out: an area of it is seen on white
    *(_mixed(each, "white") for each in PALETTE),
    *(_mixed(each, "black") for each in PALETTE[:-1]),
)
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


def draw_image(axes: Axes, image: Tensor, size: tuple[int, int] | None = None) -> None:
    """Draw an image, (1 or 3, H, W), stretched to the full range of brightness.

    Args:
        size: (h, w) of the map in whose positions the panel is measured; the image's if absent.
    """
    pixels = image.detach().float().cpu()
    pixels = (pixels - pixels.amin()) / (pixels.amax() - pixels.amin()).clamp(min=1e-12)
    height, width = size or image.shape[1:]
    axes.set_title("image", fontsize=TITLE_SIZE)
    axes.imshow(
        pixels.expand(3, -1, -1).permute(1, 2, 0).numpy(),
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
    )
    bare(axes)


@dataclass(frozen=True)
class Classes:
    """The classes of several label maps of a figure, each with one colour in all of them."""

    shown: tuple[int, ...]  # in the order of the colours
    names: tuple[str, ...] = ()  # of all classes of the data, by number; numbers alone if absent
    void: int = 255  # label of pixels without a class, drawn white

    @classmethod
    def of(cls, *maps: Tensor, names: Sequence[str] = ()) -> "Classes":
        """Those of label maps; of data with few classes all, so that figures agree in colours."""
        found = sorted({label for each in maps for label in classes_of(each)})
        few = 0 < len(names) <= len(CLASS_COLOURS)
        return cls(tuple(range(len(names))) if few else tuple(found), tuple(names))

    def legend(self, axes: Axes | Figure, labels: Tensor, **where: Any) -> None:
        """What the colours of a label map mean."""
        present = classes_of(labels, void=self.void)
        texts = [f"{n} {self.names[n]}" if n < len(self.names) else str(n) for n in present]
        places = map(self.shown.index, present)
        colours = [CLASS_COLOURS[place % len(CLASS_COLOURS)] for place in places]
        if bool((labels == self.void).any()):
            texts, colours = [*texts, "void"], [*colours, VOID_COLOUR]
        axes.legend(
            handles=[
                Patch(facecolor=colour, edgecolor=FAINT, linewidth=0.5, label=short(text, 24))
                for colour, text in zip(colours, texts, strict=True)
            ],
            **{
                "title": "class",
                "title_fontsize": "small",
                "loc": "upper center",
                "bbox_to_anchor": (0.5, 0.0),
                "ncols": min(len(texts), 4),
                "handlelength": 1.0,
                "handletextpad": 0.4,
                "columnspacing": 1.0,
                **where,
            },
        )

    def foot(self, figure: Figure, labels: Tensor) -> None:
        """The legend below all panels, as wide as the figure."""
        where = {"loc": "outside lower center", "bbox_to_anchor": None, "title": None}
        self.legend(figure, labels, **where, ncols=5)


def draw_labels(
    axes: Axes, labels: Tensor, classes: Classes | None = None, *, title: str = "labels"
) -> None:
    """Draw a label map, (H, W) integers, one colour per class.

    Args:
        classes: of the whole figure, which has their legend; if absent it stands below the panel.
    """
    axes.set_title(title, fontsize=TITLE_SIZE)
    known = classes or Classes.of(labels)
    draw_areas(axes, labels, known.shown, CLASS_COLOURS, VOID_COLOUR)
    if classes is None:
        known.legend(axes, labels)


def draw_areas(
    axes: Axes,
    names: Tensor,
    shown: Sequence[int],
    colours: Sequence[str],
    rest: str,
    *,
    opacity: float = 1.0,
) -> Tensor:
    """Draw a map of names, (H, W) integers: the shown ones by their colours, all others alike.

    Returns:
        (H, W), the place of each pixel's name in `shown`, its length for others.
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
        alpha=opacity,
    )
    bare(axes)
    return places


def classes_of(labels: Tensor, *, void: int = 255) -> list[int]:
    """The classes of a label map in ascending order, void left out."""
    return sorted(set(labels.flatten().tolist()) - {void})


def draw_map(axes: Axes, title: str, values: Tensor) -> AxesImage:
    """Draw a map of numbers, (rows, columns), on the scale 0 to 1; deeper colours are higher."""
    axes.set_title(title, fontsize=TITLE_SIZE)
    image = axes.imshow(values.detach().float().cpu().numpy(), cmap=MAP_COLOURS, vmin=0, vmax=1)
    bare(axes)
    return image


QUERIES = "abc"  # names of the positions that are asked about; there are at most so many


def queries_of(labels: Tensor, most: int = len(QUERIES)) -> list[int]:
    """Positions to ask about, one in each of the largest classes, deep inside of it.

    Returns:
        Numbers below H * W, from the largest class on, of labels (H, W).
    """
    classes = sorted(classes_of(labels), key=lambda label: -int((labels == label).sum()))
    return [_deepest(labels == label) for label in classes[:most]]


def _deepest(members: Tensor) -> int:
    """The member farthest from other classes and from the border: (H, W) booleans -> position."""
    padded = F.pad(members, (1, 1, 1, 1), value=False)
    inside, outside = (mask.nonzero().double() for mask in (padded, ~padded))
    place = int(torch.cdist(inside, outside).amin(dim=1).argmax())
    return int(members.flatten().nonzero()[place])


def mark_query(axes: Axes, query: int, width: int, name: str) -> None:
    """Mark a position of a map of that width by a point with its name."""
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


def bare(axes: Axes) -> None:
    """A thin frame without ticks, for panels whose axes are pixels."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
        spine.set_linewidth(0.6)
