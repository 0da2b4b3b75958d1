"""Scatter plot: one point per row, each with its label beside it."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.present.plots import canvas as style
from harness.present.plots.placement import LEADER, Box, Point, along, in_points, place, room
from harness.present.plots.scales import (
    errors,
    is_log,
    may_leave_zero,
    name_axes,
    number_axis,
    with_ends,
)
from harness.present.plots.sheet import PAGE, sheet
from harness.present.plots.view import View, guide

_LABEL_POINTS = 7.5
_STEP = 5.0  # points between the boxes that keep labels off lines
_MARK = 7.0  # points
_HEIGHT = 4.4  # inches on a page
_MOST_LABELS = 32  # on a page
_IN_FIGURE: dict[str, Any] = {"xycoords": "figure points", "textcoords": "figure points"}


def most_labels() -> int:
    """Labels beside points: more are a grey cloud, and finding places for them takes minutes."""
    share = sheet().free(_HEIGHT) * sheet().width / (PAGE.free(_HEIGHT) * PAGE.width)
    return min(_MOST_LABELS, max(1, int(_MOST_LABELS * share / sheet().scale ** 2)))


def draw(view: View) -> Figure:
    """Points with their intervals and a guide; labels are placed so that they cover nothing."""
    assert view.x is not None
    figure, axes = style.canvas(sheet().free(_HEIGHT), view.title, view.notes)
    draw_points(axes, view)
    points = _spots(view)
    line = guide(view.x, view.y, points)
    if line is not None:
        axes.plot(
            *zip(*line.corners, strict=True),
            color=style.FAINT,
            linewidth=sheet().length(1.1),
            linestyle="-" if line.kind == "front" else "--",
            zorder=1,
        )
    for which, reading in (("x", view.x), ("y", view.y)):
        values = [reading.ours(row) or 0.0 for row in view.rows]
        number_axis(
            axes,
            which,  # type: ignore[arg-type]
            with_ends(values, [reading.interval(row) for row in view.rows]),
            is_log(view.spec.log, which, values),  # type: ignore[arg-type]
            tight=may_leave_zero(reading.quantity, values),
        )
    name_axes(axes, view.x.head, view.y.head)
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
            xerr=errors(x, [view.x.interval(row) for row in rows]),
            yerr=errors(y, [view.y.interval(row) for row in rows]),
            fmt=style.marker(number),
            color=style.colour(number),
            ecolor=style.FAINT,
            elinewidth=sheet().length(1.0),
            markeredgecolor="white",
            markeredgewidth=sheet().length(0.6),
            clip_on=False,  # a mark on an axis is shown whole
            markersize=sheet().length(_MARK),
            zorder=3,
        )
    if view.series is not None:
        handles = [
            Line2D([], [], color=style.colour(n), marker=style.marker(n), ls="none", label=name)
            for n, name in enumerate(view.groups())
        ]
        style.legend(axes, view.legend_title, handles)


def path(figure: Figure, axes: Axes, corners: Sequence[Point]) -> list[Box]:
    """Boxes along a line of settled axes, in points."""
    return along(in_points(figure, axes, corners), sheet().length(_STEP))


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
    names = {index: style.row_label(row) for index, row in enumerate(view.rows)}
    if len(names) <= most_labels():
        return names
    return {index: names[index] for index in list(best)[: most_labels()]}


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
    size = sheet().text(_LABEL_POINTS)
    texts = [
        axes.text(0, 0, label, size=size, weight=weights[index], transform=None)
        for index, label in labels.items()
    ]
    extents = [room(figure, text) for text in texts]
    for text in texts:
        text.remove()
    marks = [Box(x, y, x, y).grown(sheet().length(_MARK / 2)) for x, y in every]
    placed = _placed(
        [every[index] for index in labels], extents, [*obstacles, *marks], room(figure, axes)
    )
    look = _IN_FIGURE | {"size": size, "annotation_clip": False}
    tie = {"arrowstyle": "-", "color": style.FAINT, "linewidth": sheet().length(0.6)}
    tie |= {"shrinkA": 0, "shrinkB": sheet().length(3)}
    for (index, label), box in zip(labels.items(), placed, strict=True):
        spot, at = every[index], (box.left, (box.bottom + box.top) / 2)
        axes.annotate(label, spot, at, weight=weights[index], va="center", ha="left", **look)
        if box.distance(spot) > sheet().length(LEADER):
            axes.annotate("", spot, box.nearest(spot), arrowprops=tie, **_IN_FIGURE)


def _placed(
    spots: Sequence[Point], extents: Sequence[Box], obstacles: Sequence[Box], bounds: Box
) -> list[Box]:
    """Rooms of labels, found in the units of a page, where a mark has the size it has there."""
    scale = sheet().scale
    sizes = [((b.right - b.left) / scale, (b.top - b.bottom) / scale) for b in extents]
    found = place(
        [(x / scale, y / scale) for x, y in spots],
        sizes,
        bounds.scaled(1 / scale),
        [each.scaled(1 / scale) for each in obstacles],
    )
    return [each.scaled(scale) for each in found]
