"""Scales: axes that are linear or logarithmic, with ticks that can be read."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, LogLocator, NullFormatter

from harness.present.plots.sheet import sheet
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import RIGHT_SHARES

# A range wider than this is shown on a logarithmic axis.
LOG_RANGE = 100.0

_BEYOND = 0.06  # of an axis, beyond the outermost value
_TICK_GAP = 3.0  # points between the labels of two ticks
_LINE = 1.3  # of the size, from one turned name to the next
_AXES_SHARE = 0.7  # of the figure's width, with names at the right
_PLAIN = (1e-4, 1e5)  # between these all ticks of a logarithmic axis are written out
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def wants_log(values: Sequence[float]) -> bool:
    """Whether positive values span more than two decades (`LOG_RANGE`).

    On a linear axis the smallest would then be less than a hundredth of the axis, which is the
    width of a line.
    """
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_RANGE


def is_log(asked: str, axis: Literal["x", "y"], values: Sequence[float]) -> bool:
    """Whether an axis is logarithmic, as asked for or by the range; never with values <= 0."""
    if not values or min(values) <= 0:
        return False
    return wants_log(values) if asked == "auto" else asked in (axis, "both")


def number_axis(
    axes: Axes, which: Literal["x", "y"], values: Sequence[float], log: bool, *, tight: bool = False
) -> None:
    """Linear, from zero where values are positive, or logarithmic with ticks of one form.

    Args:
        values: all that is shown along it, ends of intervals included.
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
        axis.set_major_formatter(Powers())
        axis.set_minor_formatter(NullFormatter())
        return
    if not values:
        return
    low, high = min(values), max(values)
    if tight:
        room = _BEYOND * (high - low or abs(high) or 1.0)
        limit(low - room, high + room)
    elif low >= 0:
        limit(0, (high or 1.0) * (1 + _BEYOND))


class Powers(Formatter):
    """Ticks of a logarithmic axis: all written out (`0.1`, `100`), or all as powers (`2·10⁶`)."""

    def __call__(self, value: float, pos: int | None = None) -> str:  # noqa: ARG002 - matplotlib's
        """The text of one tick."""
        assert self.axis is not None
        low, high = sorted(self.axis.get_view_interval())
        if low >= _PLAIN[0] and high < _PLAIN[1]:
            return f"{value:g}"
        exponent = math.floor(math.log10(value) + 1e-9)
        digit = round(value / 10.0**exponent)
        power = f"10{str(exponent).translate(_RAISED)}"
        return power if digit == 1 else f"{digit}·{power}"


def may_leave_zero(quantity: Quantity, values: Sequence[float]) -> bool:
    """Whether an axis of points or lines need not begin at zero; bars always do.

    So for accuracies that all lie in the upper half of an axis from zero: of them, few points
    matter. Costs are read as ratios, which an axis without zero distorts.
    """
    return quantity.name in RIGHT_SHARES and bool(values) and min(values) > max(values) / 2


def with_ends(
    values: Sequence[float], intervals: Sequence[tuple[float, float] | None]
) -> list[float]:
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
    gap = sheet().length(_TICK_GAP) * axes.figure.dpi / 72
    texts = {}
    for label in reversed(labels):
        box = label.get_window_extent()
        fits = box.x1 + gap < next_left
        next_left = box.x0 if fits else next_left
        texts[label.get_position()[0]] = label.get_text() if fits else ""
    places = sorted(texts)
    axes.set_xticks(places, [texts[place] for place in places])


def name_axes(axes: Axes, x: str, y: str = "", width: float = _AXES_SHARE) -> None:
    """What axes show, on as many lines as their lengths need.

    Args:
        width: of the figure's width, what the horizontal axis has.
    """
    to, height = sheet(), axes.figure.get_figure(root=True).get_size_inches()[1]
    wrapped = textwrap.wrap(x, to.characters(9, width))
    axes.set_xlabel("\n".join(wrapped))
    share = _AXES_SHARE * height / to.width
    axes.set_ylabel("\n".join(textwrap.wrap(y, to.characters(9, share))))


def name_places(axes: Axes, names: Sequence[str], share: float = _AXES_SHARE) -> None:
    """Names at 0, 1, 2, ... of an x axis, turned where they are too long to stand side by side.

    Of more than stand side by side when they are turned, every second, third, ... is left out.

    Args:
        share: of the figure's width that the axis has.
    """
    room = sheet().characters(8, share / max(len(names), 1))
    turned = max((len(name) for name in names), default=0) > room
    most = share * sheet().width * 72 / (_LINE * sheet().text(8))
    step = max(1, math.ceil(len(names) / most))
    shown = [name if index % step == 0 else "" for index, name in enumerate(names)]
    axes.set_xticks(range(len(names)), shown)
    if turned:
        axes.tick_params(axis="x", labelrotation=35)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


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
