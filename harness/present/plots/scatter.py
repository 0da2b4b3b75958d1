"""Scatter plot: one point per row, each with its label beside it."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.present.plots import canvas as style
from harness.present.plots.placement import LEADER, Box, Point, along, in_points, place, room
from harness.present.plots.view import View, guide

_LABEL_POINTS = 7.5
_STEP = 5.0  # points between the boxes that keep labels off lines
# More labels than that are a grey cloud, and finding places for them takes minutes.
MOST_LABELS = 32
_IN_FIGURE: dict[str, Any] = {"xycoords": "figure points", "textcoords": "figure points"}
_TIE = {"arrowstyle": "-", "color": style.FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}


def draw(view: View) -> Figure:
    """Points with their intervals and a guide; labels are placed so that they cover nothing."""
    assert view.x is not None
    figure, axes = style.canvas(4.4, view.title, view.notes)
    draw_points(axes, view)
    points = _spots(view)
    line = guide(view.x, view.y, points)
    if line is not None:
        axes.plot(
            *zip(*line.corners, strict=True),
            color=style.FAINT,
            linewidth=1.1,
            linestyle="-" if line.kind == "front" else "--",
            zorder=1,
        )
    for which, reading in (("x", view.x), ("y", view.y)):
        values = [reading.ours(row) or 0.0 for row in view.rows]
        style.number_axis(
            axes,
            which,  # type: ignore[arg-type]
            style.with_ends(values, [reading.interval(row) for row in view.rows]),
            style.is_log(view.spec.log, which, values),  # type: ignore[arg-type]
            tight=style.may_leave_zero(reading.quantity, values),
        )
    axes.set_xlabel(view.x.head)
    axes.set_ylabel(view.y.head)
    axes.grid(visible=True)
    style.settle(figure)
    obstacles = intervals(figure, axes, view)
    if line is not None:
        obstacles += path(figure, axes, line.corners)
    best = line.members if line is not None and line.kind == "front" else ()
    annotate_points(figure, axes, points, shown_labels(view, best), obstacles=obstacles, bold=best)
    return figure


def _spots(view: View) -> list[Point]:
    assert view.x is not None
    return [(view.x.ours(row) or 0.0, view.y.ours(row) or 0.0) for row in view.rows]


def draw_points(axes: Axes, view: View) -> None:
    """Marks with their intervals, by series, and the legend of the series."""
    assert view.x is not None
    for number, rows in enumerate(view.groups().values()):
        x = [view.x.ours(row) or 0.0 for row in rows]
        y = [view.y.ours(row) or 0.0 for row in rows]
        axes.errorbar(
            x,
            y,
            xerr=style.errors(x, [view.x.interval(row) for row in rows]),
            yerr=style.errors(y, [view.y.interval(row) for row in rows]),
            fmt=style.marker(number),
            color=style.colour(number),
            ecolor=style.FAINT,
            elinewidth=1.0,
            markeredgecolor="white",
            markeredgewidth=0.6,
            clip_on=False,  # a mark on an axis is shown whole
            markersize=7,
            zorder=3,
        )
    if view.series is not None:
        handles = [
            Line2D([], [], color=style.colour(n), marker=style.marker(n), ls="none", label=name)
            for n, name in enumerate(view.groups())
        ]
        style.legend(axes, view.series.name, handles)


def path(figure: Figure, axes: Axes, corners: Sequence[Point]) -> list[Box]:
    """Boxes along a line of settled axes, in points."""
    return along(in_points(figure, axes, corners), _STEP)


def intervals(figure: Figure, axes: Axes, view: View) -> list[Box]:
    """Boxes along the intervals of settled points, in points."""
    assert view.x is not None
    boxes: list[Box] = []
    for row, (x, y) in zip(view.rows, _spots(view), strict=True):
        across, up = view.x.interval(row), view.y.interval(row)
        if across:
            boxes += path(figure, axes, [(end, y) for end in _visible(across, axes.get_xlim())])
        if up:
            boxes += path(figure, axes, [(x, end) for end in _visible(up, axes.get_ylim())])
    return boxes


def _visible(interval: Point, limits: Point) -> Point:
    """An interval within the limits: its end may be zero where the axis is logarithmic."""
    return max(interval[0], limits[0]), min(interval[1], limits[1])


def shown_labels(view: View, best: Sequence[int] = ()) -> dict[int, str]:
    """Labels by number of the row: all, or where they are too many those of the front."""
    names = {index: style.short(str(row.get("label"))) for index, row in enumerate(view.rows)}
    if len(names) <= MOST_LABELS:
        return names
    return {index: names[index] for index in list(best)[:MOST_LABELS]}


def annotate_points(
    figure: Figure,
    axes: Axes,
    points: Sequence[Point],
    labels: dict[int, str],
    *,
    obstacles: Sequence[Box] = (),
    bold: Sequence[int] = (),
) -> None:
    """Labels beside points of settled axes, tied to them by thin lines where they stand apart.

    Args:
        points: in the units of the axes.
        labels: by number of the point.
        obstacles: that labels keep off, in points.
        bold: numbers of the points whose labels are bold.
    """
    if not labels:
        return
    every = in_points(figure, axes, points)
    weights = {index: "bold" if index in bold else "normal" for index in labels}
    texts = [
        axes.text(0, 0, label, size=_LABEL_POINTS, weight=weights[index], transform=None)
        for index, label in labels.items()
    ]
    extents = [text.get_window_extent() for text in texts]
    per_point = figure.dpi / 72
    sizes = [(each.width / per_point, each.height / per_point) for each in extents]
    for text in texts:
        text.remove()
    spots = [every[index] for index in labels]
    blocked = [*obstacles, *(Box(x, y, x, y).grown(3.5) for x, y in every)]
    placed = place(spots, sizes, room(figure, axes), blocked)
    look = _IN_FIGURE | {"size": _LABEL_POINTS, "annotation_clip": False}
    for (index, label), spot, box in zip(labels.items(), spots, placed, strict=True):
        at = (box.left, (box.bottom + box.top) / 2)
        axes.annotate(label, spot, at, weight=weights[index], va="center", ha="left", **look)
        if box.distance(spot) > LEADER:
            axes.annotate("", spot, box.nearest(spot), arrowprops=_TIE, **_IN_FIGURE)
