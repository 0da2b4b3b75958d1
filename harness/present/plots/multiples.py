"""Small multiples: a small plot for each of many series, all with the same axes."""

import math
from collections.abc import Sequence

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from harness.present.plots import canvas
from harness.present.plots.curves import Curve, draw_curve, scale_x, scale_y
from harness.present.plots.scales import thin_ticks, with_ends
from harness.present.plots.sheet import sheet
from harness.present.plots.view import View

_WIDTH, _HEIGHT = 1.3, 1.2  # inches of each on a page
_MARGIN = 0.3  # inches below all
# "The maximum depth of a graphic is 9 inches", says the IEEE in its author guidelines.
_DEPTH = 9.0
_OTHERS = "#DDDDDD"
_NAME_SIZE = 8.0  # points


def _across(count: int) -> int:
    """Panels side by side."""
    return min(count, max(2, int(sheet().width / sheet().length(_WIDTH))))


def most_panels() -> int:
    """Series of one figure: those for which a page, or a slide, has room."""
    to = sheet()
    depth = to.height or _DEPTH
    down = next(n for n in range(1, 100) if to.rows(_HEIGHT * (n + 1) + _MARGIN) > depth)
    return down * _across(100)


def draw_multiples(view: View, curves: Sequence[Curve]) -> Figure:
    """Each series in axes of its own under its name; in grey behind it all the others."""
    assert view.x is not None
    shown, to = curves[: most_panels()], sheet()
    across = _across(len(shown))
    down = math.ceil(len(shown) / across)
    height = to.rows(_HEIGHT * down + _MARGIN)
    figure, grid = canvas.panels(down, across, height, view.title, view.notes, share=True)
    panels = [axes for row in grid for axes in row]
    values = [value for curve in shown for value in with_ends(curve.y, curve.intervals)]
    values += [value for curve in shown for value in curve.printed_y]
    scale_y(panels[0], view, values)
    scale_x(panels[0], view, shown, 0.85 / across)
    lines = [list(zip(curve.x, curve.y, strict=True)) for curve in shown]
    most = to.characters(_NAME_SIZE, 0.85 / across)
    for axes, curve in zip(panels, shown, strict=False):
        axes.add_collection(
            LineCollection(lines, colors=_OTHERS, linewidths=to.length(0.8), zorder=1),
            autolim=False,
        )
        one = Curve(**{**vars(curve), "number": 0})  # its place tells it from the others
        draw_curve(axes, axes, one)
        axes.set_title(_within(curve.name, most), size=to.text(_NAME_SIZE), weight="normal")
        axes.grid(visible=True)
    for number, axes in enumerate(panels):
        if number >= len(shown):
            axes.set_visible(False)
        # Below a panel that stands above none the axis is named, too.
        axes.tick_params(labelbottom=number + across >= len(shown))
    below = figure.supxlabel(view.x.head, size=to.text(9))
    figure.supylabel(view.y.head, size=to.text(9))
    canvas.settle(figure)
    # Matplotlib keeps room for it above the notes, and puts it at the edge of the figure.
    below.set_y(below.get_position()[1] + figure.foot)
    if not view.x.is_text:
        thin_ticks(panels[len(shown) - 1])  # the axis of all, where its labels are drawn
    return figure


def _within(name: str, most: int) -> str:
    """A name on a line of so many letters; the middle of a longer one is left out."""
    if len(name) <= most:
        return name
    half = max(1, (most - 1) // 2)
    return f"{name[:half]}…{name[-half:]}"
