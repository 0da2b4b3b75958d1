"""Bar plot: one bar per row, the printed figure as a mark beside it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.present import style
from harness.present.canvas import canvas, errors, number_axis
from harness.present.quantity import Row
from harness.present.view import View

_BAR_INCHES = 0.26
_FRAME_INCHES = 0.95
_THICKNESS = 0.62
_NUMBER_SIZE = 8
_CHARACTER = 5.1  # points: a digit of DejaVu Sans at that size
_GAP = 9.0  # points between the columns of numbers


def draw(view: View) -> Figure:
    """Horizontal bars in the suite's order from the top, numbers in columns at the right.

    Ours is the bar, with its interval where it was measured; a diamond is what the paper prints.
    """
    rows = view.rows
    figure, axes = canvas(_FRAME_INCHES + _BAR_INCHES * len(rows), view.title, view.notes)
    ours = [view.y.ours(row) or 0.0 for row in rows]
    printed = [_printed(view, row) for row in rows]
    every = ours + [value for value in printed if value is not None]
    log = style.is_log(view.spec.log, "x", every) or (
        view.spec.log == "y" and style.is_log("both", "x", every)
    )
    _bars(axes, view, ours)
    marks = [(value, index) for index, value in enumerate(printed) if value is not None]
    if marks:
        axes.scatter(
            [value for value, _ in marks],
            [index for _, index in marks],
            marker="D",
            s=26,
            color=style.PRINTED,
            edgecolor="white",
            linewidth=0.7,
            zorder=4,
        )
    number_axis(axes, "x", every, log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 1.3)
    axes.set_yticks(range(len(rows)), [str(row.get("label")) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    # A logarithmic axis has no zero for bars to start from; the label says so.
    axes.set_xlabel(f"{view.y.head}, logarithmic" if log else view.y.head)
    if view.series is not None:
        figure.legend(loc="outside upper right", title=view.series.name, ncols=4)
    _numbers(axes, view, bool(marks))
    return figure


def _bars(axes: Axes, view: View, ours: Sequence[float]) -> None:
    groups = list(view.groups())
    names = ["" if view.series is None else view.series.text(row) or "none" for row in view.rows]
    for number, group in enumerate(groups):
        members = [index for index, name in enumerate(names) if name == group]
        values = [ours[index] for index in members]
        axes.barh(
            members,
            values,
            height=_THICKNESS,
            color=style.colour(number),
            alpha=0.85,
            label=group,
            xerr=errors(values, [view.y.interval(view.rows[index]) for index in members]),
            error_kw={"ecolor": style.INK, "elinewidth": 1.0},
        )


def _printed(view: View, row: Row) -> float | None:
    found = view.y.verdict(row)
    return None if found is None else float(found["printed"])


def _numbers(axes: Axes, view: View, with_printed: bool) -> None:
    """Values as text right of the axes, where no bar, mark or interval can cover them.

    The heads of the two columns are the legend too: each has the colour of its marks.
    """
    colour = style.PALETTE[0] if view.series is None else style.INK
    columns = [("■ ours", [view.y.text(row) or "" for row in view.rows], colour)]
    if with_printed:
        found = [view.y.verdict(row) for row in view.rows]
        texts = ["" if each is None else str(each["printed_text"]) for each in found]
        columns.append(("◆ printed", texts, style.PRINTED))
    right = 0.0
    for head, texts, ink in columns:
        right += _GAP + _CHARACTER * max(len(text) for text in (head, *texts))
        for index, text in [(-0.9, head), *enumerate(texts)]:
            axes.annotate(
                text,
                xy=(1.0, index),
                xycoords=axes.get_yaxis_transform(),
                xytext=(right, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=_NUMBER_SIZE,
                color=ink,
                annotation_clip=False,
            )
