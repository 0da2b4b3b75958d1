"""Canvas: axes with title and notes, settled before labels are placed on them."""

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.present import style
from harness.present.direction import is_accuracy
from harness.present.quantity import Quantity
from harness.printable import printable

_NOTE_SIZE = 7.0
_NOTE_CHARACTERS = 108
_NOTE_INK = "#555555"
_TITLE_SIZE = 10.0
_TITLE_CHARACTERS = 66
_TITLE_LINES = 3
_TITLE_LINE = 0.19  # inches
_NOTE_LINE = 0.135  # inches
_LEGEND_CHARACTERS = 84  # of a line of legend
_HANDLE_CHARACTERS = 6  # the room of a mark and its gaps
_MARGIN = 0.06  # inches
_ROOM = 0.06  # of an axis, beyond the outermost value
_TICK_GAP = 4.0  # pixels between the labels of two ticks
_TICK_CHARACTER = 4.9  # points: a letter of DejaVu Sans at the size of tick labels
_AXES_SHARE = 0.7  # of the figure's width, with names at the right


def canvas(height: float, title: str, notes: Sequence[str]) -> tuple[Figure, Axes]:
    """Axes of a height in inches, under a title, above notes that take their own room."""
    figure, (axes,) = panels(1, height, title, notes)
    return figure, axes


def panels(
    count: int, height: float, title: str, notes: Sequence[str]
) -> tuple[Figure, tuple[Axes, ...]]:
    """Axes side by side under a title and above notes, which take room of their own."""
    lines = [line for note in notes for line in _wrapped(note, _NOTE_CHARACTERS) or [""]]
    heading = _wrapped(title, _TITLE_CHARACTERS)[:_TITLE_LINES]
    foot = len(lines) * _NOTE_LINE + (2 * _MARGIN if lines else 0)
    head = len(heading) * _TITLE_LINE + (2 * _MARGIN if heading else 0)
    total = head + height + foot
    figure = style.new_figure(total)
    figure.set_layout_engine("constrained", rect=(0, foot / total, 1, height / total))
    every = tuple(figure.add_subplot(1, count, number + 1) for number in range(count))
    _text(figure, heading, (total - _MARGIN) / total, title=True)
    _text(figure, lines, (foot - _MARGIN) / total, title=False)
    return figure, every


def _wrapped(text: str, characters: int) -> list[str]:
    return textwrap.wrap(printable(text), characters)


def _text(figure: Figure, lines: Sequence[str], top: float, *, title: bool) -> None:
    """Lines at the left edge of the figure, in room that the layout leaves free."""
    size, line = (_TITLE_SIZE, _TITLE_LINE) if title else (_NOTE_SIZE, _NOTE_LINE)
    if lines:
        figure.text(
            _MARGIN / style.WIDTH,
            top,
            "\n".join(lines),
            va="top",
            ha="left",
            size=size,
            color=style.INK if title else _NOTE_INK,
            weight="bold" if title else "normal",
            linespacing=line * 72 / size / 1.2 * 1.03,
            in_layout=False,
        )


def legend(axes: Axes, title: str = "", handles: Sequence[Artist] | None = None) -> None:
    """What colours and marks mean, above the axes at their right end, as wide as the figure."""
    given = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    names = [printable(str(each.get_label())) for each in given]
    longest = max((len(name) for name in names), default=1) + _HANDLE_CHARACTERS
    made = axes.legend(
        given,
        names,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.4,
        ncols=max(1, min(len(names), _LEGEND_CHARACTERS // longest)),
        title=title or None,
        alignment="right",
    )
    made.get_title().set_fontsize(mpl.rcParams["legend.fontsize"])


def settle(figure: Figure) -> None:
    """Fixes the layout, so that positions in points no longer move; once, whoever asks."""
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def number_axis(
    axes: Axes,
    which: Literal["x", "y"],
    values: Sequence[float],
    log: bool,
    *,
    tight: bool = False,
) -> None:
    """Linear, from zero where values are positive, or logarithmic with plain numbers as ticks.

    Args:
        axes: to set.
        which: of its axes.
        values: all that is shown along it, ends of intervals included.
        log: whether it is logarithmic.
        tight: whether it may begin elsewhere than at zero; see `may_leave_zero`.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    limit = axes.set_xlim if which == "x" else axes.set_ylim
    if log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        positive = [value for value in values if value > 0]
        spans = max(positive) / min(positive)
        # Under two decades, powers of ten alone leave an axis almost without ticks.
        axis.set_major_locator(LogLocator(subs=(1.0,) if spans > 100 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
        axis.set_minor_formatter(NullFormatter())
        return
    if not values:
        return
    low, high = min(values), max(values)
    if tight:
        room = _ROOM * (high - low or abs(high) or 1.0)
        limit(low - room, high + room)
    elif low >= 0:
        limit(0, (high or 1.0) * (1 + _ROOM))


def may_leave_zero(quantity: Quantity, values: Sequence[float]) -> bool:
    """Whether an axis of points or lines need not begin at zero; bars always do.

    So for accuracies that all lie in the upper half of an axis from zero: of them, few points
    matter. Costs are read as ratios, which an axis without zero distorts.
    """
    return is_accuracy(quantity) and bool(values) and min(values) > max(values) / 2


def reach(values: Sequence[float], intervals: Sequence[tuple[float, float] | None]) -> list[float]:
    """All that an axis has to show: values and the ends of their intervals."""
    return [*values, *(end for interval in intervals if interval for end in interval)]


def thin_ticks(axes: Axes) -> None:
    """Blanks tick labels of a settled x axis that would run into each other; the last stays."""
    low, high = axes.get_xlim()
    # Matplotlib has ticks beyond the axis, too, and stretches it to those that are set.
    labels = [
        label
        for label in axes.get_xticklabels()
        if label.get_text() and low <= label.get_position()[0] <= high
    ]
    next_left = float("inf")
    texts = {}
    for label in reversed(labels):
        box = label.get_window_extent()
        fits = box.x1 + _TICK_GAP < next_left
        next_left = box.x0 if fits else next_left
        texts[label.get_position()[0]] = label.get_text() if fits else ""
    places = sorted(texts)
    axes.set_xticks(places, [texts[place] for place in places])


def name_places(axes: Axes, names: Sequence[str]) -> None:
    """Names at 0, 1, 2, ... of an x axis, turned where they are too long to stand side by side."""
    room = style.WIDTH * _AXES_SHARE * 72 / max(len(names), 1)
    turned = max((len(name) for name in names), default=0) * _TICK_CHARACTER > room
    axes.set_xticks(range(len(names)), list(names))
    if turned:
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def _power(value: float) -> str:
    """`0.01`, `100000`, `1e6`: without the sign and the zero that Python pads exponents with."""
    digits, found, exponent = f"{value:g}".partition("e")
    return f"{digits}e{int(exponent)}" if found else digits


def errors(values: Sequence[float], intervals: Sequence[tuple[float, float] | None]) -> Any:
    """Distances to the interval ends as matplotlib wants them, or `None` without any interval."""
    if all(interval is None for interval in intervals):
        return None
    low, high = [], []
    for value, interval in zip(values, intervals, strict=True):
        below, above = interval or (value, value)
        low.append(max(value - below, 0.0))
        high.append(max(above - value, 0.0))
    return [low, high]
