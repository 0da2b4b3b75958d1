"""Line plot: a quantity over a swept one, a line per series, the printed line beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.present.plots import canvas
from harness.present.plots.curves import Curve, curves_of, draw_curve, scale_x, scale_y
from harness.present.plots.multiples import draw_multiples
from harness.present.plots.placement import in_points, kept_apart, kept_below, room
from harness.present.plots.scales import name_axes, thin_ticks, with_ends
from harness.present.plots.sheet import sheet
from harness.present.plots.view import View

HEIGHT = 3.9  # inches on a page
MOST_LINES = 8
"""Lines in the same axes; more are as many small plots."""

_NAME_SIZE = 8.0  # points
_NAME_GAP = 8.0  # points from the axes
_NAME_LINE = 1.3  # of the size, from one name to the next
_NAME_SHARE = 0.34  # of the width, at most, for names at the right; longer ones stand above
_BESIDE = 5.0  # inches, of the figure: in a narrower one two axes stand below each other
# Printed values are drawn into the same axes unless those would flatten one of the curves: the
# range of both together is then more than this many times that of either.
_FLATTENED = 3.0


@dataclass(frozen=True)
class End:
    """The name of a line, and where the line ends, in the units of the axes."""

    name: str
    x: float
    y: float
    colour: str


def name_ends(figure: Figure, axes: Axes, ends: Sequence[End]) -> None:
    """Names right of the axes at the height of the lines' ends, pushed apart where they meet."""
    longest = max((end.name for end in ends), key=len)
    size = sheet().text(_NAME_SIZE)
    # An invisible label keeps the room that the names need when the layout settles.
    gap = sheet().length(_NAME_GAP)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    kept = axes.annotate(longest, (1, 0.5), (gap, 0), size=size, alpha=0, **place)
    canvas.settle(figure)
    kept.remove()
    spots = in_points(figure, axes, [(end.x, end.y) for end in ends])
    right = room(figure, axes).right + gap
    line = _NAME_LINE * size
    top = figure.get_size_inches()[1] * 72 - line / 2
    heights = kept_below(kept_apart([y for _, y in spots], [line] * len(ends)), line, top)
    look: dict[str, Any] = {"xycoords": "figure points", "textcoords": "figure points"}
    look |= {"size": size, "va": "center", "ha": "left", "annotation_clip": False}
    tie = {"arrowstyle": "-", "alpha": 0.5, "linewidth": sheet().length(0.6)}
    tie |= {"shrinkA": 0, "shrinkB": sheet().length(4)}
    for end, spot, at in zip(ends, spots, heights, strict=True):
        arrow = tie | {"color": end.colour, "relpos": (0, 0.5)}
        axes.annotate(end.name, spot, (right, at), color=end.colour, arrowprops=arrow, **look)


def draw(view: View) -> Figure:
    """Lines through the rows of a series in the order of x; each is named at its right end.

    An axis of text (the order of two relations, a list of rates) gets evenly spaced places in the
    suite's order. What a paper prints is hollow and dotted, in the colour of its series: in the
    same axes, or in axes of its own beside them where the ranges are far apart (accuracies on
    other data). A row without a value is a cross at the foot, where its x is known. More than
    `MOST_LINES` series are small plots with the same axes.
    """
    assert view.x is not None
    curves = curves_of(view)
    if len(curves) > MOST_LINES:
        return draw_multiples(view, curves)
    ours = [value for curve in curves for value in with_ends(curve.y, curve.intervals)]
    printed = [value for curve in curves for value in curve.printed_y]
    apart = _far_apart(ours, printed)
    across = 2 if apart and sheet().width >= _BESIDE else 1
    down = 2 if apart and across == 1 else 1
    height = sheet().free(HEIGHT if down == 1 else 1.6 * HEIGHT)
    figure, grid = canvas.panels(down, across, height, view.title, view.notes)
    axes, *beside = [each for row in grid for each in row]
    for curve in curves:
        draw_curve(axes, beside[0] if apart else axes, curve)
    scale_y(axes, view, ours if apart else [*ours, *printed])
    if apart:
        scale_y(beside[0], view, printed)
    for each in (axes, *beside):
        scale_x(each, view, curves, 0.75 / across)
        of = f", {'ours' if each is axes else 'printed'}" if apart else ""
        head = view.x.head if each in grid[-1] else ""
        name_axes(each, head, f"{view.y.head}{of}", 0.75 / across)
    ends = _ends(curves)
    longest = max((len(end.name) for end in ends), default=0)
    at_ends = view.series is not None and not apart and bool(ends)
    at_ends = at_ends and longest <= sheet().characters(_NAME_SIZE, _NAME_SHARE)
    legend_in = grid[0][-1]
    _explain_forms(legend_in, curves, bool(printed), named=at_ends or view.series is None)
    if at_ends:
        name_ends(figure, axes, ends)
    else:
        canvas.settle(figure)
    if not view.x.is_text:
        for each in (axes, *beside):
            thin_ticks(each)
    return figure


def _ends(curves: Sequence[Curve]) -> list[End]:
    ends = []
    for curve in curves:
        x, y = (curve.x, curve.y) if curve.x else (curve.printed_x, curve.printed_y)
        if x:
            ends.append(End(curve.name, x[-1], y[-1], canvas.text_colour(curve.number)))
    return ends


def _far_apart(ours: Sequence[float], printed: Sequence[float]) -> bool:
    if not ours or not printed:
        return False
    spans = [max(each) - min(each) for each in (ours, printed, [*ours, *printed])]
    return spans[2] > _FLATTENED * max(spans[0], spans[1]) and spans[2] > 0


def _explain_forms(axes: Axes, curves: Sequence[Curve], printed: bool, *, named: bool) -> None:
    """What forms mean, and which series a colour is unless that is said elsewhere."""
    handles = []
    if not named:
        for curve in curves:
            colour, marker = canvas.colour(curve.number), canvas.marker(curve.number)
            handles.append(Line2D([], [], color=colour, marker=marker, label=curve.name))
    if printed:
        for label, face, line in (("ours", canvas.INK, "-"), ("printed", canvas.HOLLOW, ":")):
            mark = {"marker": "o", "markerfacecolor": face, "linestyle": line}
            handles.append(Line2D([], [], color=canvas.INK, label=label, **mark))  # type: ignore[arg-type]
    if any(curve.lost_x for curve in curves):
        look = {"color": canvas.INK, "marker": "x", "linestyle": "none"}
        handles.append(Line2D([], [], label="failed", **look))  # type: ignore[arg-type]
    if handles:
        canvas.legend(axes, handles=handles)
