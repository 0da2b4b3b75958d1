"""Line plot: a quantity over a swept one, a line per series."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.present import style
from harness.present.canvas import canvas, errors, number_axis, settle
from harness.present.placement import spread
from harness.present.quantity import Row
from harness.present.view import View

_HEIGHT = 3.9
_LABEL_SIZE = 8.0
_LINE_POINTS = 10.5


def draw(view: View) -> Figure:
    """Lines through the rows of a series in the order of x; each is named at its right end.

    An axis of text (the order of two relations, a list of rates) gets evenly spaced places in the
    suite's order.
    """
    assert view.x is not None
    figure, axes = canvas(_HEIGHT, view.title, view.notes)
    places = None if not view.x.is_text else _places(view)
    ends: list[tuple[str, float, float, str]] = []
    every_x, every_y = [], []
    for number, (name, rows) in enumerate(view.groups().items()):
        colour = style.colour(number)
        known = sorted(rows, key=lambda row: _x(view, row, places))
        x = [_x(view, row, places) for row in known]
        y = [view.y.ours(row) or 0.0 for row in known]
        axes.errorbar(
            x,
            y,
            yerr=errors(y, [view.y.interval(row) for row in known]),
            color=colour,
            marker=style.marker(number),
            # Beyond the palette, a dashed line tells a colour's second use from its first.
            linestyle="-" if number < len(style.PALETTE) else "--",
            markeredgecolor="white",
            markeredgewidth=0.6,
            clip_on=False,  # a mark on an axis is shown whole
        )
        ends.append((name, x[-1], y[-1], colour))
        every_x += x
        every_y += y
    number_axis(axes, "y", every_y, style.is_log(view.spec.log, "y", every_y))
    if places is None:
        if style.is_log(view.spec.log, "x", every_x):
            number_axis(axes, "x", every_x, log=True)
        _ticks(axes, every_x)
    else:
        axes.set_xticks(list(places.values()), list(places))
    axes.set_xlabel(view.x.head)
    axes.set_ylabel(view.y.head)
    axes.grid(visible=True)
    if view.series is not None:
        _name_ends(figure, axes, ends)
    return figure


def _places(view: View) -> dict[str, float]:
    assert view.x is not None
    names = dict.fromkeys(view.x.text(row) or "" for row in view.rows)
    return {name: float(index) for index, name in enumerate(names)}


def _x(view: View, row: Row, places: dict[str, float] | None) -> float:
    assert view.x is not None
    if places is not None:
        return places[view.x.text(row) or ""]
    return view.x.ours(row) or 0.0


def _ticks(axes: Axes, values: Sequence[float]) -> None:
    """Few swept values are the ticks themselves: nothing was measured between them."""
    swept = sorted(set(values))
    if len(swept) <= 8 and all(value == int(value) for value in swept):
        axes.set_xticks(swept, [f"{value:.0f}" for value in swept])
        axes.minorticks_off()


def _name_ends(figure: Figure, axes: Axes, ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Names right of the axes at the height of the lines' ends, pushed apart where they meet."""
    longest = max((name for name, *_ in ends), key=len)
    # An invisible label keeps the room that the names need when the layout settles.
    room = axes.text(
        1.02, 0.5, longest, transform=axes.transAxes, size=_LABEL_SIZE, alpha=0, gid="room"
    )
    settle(figure)
    room.remove()
    per_point = figure.dpi / 72
    spots = axes.transData.transform([(x, y) for _, x, y, _ in ends])
    heights = [float(spot[1]) / per_point for spot in spots]
    right = axes.get_window_extent().x1 / per_point
    for (name, _, _, colour), spot, height, at in zip(
        ends, spots, heights, spread(heights, [_LINE_POINTS] * len(ends)), strict=True
    ):
        axes.annotate(
            name,
            xy=(float(spot[0]) / per_point, height),
            xycoords="figure points",
            xytext=(right + 8, at),
            textcoords="figure points",
            size=_LABEL_SIZE,
            color=colour,
            va="center",
            ha="left",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "alpha": 0.5,
                "linewidth": 0.6,
                "shrinkA": 0,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
        )
