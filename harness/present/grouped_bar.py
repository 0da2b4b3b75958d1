"""Grouped bar plot: several quantities of every row side by side, each in its own unit."""

from matplotlib.figure import Figure

from harness.present import style
from harness.present.canvas import canvas, errors, number_axis
from harness.present.view import View

_BAR_INCHES = 0.2
_GROUP_GAP = 0.6  # bars that the space between two rows could hold
_FRAME_INCHES = 1.05
_NUMBER_SIZE = 7.5


def draw(view: View) -> Figure:
    """Horizontal bars in groups, rows in the suite's order and quantities as listed, from the top.

    The quantities share their dimension, not their unit: each bar has the length of its number in
    its own unit, which stands in the legend, and that number at its end.
    """
    count, rows = len(view.ys), view.rows
    step = count + _GROUP_GAP
    figure, axes = canvas(_FRAME_INCHES + _BAR_INCHES * step * len(rows), view.title, view.notes)
    values = [[reading.ours(row) or 0.0 for row in rows] for reading in view.ys]
    every = [value for each in values for value in each]
    log = style.is_log(view.spec.log, "x", every) or (
        view.spec.log == "y" and style.is_log("both", "x", every)
    )
    for number, (reading, ours) in enumerate(zip(view.ys, values, strict=True)):
        at = [index * step + number for index in range(len(rows))]
        axes.barh(
            at,
            ours,
            height=0.86,
            color=style.colour(number),
            alpha=0.85,
            label=reading.head,
            xerr=errors(ours, [reading.interval(row) for row in rows]),
            error_kw={"ecolor": style.INK, "elinewidth": 1.0},
        )
        for row, value, place in zip(rows, ours, at, strict=True):
            axes.annotate(
                reading.text(row) or "",
                xy=(value, place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                size=_NUMBER_SIZE,
            )
    number_axis(axes, "x", every, log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 2)
    else:
        axes.set_xlim(0, (max(every) or 1.0) * 1.12)  # room for the longest bar's number
    middle = (count - 1) / 2
    axes.set_yticks(
        [index * step + middle for index in range(len(rows))],
        [str(row.get("label")) for row in rows],
    )
    axes.set_ylim(len(rows) * step - _GROUP_GAP, -0.5 - _GROUP_GAP / 2)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    heads = " and ".join(dict.fromkeys(each.name for each in view.ys))
    scale = ", logarithmic" if log else ""
    axes.set_xlabel(f"{heads}, each in the unit of the legend{scale}")
    figure.legend(loc="outside upper right", ncols=min(count, 3))
    return figure
