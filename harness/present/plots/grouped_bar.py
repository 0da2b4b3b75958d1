"""Grouped bar plot: several quantities of every row side by side, each in its own unit."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.present.plots.bar import reasons, rows_down
from harness.present.plots.canvas import (
    INK,
    canvas,
    colour,
    errors,
    is_log,
    legend,
    number_axis,
    reach,
)
from harness.present.plots.view import View

_BAR_INCHES = 0.2
_GROUP_GAP = 0.6  # bars that the space between two rows could hold
_FRAME_INCHES = 1.05
_NUMBER_SIZE = 7.5
_LABEL_SIZE = 8.0
_NUMBER_ROOM = 1.16  # of the longest bar, for its number; a logarithmic axis has another


def draw(view: View) -> Figure:
    """Horizontal bars in groups, rows in the suite's order and quantities as listed, from the top.

    The quantities share their dimension, not their unit: each bar has the length of its number in
    its own unit, which stands in the legend, and that number at its end. A row that lacks one of
    them keeps its place, with the reason.
    """
    count, rows = len(view.ys), view.every
    step = count + _GROUP_GAP
    figure, axes = canvas(_FRAME_INCHES + _BAR_INCHES * step * len(rows), view.title, view.notes)
    shown = [
        reach([reading.ours(row) or 0.0], [reading.interval(row)])
        for reading in view.ys
        for row in view.rows
    ]
    every = [value for each in shown for value in each]
    log = is_log(view.spec.log, "x", every) or (view.spec.log == "y" and is_log("both", "x", every))
    for number in range(count):
        _bars(axes, view, number, step)
    number_axis(axes, "x", every, log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 2)
    else:
        axes.set_xlim(0, (max(every) or 1.0) * _NUMBER_ROOM)
    middles = [index * step + (count - 1) / 2 for index in range(len(rows))]
    rows_down(axes, [str(row.get("label")) for row in rows], middles, _LABEL_SIZE)
    reasons(axes, view, dict(zip(middles, rows, strict=True)), _NUMBER_SIZE)
    axes.set_ylim(len(rows) * step - _GROUP_GAP, -0.5 - _GROUP_GAP / 2)
    heads = " and ".join(dict.fromkeys(each.name for each in view.ys))
    scale = ", logarithmic" if log else ""
    axes.set_xlabel(f"{heads}, each in the unit of the legend{scale}")
    legend(axes)
    return figure


def _bars(axes: Axes, view: View, number: int, step: float) -> None:
    """The bars of one quantity, with the number of each beyond its interval."""
    reading = view.ys[number]
    kept = {id(row) for row in view.rows}
    found = [
        (index * step + number, row) for index, row in enumerate(view.every) if id(row) in kept
    ]
    ours = [reading.ours(row) or 0.0 for _, row in found]
    intervals = [reading.interval(row) for _, row in found]
    axes.barh(
        [place for place, _ in found],
        ours,
        height=0.86,
        color=colour(number),
        label=reading.head,
        xerr=errors(ours, intervals),
        error_kw={"ecolor": INK, "elinewidth": 1.0},
    )
    for (place, row), value, interval in zip(found, ours, intervals, strict=True):
        axes.annotate(
            reading.text(row) or "",
            xy=(max(reach([value], [interval])), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            size=_NUMBER_SIZE,
        )
