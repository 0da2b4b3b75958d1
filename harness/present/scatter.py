"""Scatter plot: one point per row, each with its label beside it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.present import style
from harness.present.canvas import canvas, errors, number_axis, settle
from harness.present.placement import LEADER, Box, place
from harness.present.view import View

_HEIGHT = 4.4
_LABEL_SIZE = 7.5


def draw(view: View) -> Figure:
    """Points with their intervals; labels are placed so that they cover nothing."""
    assert view.x is not None
    figure, axes = canvas(_HEIGHT, view.title, view.notes)
    every_x = [view.x.ours(row) or 0.0 for row in view.rows]
    every_y = [view.y.ours(row) or 0.0 for row in view.rows]
    for number, (name, rows) in enumerate(view.groups().items()):
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
            elinewidth=1.0,
            markeredgecolor="white",
            markeredgewidth=0.6,
            clip_on=False,  # a mark on an axis is shown whole
            markersize=7,
            label=name,
        )
    if view.series is not None:
        figure.legend(title=view.series.name, loc="outside upper right", ncols=5)
    number_axis(axes, "x", every_x, style.is_log(view.spec.log, "x", every_x))
    number_axis(axes, "y", every_y, style.is_log(view.spec.log, "y", every_y))
    axes.set_xlabel(view.x.head)
    axes.set_ylabel(view.y.head)
    axes.grid(visible=True)
    settle(figure)
    annotate_points(figure, axes, every_x, every_y, [str(row.get("label")) for row in view.rows])
    return figure


def annotate_points(
    figure: Figure,
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    labels: Sequence[str],
    *,
    obstacles: Sequence[Box] = (),
) -> None:
    """Labels beside points of settled axes, tied to them by thin lines where they stand apart."""
    per_point = figure.dpi / 72
    spots = [
        (float(spot[0]) / per_point, float(spot[1]) / per_point)
        for spot in axes.transData.transform(list(zip(x, y, strict=True)))
    ]
    texts = [axes.text(0, 0, label, size=_LABEL_SIZE, transform=None) for label in labels]
    sizes = [_size(text, per_point) for text in texts]
    frame = axes.get_window_extent()
    bounds = Box(
        frame.x0 / per_point, frame.y0 / per_point, frame.x1 / per_point, frame.y1 / per_point
    )
    for text in texts:
        text.remove()
    for label, spot, box in zip(labels, spots, place(spots, sizes, bounds, obstacles), strict=True):
        near = box.nearest(spot)
        apart = box.distance(spot) > LEADER
        axes.annotate(
            label,
            xy=spot,
            xycoords="figure points",
            xytext=(box.left, (box.bottom + box.top) / 2),
            textcoords="figure points",
            size=_LABEL_SIZE,
            va="center",
            ha="left",
            annotation_clip=False,
        )
        if apart:
            axes.annotate(
                "",
                xy=spot,
                xycoords="figure points",
                xytext=near,
                textcoords="figure points",
                arrowprops={
                    "arrowstyle": "-",
                    "color": style.FAINT,
                    "linewidth": 0.6,
                    "shrinkA": 0,
                    "shrinkB": 3,
                },
            )


def _size(text: Text, per_point: float) -> tuple[float, float]:
    extent = text.get_window_extent()
    return extent.width / per_point, extent.height / per_point
