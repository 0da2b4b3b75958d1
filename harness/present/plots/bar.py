"""Bar plots: a bar per row with the printed figure beside it, or one per row and quantity.

A bar is read by its length from zero, which a logarithmic axis does not have: there, dots stand in
place of bars (Cleveland and McGill, "Graphical Perception", 1984).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.messages import printable
from harness.present.formats import MARKS
from harness.present.plots import canvas as style
from harness.present.plots.canvas import canvas, legend
from harness.present.plots.scales import errors, is_log, name_axes, number_axis, with_ends
from harness.present.plots.sheet import sheet
from harness.present.plots.view import View, why
from harness.present.reading import Reading
from harness.records.quantities.quantity import Row

# A figure of more is a scroll, and takes minutes to lay out.
MOST_BARS = 150

_CROWDED = 60  # bars beyond which each gets less room
_DIGIT = 0.64  # of the size: its width in DejaVu Sans
_LETTER = 0.6  # of the size: the mean width of a letter of labels
_COLUMN_GAP = 9.0  # points between the columns of numbers
_DIAMOND: dict[str, Any] = {"marker": "D", "color": style.HOLLOW, "zorder": 4}
_DIAMOND["edgecolor"] = style.PRINTED
_DIAMOND_SIDE = 5.1  # points
_CAUSE = 44  # characters of a cause beside its row; the whole one is in the caption
_LEAST_AXES = 0.38  # of the width, for the bars: else numbers at the right are left to the table
# Of quantities side by side.
_GROUP_GAP = 0.6  # bars that the space between two rows could hold
_GROUPED_SIZE = 7.5  # points

Numbers = tuple[str, Sequence[str], str]  # of a column: head, texts, colour


def draw(view: View) -> Figure:
    """Horizontal bars in the suite's order from the top, numbers in columns at the right.

    Ours is the bar, with its interval where it was measured; a hollow diamond is what the paper
    prints. A row without a value keeps its place, with the reason instead of a bar.
    """
    rows = view.every
    bar, size = (0.26, 8.0) if len(rows) <= _CROWDED else (0.15, 6.5)  # inches, points
    height = sheet().rows(0.95 + bar * len(rows))
    figure, axes = canvas(height, view.title, view.notes)
    ours = [view.y.ours(row) for row in rows]
    verdicts = [view.y.verdict(row) for row in rows]
    printed = {
        index: float(each["printed"]) for index, each in enumerate(verdicts) if each is not None
    }
    every = [value for value in (*ours, *printed.values()) if value is not None]
    log = _is_log(view, every)
    for number, group in enumerate(view.groups()):
        found = [
            (index, row)
            for index, row in enumerate(rows)
            if ours[index] is not None and view.group(row) == group
        ]
        _Marks(view.y, found, number, group).draw(axes, log=log)
    if printed:
        look = {"s": sheet().length(_DIAMOND_SIDE) ** 2, "linewidth": sheet().length(1.1)}
        axes.scatter(list(printed.values()), list(printed), **(_DIAMOND | look))
    number_axis(axes, "x", with_ends(every, [view.y.interval(row) for row in view.rows]), log)
    if log:
        axes.set_xlim(min(every) / 2, max(every) * 1.3)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    colour = style.PALETTE[0] if view.series is None else style.INK
    mark = "●" if log else "■"
    columns = [(f"{mark} ours", [view.y.text(row) or "" for row in rows], colour)]
    if printed:
        texts = ["" if each is None else _marked(each) for each in verdicts]
        columns.append(("◇ printed", texts, style.PRINTED))
    share = _axes_share(view, size, columns)
    if fits := share >= _LEAST_AXES:
        _write_columns(axes, columns, size)
    else:
        share = _axes_share(view, size)
    name_axes(axes, _scaled(view.y.head, log), width=share)
    _name_rows(axes, view, dict(enumerate(rows)), size, share)
    handles = [*_forms(view, log)] if view.series is not None else []
    if printed and not fits:
        handles = [*(handles or [_form(0, "ours", log)]), _printed_form()]
    if handles:
        legend(axes, view.legend_title, handles)
    return figure


def _scaled(head: str, log: bool) -> str:
    # A logarithmic axis has no zero; the label says so.
    return f"{head}, logarithmic" if log else head


def _marked(found: Mapping[str, Any]) -> str:
    """A printed figure with the mark of its verdict."""
    return f"{found['printed_text']} {MARKS.get(found['verdict'], '')}".rstrip()


def _is_log(view: View, values: Sequence[float]) -> bool:
    """Bars lie: to whoever asks for a logarithmic y, their quantity is y."""
    return is_log("x" if view.spec.log == "y" else view.spec.log, "x", values)


def _forms(view: View, log: bool) -> list[Any]:
    """What the colours of series are."""
    return [_form(number, name, log) for number, name in enumerate(view.groups())]


def _form(number: int, name: str, log: bool) -> Any:
    if log:
        mark = {"marker": style.marker(number), "linestyle": "none"}
        return Line2D([], [], color=style.colour(number), label=name, **mark)  # type: ignore[arg-type]
    return Patch(color=style.colour(number), label=name)


def _printed_form() -> Line2D:
    look = {"marker": "D", "markerfacecolor": style.HOLLOW, "linestyle": "none"}
    return Line2D([], [], color=style.PRINTED, label="printed", **look)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Marks:
    """Bars or dots of one colour."""

    reading: Reading
    found: Sequence[tuple[float, Row]]  # place and row of each
    number: int  # of the colour
    label: str  # in a legend
    height: float = 0.62  # of a bar

    def draw(self, axes: Axes, *, log: bool) -> None:
        """Bars, or dots on a logarithmic axis, with their intervals."""
        places = [place for place, _ in self.found]
        values = [self.reading.ours(row) or 0.0 for _, row in self.found]
        ends = errors(values, [self.reading.interval(row) for _, row in self.found])
        look: dict[str, Any] = {"color": style.colour(self.number), "label": self.label}
        ink: dict[str, Any] = {"ecolor": style.INK, "elinewidth": sheet().length(1.0)}
        if not log:
            axes.barh(places, values, height=self.height, xerr=ends, error_kw=ink, **look)
            return
        look |= {"fmt": style.marker(self.number), "markersize": sheet().length(6), "zorder": 3}
        axes.errorbar(values, places, xerr=ends, **look, **ink)
        # A thin line leads from the label to its dot.
        line: dict[str, Any] = {"color": style.FAINT, "linestyle": ":", "zorder": 1}
        axes.hlines(places, 0, values, linewidth=sheet().length(0.6), **line)


def _label_length(view: View) -> int:
    """Letters of the longest label."""
    return max(len(style.row_label(row)) for row in view.every)


def _axes_share(view: View, size: float, columns: Sequence[Numbers] = ()) -> float:
    """Of the width: what is left for bars beside their labels and columns of numbers."""
    letters = _LETTER * _label_length(view)
    letters += sum(_DIGIT * max(map(len, (head, *texts))) for head, texts, _ in columns)
    taken = letters * sheet().text(size) + len(columns) * sheet().length(_COLUMN_GAP)
    return 1 - taken / (sheet().width * 72)


def _write_columns(axes: Axes, columns: Sequence[Numbers], size: float) -> None:
    """Values as text right of the axes, where no bar, mark or interval can cover them.

    The heads of the columns are the legend too: each has the form of its marks.
    """
    right = 0.0
    for head, texts, ink in columns:
        right += sheet().length(_COLUMN_GAP)
        right += _DIGIT * sheet().text(size) * max(len(text) for text in (head, *texts))
        for index, text in [(-0.9, head), *enumerate(texts)]:
            axes.annotate(
                text,
                xy=(1.0, index),
                xycoords=axes.get_yaxis_transform(),
                xytext=(right, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=sheet().text(size),
                color=ink,
                annotation_clip=False,
            )


def _name_rows(
    axes: Axes, view: View, places: Mapping[float, Row], size: float, share: float
) -> None:
    """Labels of rows at the left, a grid for the numbers, and why a row has no bar in its place.

    Args:
        share: of the figure's width that the axes have.
    """
    axes.set_yticks(list(places), [style.row_label(row) for row in places.values()])
    axes.tick_params(axis="y", length=0, labelsize=sheet().text(size))
    axes.spines["left"].set_visible(False)  # bars would hide it
    axes.grid(visible=True, axis="x")
    lost = {id(row) for row in view.lost}
    most = min(_CAUSE, sheet().characters(size - 0.5, share) - 3)
    for place, row in places.items():
        if id(row) in lost:
            cause = printable(why(row, view.ys, _CAUSE))
            if len(view.ys) == 1 and view.y.verdict(row) is not None:  # a diamond stands there
                cause = cause.partition(":")[0]
            axes.annotate(
                f"× {cause if len(cause) <= most else cause[: max(most - 1, 1)] + '…'}",
                xy=(0.0, place),
                xycoords=axes.get_yaxis_transform(),
                xytext=(sheet().length(3), 0),
                textcoords="offset points",
                va="center",
                size=sheet().text(size - 0.5),
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
    height = sheet().rows(1.05 + 0.2 * step * len(rows))
    figure, axes = canvas(height, view.title, view.notes)
    every = [
        value
        for reading in view.ys
        for row in view.rows
        for value in with_ends([reading.ours(row) or 0.0], [reading.interval(row)])
    ]
    log = _is_log(view, every)
    kept = {id(row) for row in view.rows}
    for number, reading in enumerate(view.ys):
        found = [(index * step + number, row) for index, row in enumerate(rows) if id(row) in kept]
        _Marks(reading, found, number, reading.head, height=0.86).draw(axes, log=log)
        _number_values(axes, reading, found)
    number_axis(axes, "x", every, log)
    room = _number_room(view)
    if log:
        low, high = min(every) / 2, max(every)
        axes.set_xlim(low, low * (high / low) ** room)
    else:
        axes.set_xlim(0, (max(every) or 1.0) * room)
    middles = [index * step + (count - 1) / 2 for index in range(len(rows))]
    share = _axes_share(view, 8.0)
    _name_rows(axes, view, dict(zip(middles, rows, strict=True)), 8.0, share)
    axes.set_ylim(len(rows) * step - _GROUP_GAP, -0.5 - _GROUP_GAP / 2)
    heads = " and ".join(dict.fromkeys(each.name for each in view.ys))
    name_axes(axes, _scaled(f"{heads}, each in the unit of the legend", log), width=share)
    legend(axes, handles=[_form(n, each.head, log) for n, each in enumerate(view.ys)])
    return figure


def _number_room(view: View) -> float:
    """Length of the axis against that of the longest bar, which has its number at its end."""
    width = max(_axes_share(view, 8.0), _LEAST_AXES) * sheet().width * 72
    digits = max(len(each.text(row) or "") for each in view.ys for row in view.rows)
    number = _DIGIT * sheet().text(_GROUPED_SIZE) * digits + sheet().length(10)
    return 1 / max(1 - number / width, 0.4)


def _number_values(axes: Axes, reading: Reading, found: Sequence[tuple[float, Row]]) -> None:
    """The number of each bar beyond its interval."""
    for place, row in found:
        end = max(with_ends([reading.ours(row) or 0.0], [reading.interval(row)]))
        axes.annotate(
            reading.text(row) or "",
            xy=(end, place),
            xytext=(sheet().length(5), 0),
            textcoords="offset points",
            va="center",
            size=sheet().text(_GROUPED_SIZE),
        )
