"""Canvas: the one style of plots, how a figure becomes bytes, and axes that labels settle on."""

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.messages import printable
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import RIGHT_SHARES

# Okabe and Ito, "Color Universal Design" (2008), as tabled by Wong, Nature Methods 8:441 (2011).
# Told apart by people with protanopia, deuteranopia and tritanopia; yellow is left out, since it is
# too light on white. A colour never stands alone: a mark, a name or a place says the same.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#222222"
FAINT = "#767676"  # the lightest grey that is still read as text on white
# What a paper prints has no colour of its own, which a series could have too: its mark is hollow.
PRINTED = INK
HOLLOW = "white"
WORSE, BETTER = PALETTE[1], PALETTE[2]

WIDTH = 7.0  # inches: the text width of a two-column paper
DPI = 150

# `Any` as key: newer matplotlib types its settings' names one by one, older takes any text.
_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so figures equal everywhere
    "font.size": 9,
    # Of the panels of pictures; plots have their title above the figure.
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "text.parse_math": False,  # a label with two dollar signs is a label, not a formula
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "errorbar.capsize": 2.5,
    "svg.hashsalt": "harness",  # ids of SVG elements are random without it
    "svg.fonttype": "path",
    "pdf.fonttype": 42,  # publishers refuse the bitmap-like fonts of type 3
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
}

FileKind = Literal["png", "svg", "pdf"]
FILE_KINDS: tuple[FileKind, ...] = ("png", "svg", "pdf")

