"""Canvas: one pair of axes with title and notes, settled before labels are placed on it."""

import textwrap
from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.present import style

_NOTE_SIZE = 7.0
_NOTE_CHARACTERS = 118
_NOTE_LINE = 0.135  # inches
_MARGIN = 0.06  # inches


def canvas(height: float, title: str, notes: Sequence[str]) -> tuple[Figure, Axes]:
    """Axes of a height in inches, under a title, above notes that take their own room."""
    lines = [line for note in notes for line in textwrap.wrap(note, _NOTE_CHARACTERS) or [""]]
    foot = len(lines) * _NOTE_LINE + (2 * _MARGIN if lines else 0)
    total = height + foot
    figure = style.new_figure(total)
    figure.set_layout_engine("constrained", rect=(0, foot / total, 1, 1 - foot / total))
    axes = figure.add_subplot()
    axes.set_title(title, pad=10)
    if lines:
        figure.text(
            _MARGIN / style.WIDTH,
            (foot - _MARGIN) / total,
            "\n".join(lines),
            va="top",
            ha="left",
            size=_NOTE_SIZE,
            color="#555555",
            linespacing=_NOTE_LINE * 72 / _NOTE_SIZE / 1.2 * 1.03,
            in_layout=False,
        )
    return figure, axes


def settle(figure: Figure) -> None:
    """Fixes the layout, so that positions in points no longer move."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def number_axis(axes: Axes, which: Literal["x", "y"], values: Sequence[float], log: bool) -> None:
    """Linear, from zero where values are positive, or logarithmic with plain numbers as ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        spans = max(values) / min(values)
        # Under two decades, powers of ten alone leave an axis almost without ticks.
        axis.set_major_locator(LogLocator(subs=(1.0,) if spans > 100 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
        axis.set_minor_formatter(NullFormatter())
        return
    if values and min(values) >= 0:
        (axes.set_xlim if which == "x" else axes.set_ylim)(0, (max(values) or 1.0) * 1.06)


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
