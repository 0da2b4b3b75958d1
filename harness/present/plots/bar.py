"""Bar plots: a bar per row with the printed figure beside it, or one per row and quantity."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.messages import printable
from harness.present.formats import MARKS
from harness.present.plots import canvas as style
from harness.present.plots.canvas import canvas, errors, legend, number_axis, with_ends
from harness.present.plots.view import View, why
from harness.records.quantities.quantity import Row

# A figure of more is a scroll, and takes minutes to lay out.
MOST_BARS = 150

_CROWDED = 60  # bars beyond which each gets less room
_DIGIT = 0.64  # of the size: its width in DejaVu Sans
_COLUMN_GAP = 9.0  # points between the columns of numbers
_DIAMOND: dict[str, Any] = {"marker": "D", "s": 26, "linewidth": 1.1, "color": style.HOLLOW}
_DIAMOND["edgecolor"] = style.PRINTED
_CAUSE = 44  # characters of a cause beside its row; the whole one is below the plot
# Of quantities side by side.
_GROUP_GAP = 0.6  # bars that the space between two rows could hold
_GROUPED_SIZE = 7.5  # points
_NUMBER_ROOM = 1.16  # of the longest bar, for its number; a logarithmic axis has another


def draw(view: View) -> Figure:
    """Horizontal bars in the suite's order from the top, numbers in columns at the right.

    Ours is the bar, with its interval where it was measured; a hollow diamond is what the paper
    prints. A row without a value keeps its place, with the reason instead of a bar.
    """
    rows = view.every
    bar, size = (0.26, 8.0) if len(rows) <= _CROWDED else (0.15, 6.5)  # inches, points
    figure, axes = canvas(0.95 + bar * len(rows), view.title, view.notes)
    ours = [view.y.ours(row) for row in rows]
    verdicts = [view.y.verdict(row) for row in rows]
    printed = {
        index: float(each["printed"]) for index, each in enumerate(verdicts) if each is not None
    }
    every = [value for value in (*ours, *printed.values()) if value is not None]
    log = _is_log(view, every)
    _draw_bars(axes, view, ours)
    if printed:
        axes.scatter(list(printed.values()), list(printed), zorder=4, **_DIAMOND)
    number_axis(axes, "x", with_ends(every, [view.y.interval(row) for row in view.rows]), log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 1.3)
    _name_rows(axes, view, dict(enumerate(rows)), size, size)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    # A logarithmic axis has no zero for bars to start from; the label says so.
    axes.set_xlabel(f"{view.y.head}, logarithmic" if log else view.y.head)
    if view.series is not None:
        legend(axes, view.series.name)
    colour = style.PALETTE[0] if view.series is None else style.INK
    columns = [("■ ours", [view.y.text(row) or "" for row in rows], colour)]
    if printed:
        texts = ["" if each is None else _marked(each) for each in verdicts]
        columns.append(("◇ printed", texts, style.PRINTED))
    _write_columns(axes, columns, size)
    return figure


def _marked(found: Mapping[str, Any]) -> str:
    """A printed figure with the mark of its verdict."""
    return f"{found['printed_text']} {MARKS.get(found['verdict'], '')}".rstrip()


def _is_log(view: View, values: Sequence[float]) -> bool:
    """Bars lie: to whoever asks for a logarithmic y, their quantity is y."""
    return style.is_log("x" if view.spec.log == "y" else view.spec.log, "x", values)


def _draw_bars(axes: Axes, view: View, ours: Sequence[float | None]) -> None:
    """Bars with their intervals, by series."""
    for number, group in enumerate(view.groups()):
        found = {
            index: value
            for index, (row, value) in enumerate(zip(view.every, ours, strict=True))
            if value is not None and view.group(row) == group
        }
        values = list(found.values())
        axes.barh(
            list(found),
            values,
            height=0.62,
            color=style.colour(number),
            label=group,
            xerr=errors(values, [view.y.interval(view.every[index]) for index in found]),
            error_kw={"ecolor": style.INK, "elinewidth": 1.0},
        )


def _write_columns(
    axes: Axes, columns: Sequence[tuple[str, Sequence[str], str]], size: float
) -> None:
    """Values as text right of the axes, where no bar, mark or interval can cover them.

    The heads of the columns are the legend too: each has the form of its marks.
    """
    right = 0.0
    for head, texts, ink in columns:
        right += _COLUMN_GAP + _DIGIT * size * max(len(text) for text in (head, *texts))
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


def _name_rows(
    axes: Axes, view: View, places: Mapping[float, Row], size: float, reason_size: float
) -> None:
    """Labels of rows at the left, a grid for the numbers, and why a row has no bar in its place."""
    axes.set_yticks(list(places), [style.short(str(row.get("label"))) for row in places.values()])
    axes.tick_params(axis="y", length=0, labelsize=size)
    axes.spines["left"].set_visible(False)  # bars would hide it
    axes.grid(visible=True, axis="x")
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
                size=reason_size - 0.5,
                color=style.FAINT,
            )


def draw_grouped(view: View) -> Figure:
    """Horizontal bars in groups, rows in the suite's order and quantities as listed, from the top.

    The quantities share their dimension, not their unit: each bar has the length of its number in
    its own unit, which stands in the legend, and that number at its end. A row that lacks one of
    them keeps its place, with the reason.
    """
    count, rows = len(view.ys), view.every
    step = count + _GROUP_GAP
    figure, axes = canvas(1.05 + 0.2 * step * len(rows), view.title, view.notes)
    every = [
        value
        for reading in view.ys
        for row in view.rows
        for value in with_ends([reading.ours(row) or 0.0], [reading.interval(row)])
    ]
    log = _is_log(view, every)
    for number in range(count):
        _draw_quantity(axes, view, number, step)
    number_axis(axes, "x", every, log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 2)
    else:
        axes.set_xlim(0, (max(every) or 1.0) * _NUMBER_ROOM)
    middles = [index * step + (count - 1) / 2 for index in range(len(rows))]
    _name_rows(axes, view, dict(zip(middles, rows, strict=True)), 8.0, _GROUPED_SIZE)
    axes.set_ylim(len(rows) * step - _GROUP_GAP, -0.5 - _GROUP_GAP / 2)
    heads = " and ".join(dict.fromkeys(each.name for each in view.ys))
    scale = ", logarithmic" if log else ""
    axes.set_xlabel(f"{heads}, each in the unit of the legend{scale}")
    legend(axes)
    return figure


def _draw_quantity(axes: Axes, view: View, number: int, step: float) -> None:
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
        color=style.colour(number),
        label=reading.head,
        xerr=errors(ours, intervals),
        error_kw={"ecolor": style.INK, "elinewidth": 1.0},
    )
    for (place, row), value, interval in zip(found, ours, intervals, strict=True):
        axes.annotate(
            reading.text(row) or "",
            xy=(max(with_ends([value], [interval])), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            size=_GROUPED_SIZE,
        )