# What would tell when and by which version a file was made.
_UNDATED: dict[FileKind, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

# A range wider than this is shown on a logarithmic axis.
LOG_RANGE = 100.0

# WCAG 2.2, 1.4.3: the least contrast of text.
TEXT_CONTRAST = 4.5
_LABEL = 48  # characters of a label in a plot; tables have it whole
_MOST_PIXELS = 30_000  # a side of a bitmap; more than twice as many is more than Agg draws


def colour(number: int) -> str:
    """Colour of the series of that number."""
    return PALETTE[number % len(PALETTE)]


def marker(number: int) -> str:
    """Mark of the series of that number: a colour's second use comes with another mark."""
    return MARKERS[(number + number // len(PALETTE)) % len(MARKERS)]


def text_colour(number: int) -> str:
    """The colour of a series, darkened until it can be read as text on white."""
    rgb = to_rgb(colour(number))
    while contrast(to_hex(rgb)) < TEXT_CONTRAST:
        rgb = tuple(0.96 * part for part in rgb)  # type: ignore[assignment]
    return to_hex(rgb)


def contrast(first: str, second: str = "#ffffff") -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance of sRGB)."""
    weights = (0.2126, 0.7152, 0.0722)
    low, high = sorted(
        sum(weight * part for weight, part in zip(weights, linear_rgb(name), strict=True))
        for name in (first, second)
    )
    return (high + 0.05) / (low + 0.05)


def linear_rgb(name: str) -> tuple[float, float, float]:
    """Red, green and blue of a colour in proportion to light, 0 to 1 (IEC 61966-2-1)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(name)
    )
    return red, green, blue


def short(label: str) -> str:
    """A label on one line; the middle of a long one is left out."""
    line = printable(" ".join(label.split()))
    if len(line) <= _LABEL:
        return line
    half = (_LABEL - 3) // 2
    return f"{line[:half]}...{line[-half:]}"


@contextmanager
def house() -> Iterator[None]:
    """The house style, whatever the user's own settings are; those come back afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A label in a script that the font lacks shows boxes; the table beside the plot has it.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


class ShownFigure(Figure):
    """A figure that notebooks show as its file is.

    Their own way cuts off what has no place in the layout, title and notes, and moves labels.
    """

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The bitmap for IPython, with or without `%matplotlib inline`."""
        width = round(self.get_size_inches()[0] * 100)
        return {"image/png": render(self, "png")}, {"image/png": {"width": width}}


def new_figure(height: float) -> Figure:
    """An empty figure of the house's width; no window, no global state."""
    figure = ShownFigure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def wants_log(values: Sequence[float]) -> bool:
    """Whether positive values span more than two decades (`LOG_RANGE`).

    On a linear axis the smallest would then be less than a hundredth of the axis, which is the
    width of a line.
    """
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_RANGE


def is_log(asked: str, axis: Literal["x", "y"], values: Sequence[float]) -> bool:
    """Whether an axis is logarithmic, as asked for or by the range; never with values <= 0."""
    if not values or min(values) <= 0:
        return False
    return wants_log(values) if asked == "auto" else asked in (axis, "both")


def render(figure: Figure, kind: FileKind) -> bytes:
    """The figure's file, byte for byte the same for the same figure: no dates, no versions."""
    out = io.BytesIO()
    dpi = min(DPI, _MOST_PIXELS / max(figure.get_size_inches()))
    with house():
        figure.savefig(out, format=kind, metadata=_UNDATED[kind], dpi=dpi)
    return out.getvalue()


_NOTE_SIZE = 7.0
_NOTE_WIDTH = 108  # characters
_NOTE_INK = "#555555"
_TITLE_SIZE = 10.0
_TITLE_WIDTH = 66  # characters
_TITLE_LINES = 3
_TITLE_LINE = 0.19  # inches
_NOTE_LINE = 0.135  # inches
_LEGEND_CHARACTERS = 84  # of a line of legend
_HANDLE_CHARACTERS = 6  # the room of a mark and its gaps
_MARGIN = 0.06  # inches
_BEYOND = 0.06  # of an axis, beyond the outermost value
_TICK_GAP = 4.0  # pixels between the labels of two ticks
_TICK_CHARACTER = 4.9  # points: a letter of DejaVu Sans at the size of tick labels
_AXES_SHARE = 0.7  # of the figure's width, with names at the right


def canvas(height: float, title: str, notes: Sequence[str]) -> tuple[Figure, Axes]:
    """Axes of a height in inches, under a title, above notes that take their own room."""
    figure, (axes,) = panels(1, height, title, notes)
    return figure, axes


def panels(
    count: int, height: float, title: str, notes: Sequence[str]
) -> tuple[Figure, tuple[Axes, ...]]:
    """Axes side by side under a title and above notes, which take room of their own."""
    lines = [line for note in notes for line in textwrap.wrap(printable(note), _NOTE_WIDTH) or [""]]
    heading = textwrap.wrap(printable(title), _TITLE_WIDTH)[:_TITLE_LINES]
    foot = len(lines) * _NOTE_LINE + (2 * _MARGIN if lines else 0)
    head = len(heading) * _TITLE_LINE + (2 * _MARGIN if heading else 0)
    total = head + height + foot
    figure = new_figure(total)
    figure.set_layout_engine("constrained", rect=(0, foot / total, 1, height / total))
    every = tuple(figure.add_subplot(1, count, number + 1) for number in range(count))
    _write_lines(figure, heading, (total - _MARGIN) / total, title=True)
    _write_lines(figure, lines, (foot - _MARGIN) / total, title=False)
    return figure, every


def _write_lines(figure: Figure, lines: Sequence[str], top: float, *, title: bool) -> None:
    """Lines at the left edge of the figure, in room that the layout leaves free."""
    size, line = (_TITLE_SIZE, _TITLE_LINE) if title else (_NOTE_SIZE, _NOTE_LINE)
    if lines:
        figure.text(
            _MARGIN / WIDTH,
            top,
            "\n".join(lines),
            va="top",
            ha="left",
            size=size,
            color=INK if title else _NOTE_INK,
            weight="bold" if title else "normal",
            linespacing=line * 72 / size / 1.2 * 1.03,
            in_layout=False,
        )


def legend(axes: Axes, title: str = "", handles: Sequence[Artist] | None = None) -> None:
    """What colours and marks mean, above the axes at their right end, as wide as the figure."""
    given = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    names = [printable(str(each.get_label())) for each in given]
    longest = max((len(name) for name in names), default=1) + _HANDLE_CHARACTERS
    made = axes.legend(
        given,
        names,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.4,
        ncols=max(1, min(len(names), _LEGEND_CHARACTERS // longest)),
        title=title or None,
        alignment="right",
    )
    made.get_title().set_fontsize(mpl.rcParams["legend.fontsize"])


def settle(figure: Figure) -> None:
    """Fixes the layout, so that positions in points no longer move; once, whoever asks."""
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def number_axis(
    axes: Axes, which: Literal["x", "y"], values: Sequence[float], log: bool, *, tight: bool = False
) -> None:
    """Linear, from zero where values are positive, or logarithmic with plain numbers as ticks.

    Args:
        values: all that is shown along it, ends of intervals included.
        tight: whether it may begin elsewhere than at zero; see `may_leave_zero`.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    limit = axes.set_xlim if which == "x" else axes.set_ylim
    if log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        positive = [value for value in values if value > 0]
        spans = max(positive) / min(positive)
        # Under two decades, powers of ten alone leave an axis almost without ticks.
        axis.set_major_locator(LogLocator(subs=(1.0,) if spans > 100 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick_text(value)))
        axis.set_minor_formatter(NullFormatter())
        return
    if not values:
        return
    low, high = min(values), max(values)
    if tight:
        room = _BEYOND * (high - low or abs(high) or 1.0)
        limit(low - room, high + room)
    elif low >= 0:
        limit(0, (high or 1.0) * (1 + _BEYOND))


def may_leave_zero(quantity: Quantity, values: Sequence[float]) -> bool:
    """Whether an axis of points or lines need not begin at zero; bars always do.

    So for accuracies that all lie in the upper half of an axis from zero: of them, few points
    matter. Costs are read as ratios, which an axis without zero distorts.
    """
    return quantity.name in RIGHT_SHARES and bool(values) and min(values) > max(values) / 2


def with_ends(
    values: Sequence[float], intervals: Sequence[tuple[float, float] | None]
) -> list[float]:
    """All that an axis has to show: values and the ends of their intervals."""
    return [*values, *(end for interval in intervals if interval for end in interval)]


def thin_ticks(axes: Axes) -> None:
    """Blanks tick labels of a settled x axis that would run into each other; the last stays."""
    low, high = axes.get_xlim()
    # Matplotlib has ticks beyond the axis, too, and stretches it to those that are set.
    labels = [
        label
        for label in axes.get_xticklabels()
        if label.get_text() and low <= label.get_position()[0] <= high
    ]
    next_left = float("inf")
    texts = {}
    for label in reversed(labels):
        box = label.get_window_extent()
        fits = box.x1 + _TICK_GAP < next_left
        next_left = box.x0 if fits else next_left
        texts[label.get_position()[0]] = label.get_text() if fits else ""
    places = sorted(texts)
    axes.set_xticks(places, [texts[place] for place in places])


def name_places(axes: Axes, names: Sequence[str]) -> None:
    """Names at 0, 1, 2, ... of an x axis, turned where they are too long to stand side by side."""
    room = WIDTH * _AXES_SHARE * 72 / max(len(names), 1)
    turned = max((len(name) for name in names), default=0) * _TICK_CHARACTER > room
    axes.set_xticks(range(len(names)), list(names))
    if turned:
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def _tick_text(value: float) -> str:
    """`0.01`, `100000`, `1e6`: without the sign and the zero that Python pads exponents with."""
    digits, found, exponent = f"{value:g}".partition("e")
    return f"{digits}e{int(exponent)}" if found else digits


def errors(values: Sequence[float], intervals: Sequence[tuple[float, float] | None]) -> Any:
    """Distances to the interval ends as matplotlib wants them, or `None` without any interval."""
    if all(interval is None for interval in intervals):
        return None
    low, high = [], []
    for value, interval in zip(values, intervals, strict=True):
        below, above = interval or (value, value)
        low.append(max(value - below, 0.0))
        high.append(max(above - value, 0.0))
    return [low, high]
