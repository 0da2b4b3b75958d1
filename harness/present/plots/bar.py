"""Bar plot: one bar per row, the printed figure as a mark beside it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.messages import printable
from harness.present.plots import canvas as style
from harness.present.plots.canvas import canvas, errors, legend, number_axis, reach
from harness.present.plots.view import View, why
from harness.records.quantities.quantity import Row

# A figure of more is a scroll, and takes minutes to lay out.
MOST_BARS = 150

_BAR_INCHES = 0.26
_CROWDED = 60  # bars beyond which each gets less room
_CROWDED_INCHES = 0.15
_FRAME_INCHES = 0.95
_THICKNESS = 0.62
_NUMBER_SIZE = 8.0
_CROWDED_SIZE = 6.5
_CHARACTER = 0.64  # of the size: a digit of DejaVu Sans
_GAP = 9.0  # points between the columns of numbers
_CAUSE = 44  # characters of a cause beside its row; the whole one is below the plot


def draw(view: View) -> Figure:
    """Horizontal bars in the suite's order from the top, numbers in columns at the right.

    Ours is the bar, with its interval where it was measured; a hollow diamond is what the paper
    prints. A row without a value keeps its place, with the reason instead of a bar.
    """
    rows = view.every
    crowded = len(rows) > _CROWDED
    inches = _CROWDED_INCHES if crowded else _BAR_INCHES
    figure, axes = canvas(_FRAME_INCHES + inches * len(rows), view.title, view.notes)
    size = _CROWDED_SIZE if crowded else _NUMBER_SIZE
    ours = [view.y.ours(row) for row in rows]
    printed = [_printed(view, row) for row in rows]
    every = [value for value in (*ours, *printed) if value is not None]
    log = style.is_log(view.spec.log, "x", every) or (
        view.spec.log == "y" and style.is_log("both", "x", every)
    )
    _bars(axes, view, ours)
    marks = [(value, index) for index, value in enumerate(printed) if value is not None]
    _diamonds(axes, marks)
    number_axis(axes, "x", reach(every, [view.y.interval(row) for row in view.rows]), log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 1.3)
    rows_down(axes, [str(row.get("label")) for row in rows], range(len(rows)), size)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    # A logarithmic axis has no zero for bars to start from; the label says so.
    axes.set_xlabel(f"{view.y.head}, logarithmic" if log else view.y.head)
    if view.series is not None:
        legend(axes, view.series.name)
    reasons(axes, view, dict(enumerate(rows)), size)
    _numbers(axes, view, bool(marks), size)
    return figure


def rows_down(axes: Axes, labels: Sequence[str], places: Sequence[float], size: float) -> None:
    """Labels of rows at the left, a grid for the numbers, and no line that bars would hide."""
    axes.set_yticks(list(places), [style.short(label) for label in labels])
    axes.tick_params(axis="y", length=0, labelsize=size)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")


def reasons(axes: Axes, view: View, places: dict[float, Row], size: float) -> None:
    """Why there is no bar, in its place."""
    lost = {id(row) for row in view.lost}
    for place, row in places.items():
        if id(row) in lost:
            axes.annotate(
                f"× {printable(why(row, view.ys, _CAUSE))}",
                xy=(0.0, place),
                xycoords=axes.get_yaxis_transform(),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                size=size - 0.5,
                color=style.FAINT,
            )


def _bars(axes: Axes, view: View, ours: Sequence[float | None]) -> None:
    names = [view.group(row) for row in view.every]
    for number, group in enumerate(view.groups()):
        found = [(i, ours[i] or 0.0) for i, row in enumerate(view.every) if names[i] == group]
        members = [index for index, _ in found if ours[index] is not None]
        values = [value for index, value in found if ours[index] is not None]
        axes.barh(
            members,
            values,
            height=_THICKNESS,
            color=style.colour(number),
            label=group,
            xerr=errors(values, [view.y.interval(view.every[index]) for index in members]),
            error_kw={"ecolor": style.INK, "elinewidth": 1.0},
        )


def _diamonds(axes: Axes, marks: Sequence[tuple[float, int]]) -> None:
    if marks:
        axes.scatter(
            [value for value, _ in marks],
            [index for _, index in marks],
            marker="D",
            s=26,
            color=style.HOLLOW,
            edgecolor=style.PRINTED,
            linewidth=1.1,
            zorder=4,
        )


def _printed(view: View, row: Row) -> float | None:
    found = view.y.verdict(row)
    return None if found is None else float(found["printed"])


def _numbers(axes: Axes, view: View, with_printed: bool, size: float) -> None:
    """Values as text right of the axes, where no bar, mark or interval can cover them.

    The heads of the two columns are the legend too: each has the form of its marks.
    """
    colour = style.PALETTE[0] if view.series is None else style.INK
    columns = [("■ ours", [view.y.text(row) or "" for row in view.every], colour)]
    if with_printed:
        found = [view.y.verdict(row) for row in view.every]
        texts = ["" if each is None else str(each["printed_text"]) for each in found]
        columns.append(("◇ printed", texts, style.PRINTED))
    right = 0.0
    for head, texts, ink in columns:
        right += _GAP + _CHARACTER * size * max(len(text) for text in (head, *texts))
        for index, text in [(-0.9, head), *enumerate(texts)]:
            axes.annotate(
                text,
                xy=(1.0, index),
                xycoords=axes.get_yaxis_transform(),
                xytext=(right, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=size,
                color=ink,
                annotation_clip=False,
            )
