"""The one house style of plots: colours, fonts, sizes, and how a figure becomes bytes."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from harness.printable import printable

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

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = ("png", "svg", "pdf")

# What would tell when and by which version a file was made.
_UNDATED: dict[Format, dict[str, Any]] = {
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


def contrast(name: str) -> float:
    """Contrast of a colour with white, 1 to 21 (WCAG 2.2, relative luminance of sRGB)."""
    weights = (0.2126, 0.7152, 0.0722)
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in to_rgb(name)]
    return 1.05 / (sum(w * p for w, p in zip(weights, linear, strict=True)) + 0.05)


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


def render(figure: Figure, kind: Format) -> bytes:
    """The figure's file, byte for byte the same for the same figure: no dates, no versions."""
    out = io.BytesIO()
    dpi = min(DPI, _MOST_PIXELS / max(figure.get_size_inches()))
    with house():
        figure.savefig(out, format=kind, metadata=_UNDATED[kind], dpi=dpi)
    return out.getvalue()
