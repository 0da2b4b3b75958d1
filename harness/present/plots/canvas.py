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

from harness.messages import printable
from harness.present.plots.sheet import PAGE, Sheet, drawn_for, sheet
from harness.records.quantities.quantity import Row

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

_SCREEN_DPI = 150  # of what is measured before it is drawn

FileKind = Literal["png", "svg", "pdf"]
FILE_KINDS: tuple[FileKind, ...] = ("png", "svg", "pdf")

# What would tell when and by which version a file was made.
_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

_MOST_SHOWN = 1000  # pixels of a notebook's width

# WCAG 2.2, 1.4.3: the least contrast of text.
TEXT_CONTRAST = 4.5
_LABEL = 48  # characters of a label in a plot; tables have it whole
_LABEL_SHARE = 0.48  # of the width, at most, for the label of a row
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


def row_label(row: Row) -> str:
    """The label of a row beside bars or points, which leaves room for them."""
    return short(str(row.get("label")), min(_LABEL, sheet().characters(8, _LABEL_SHARE)))


def short(label: str, most: int = _LABEL) -> str:
    """A label on one line; the middle of a long one is left out."""
    line = printable(" ".join(label.split()))
    if len(line) <= most:
        return line
    half = (most - 3) // 2
    return f"{line[:half]}...{line[-half:]}"


_COLOURS: dict[str, Any] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "grid.color": "#E4E4E4",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
}
# Letters and lines of a page, in points.
_LETTERS: dict[str, float] = {
    "font.size": 9,
    "axes.titlesize": 10,  # of the panels of pictures; plots have their title above the figure
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
}
_LENGTHS: dict[str, float] = {
    "axes.linewidth": 0.8,
    "axes.labelpad": 4.0,
    "grid.linewidth": 0.7,
    "xtick.major.size": 3.5,
    "xtick.major.width": 0.8,
    "xtick.major.pad": 3.5,
    "xtick.minor.size": 2.0,
    "xtick.minor.width": 0.6,
    "ytick.major.size": 3.5,
    "ytick.major.width": 0.8,
    "ytick.major.pad": 3.5,
    "ytick.minor.size": 2.0,
    "ytick.minor.width": 0.6,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "errorbar.capsize": 2.5,
}
_FORMS: dict[str, Any] = {
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "text.parse_math": False,  # a label with two dollar signs is a label, not a formula
    "legend.frameon": False,
    "svg.hashsalt": "harness",  # ids of SVG elements are random without it
    "pdf.fonttype": 42,  # publishers refuse the bitmap-like fonts of type 3
    "figure.dpi": _SCREEN_DPI,
}
_FONT = "DejaVu Sans"  # comes with matplotlib, so figures equal everywhere; has all of our marks


def _settings(of: Sheet) -> dict[Any, Any]:
    """Matplotlib's settings; `Any` as key, since newer ones type the names one by one."""
    fonts = [*([of.font] if of.font else []), _FONT, "sans-serif"]
    return {
        **_COLOURS,
        **_FORMS,
        "font.family": fonts,
        "font.sans-serif": [_FONT],
        **{name: of.text(size) for name, size in _LETTERS.items()},
        **{name: of.length(size) for name, size in _LENGTHS.items()},
    }


@contextmanager
def house(of: Sheet = PAGE) -> Iterator[None]:
    """The house style for a sheet, whatever the user's settings are; those come back afterwards."""
    with mpl.rc_context(), warnings.catch_warnings(), drawn_for(of):
        # A label in a script that the font lacks shows boxes; the table beside the plot has it.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_settings(of))
        yield


