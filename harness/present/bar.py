"""Bar plot: one bar per row, the printed figure as a mark beside it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.present import style
from harness.present.canvas import canvas, errors, number_axis
from harness.present.quantities import Row
from harness.present.view import View

_BAR_INCHES = 0.26
_FRAME_INCHES = 0.95
_THICKNESS = 0.62


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
    _bars(axes, view, ours, log)
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
            label=_printed_label(view),
        )
        axes.legend(loc="lower right")
    number_axis(axes, "x", every, log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 1.3)
    axes.set_yticks(range(len(rows)), [str(row.get("label")) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel(view.y.head)
    _numbers(axes, view, rows, bool(marks))
    return figure


def _bars(axes: Axes, view: View, ours: Sequence[float], log: bool) -> None:
    groups = list(view.groups())
    names = ["" if view.series is None else view.series.text(row) or "none" for row in view.rows]
    for number, group in enumerate(groups):
        members = [index for index, name in enumerate(names) if name == group]
        values = [ours[index] for index in members]
        axes.barh(
            members,
            values,
            height=_THICKNESS,
            color=style.PALETTE[number % len(style.PALETTE)],
            alpha=0.85,
            label=group or "ours",
            xerr=errors(values, [view.y.interval(view.rows[index]) for index in members]),
            error_kw={"ecolor": style.INK, "elinewidth": 1.0},
            log=log,
        )


def _printed(view: View, row: Row) -> float | None:
    found = view.y.verdict(row)
    return None if found is None else float(found["printed"])


def _printed_label(view: View) -> str:
    unjudged = view.y.by is not None and view.y.by.unjudged
    return "printed in the paper (not judged)" if unjudged else "printed in the paper"


def _numbers(axes: Axes, view: View, rows: Sequence[Row], with_printed: bool) -> None:
    """Values as text right of the axes, where no bar, mark or interval can cover them."""
    columns = [("ours", [view.y.text(row) or "" for row in rows], 1.09, style.INK)]
    if with_printed:
        found = [view.y.verdict(row) for row in rows]
        texts = ["" if each is None else str(each["printed_text"]) for each in found]
        columns.append(("printed", texts, 1.18, style.PRINTED))
    for head, texts, place, colour in columns:
        for index, text in [(-0.85, head), *enumerate(texts)]:
            axes.text(
                place,
                index,
                text,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                size=8,
                color=colour,
            )
