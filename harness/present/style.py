"""The one house style of plots: colours, fonts, sizes, and how a figure becomes bytes."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008): told apart under every common colour blindness.
# Yellow is left out: it is too light on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#222222"
FAINT = "#888888"
PRINTED = "#D55E00"

WIDTH = 7.0  # inches: the text width of a two-column paper
DPI = 150

# `Any` as key: newer matplotlib types its settings' names one by one, older takes any text.
_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so figures equal everywhere
    "font.size": 9,
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
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
}

# A range wider than this is shown on a logarithmic axis.
LOG_RANGE = 100.0


def colour(number: int) -> str:
    """Colour of the series of that number."""
    return PALETTE[number % len(PALETTE)]


def marker(number: int) -> str:
    """Mark of the series of that number: a colour's second use comes with another mark."""
    return MARKERS[(number + number // len(PALETTE)) % len(MARKERS)]


@contextmanager
def house() -> Iterator[None]:
    """The house style, whatever the user's own settings are; those come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(height: float) -> Figure:
    """An empty figure of the house's width; no window, no global state."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def wants_log(values: Sequence[float]) -> bool:
    """Whether positive values span more than two decades."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_RANGE


def is_log(asked: str, axis: Literal["x", "y"], values: Sequence[float]) -> bool:
    """Whether an axis is logarithmic, as asked for or by the range; never with values <= 0."""
    if not values or min(values) <= 0:
        return False
    return wants_log(values) if asked == "auto" else asked in (axis, "both")


def render(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """The figure's file, byte for byte the same for the same figure: no dates, no versions."""
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    out = io.BytesIO()
    with house():
        figure.savefig(out, format=kind, metadata=metadata, dpi=DPI)
    return out.getvalue()