class SheetFigure(Figure):
    """A figure for a sheet: notebooks show it, and `savefig` writes it, as its files are.

    Their own ways cut off what has no place in the layout, move labels and change fonts.
    """

    def __init__(self, height: float) -> None:
        """Empty, as wide as the sheet that is drawn for; no window, no global state."""
        self.sheet = sheet()
        self.caption: tuple[str, ...] = ()
        """Title and notes, which stand beside the figure unless they were asked into it."""
        self.foot = 0.0
        """Share of its height that notes take."""
        super().__init__(figsize=(self.sheet.width, height))
        FigureCanvasAgg(self)

    def savefig(self, fname: Any, *, text: bool = True, **given: Any) -> None:
        """Write a file; what is not given is as in the files of `harness show RUN --plots`.

        Args:
            text: of an SVG, whether text stays text, for which a reader needs the font; else
                letters are shapes.
        """
        kind = given.get("format") or str(fname).rpartition(".")[2].lower()
        dpi = min(self.sheet.dpi, _MOST_PIXELS / max(self.get_size_inches()))
        with house(self.sheet):
            mpl.rcParams["svg.fonttype"] = "none" if text else "path"
            super().savefig(fname, **{"dpi": dpi, "metadata": _UNDATED.get(kind), **given})

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The bitmap for IPython, with or without `%matplotlib inline`."""
        width = min(round(self.get_size_inches()[0] * 100), _MOST_SHOWN)
        return {"image/png": render(self, "png")}, {"image/png": {"width": width}}


def render(figure: Figure, kind: FileKind, *, text: bool = False) -> bytes:
    """The figure's file, byte for byte the same for the same figure: no dates, no versions.

    Args:
        text: of an SVG, whether text stays text; see `SheetFigure.savefig`.
    """
    out = io.BytesIO()
    figure.savefig(out, format=kind, text=text)
    return out.getvalue()


_NOTE_SIZE, _TITLE_SIZE = 7.0, 10.0
_NOTE_INK = "#555555"
_TITLE_LINES = 3
_LEADING = 1.38  # of the size of letters, from line to line
_HANDLE_CHARACTERS = 6  # the room of a mark and its gaps
_MARGIN = 0.06  # inches
_PAD = 0.042  # inches around the axes with all that belongs to them


def canvas(height: float, title: str, notes: Sequence[str]) -> tuple[SheetFigure, Axes]:
    """Axes of a height in inches; see `panels`."""
    figure, ((axes,),) = panels(1, 1, height, title, notes)
    return figure, axes


def panels(
    rows: int, columns: int, height: float, title: str, notes: Sequence[str], *, share: bool = False
) -> tuple[SheetFigure, list[list[Axes]]]:
    """Axes in rows, and the caption of the figure, which stands in it where the sheet is titled.

    Args:
        height: of all rows together, in inches.
        share: whether all have the same axes.
    """
    to = sheet()
    heading, lines = [], []
    if to.titled:
        wrapped = textwrap.wrap(printable(title), to.characters(1.1 * _TITLE_SIZE))
        heading = wrapped[:_TITLE_LINES]
        width = to.characters(_NOTE_SIZE)
        lines = [line for note in notes for line in textwrap.wrap(printable(note), width) or [""]]
    head, foot = (_height(*each) for each in ((heading, _TITLE_SIZE), (lines, _NOTE_SIZE)))
    if height == to.height:  # a slide keeps its form
        height = max(height - head - foot, height / 2)
    total = head + height + foot
    figure = SheetFigure(total)
    figure.caption, figure.foot = (title, *notes), foot / total
    pad, room = to.length(_PAD), (0, foot / total, 1, height / total)
    figure.set_layout_engine("constrained", rect=room, w_pad=pad, h_pad=pad)
    _write_lines(figure, heading, (total - _MARGIN) / total, title=True)
    _write_lines(figure, lines, (foot - _MARGIN) / total, title=False)
    every = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    return figure, [list(row) for row in every]


def _height(lines: Sequence[str], size: float) -> float:
    """Inches that lines take, with their margins."""
    return len(lines) * _LEADING * sheet().text(size) / 72 + (2 * _MARGIN if lines else 0)


def _write_lines(figure: Figure, lines: Sequence[str], top: float, *, title: bool) -> None:
    """Lines at the left edge of the figure, in room that the layout leaves free."""
    if lines:
        figure.text(
            _MARGIN / sheet().width,
            top,
            "\n".join(lines),
            va="top",
            ha="left",
            size=sheet().text(_TITLE_SIZE if title else _NOTE_SIZE),
            color=INK if title else _NOTE_INK,
            weight="bold" if title else "normal",
            linespacing=_LEADING / 1.2,
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
        ncols=max(1, min(len(names), sheet().characters(8) // longest)),
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
