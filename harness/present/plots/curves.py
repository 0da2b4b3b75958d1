"""Curves: the series of a line plot, how each is drawn, and the axes that they share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes

from harness.present.plots import canvas, scales
from harness.present.plots.sheet import sheet
from harness.present.plots.view import View

_MOST_SWEPT = 8  # values of an axis that are its ticks


@dataclass
class Curve:
    """One series: what is drawn of it."""

    name: str
    number: int
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    intervals: list[tuple[float, float] | None] = field(default_factory=list)
    printed_x: list[float] = field(default_factory=list)
    printed_y: list[float] = field(default_factory=list)
    lost_x: list[float] = field(default_factory=list)

    @property
    def look(self) -> dict[str, Any]:
        """Colour and mark."""
        return {
            "color": canvas.colour(self.number),
            "marker": canvas.marker(self.number),
            "clip_on": False,  # a mark on an axis is shown whole
        }


def curves_of(view: View) -> list[Curve]:
    """The curves of a view, in the order of their first rows."""
    assert view.x is not None
    evenly = places(view)
    curves = {
        name: Curve(name, number)
        for number, name in enumerate(dict.fromkeys(view.group(row) for row in view.every))
        if name in view.groups()
    }
    known = {id(row) for row in view.rows}
    found = []  # rows without an x are only in the notes
    for row in view.every:
        text = view.x.text(row)
        if text is not None:
            found.append((view.x.ours(row) or 0.0 if evenly is None else evenly[text], row))
    for x, row in sorted(found, key=lambda each: each[0]):
        curve = curves.get(view.group(row))
        if curve is None:
            continue
        if id(row) in known:
            curve.x.append(x)
            curve.y.append(view.y.ours(row) or 0.0)
            curve.intervals.append(view.y.interval(row))
        else:
            curve.lost_x.append(x)
        verdict = None if view.y.by is not None and view.y.by.over else view.y.verdict(row)
        if verdict is not None:
            curve.printed_x.append(x)
            curve.printed_y.append(float(verdict["printed"]))
    return list(curves.values())


def places(view: View) -> dict[str, float] | None:
    """Places of the values of a text axis; `None` of one of numbers."""
    assert view.x is not None
    if not view.x.is_text:
        return None
    names = dict.fromkeys(text for row in view.every if (text := view.x.text(row)) is not None)
    return {name: float(index) for index, name in enumerate(names)}


def draw_curve(axes: Axes, printed_axes: Axes, curve: Curve) -> None:
    """Ours with its intervals, the printed values, and crosses at the foot for lost rows."""
    axes.errorbar(
        curve.x,
        curve.y,
        yerr=scales.errors(curve.y, curve.intervals),
        # Beyond the palette, a dashed line tells a colour's second use from its first.
        linestyle="-" if curve.number < len(canvas.PALETTE) else "--",
        markeredgecolor="white",
        markeredgewidth=sheet().length(0.6),
        zorder=3,
        **curve.look,
    )
    if curve.printed_x:
        hollow = curve.look | {"markerfacecolor": canvas.HOLLOW, "linestyle": ":", "zorder": 2.5}
        printed_axes.plot(curve.printed_x, curve.printed_y, **hollow)
    if curve.lost_x:
        cross = curve.look | {"marker": "x", "zorder": 4}
        cross |= {"markersize": sheet().length(7), "markeredgewidth": sheet().length(1.8)}
        foot = axes.get_xaxis_transform()
        axes.plot(curve.lost_x, [0.0] * len(curve.lost_x), ls="none", transform=foot, **cross)


def scale_y(axes: Axes, view: View, values: Sequence[float]) -> None:
    """The vertical axis for all that is shown along it."""
    log = scales.is_log(view.spec.log, "y", values)
    tight = scales.may_leave_zero(view.y.quantity, values)
    scales.number_axis(axes, "y", values, log, tight=tight)
    axes.grid(visible=True)


def scale_x(axes: Axes, view: View, curves: Sequence[Curve], share: float) -> None:
    """The horizontal axis: places of text, or numbers, of which few are the ticks themselves.

    Args:
        share: of the figure's width that it has.
    """
    evenly = places(view)
    if evenly is not None:
        scales.name_places(axes, [canvas.short(name) for name in evenly], share)
        axes.set_xlim(-0.3, len(evenly) - 0.7)
        return
    values = [x for curve in curves for x in (*curve.x, *curve.printed_x, *curve.lost_x)]
    if scales.is_log(view.spec.log, "x", values):
        scales.number_axis(axes, "x", values, log=True)
    # Few swept values are the ticks themselves: nothing was measured between them.
    swept = sorted(set(values))
    if len(swept) <= _MOST_SWEPT and all(value == int(value) for value in swept):
        axes.set_xticks(swept, [f"{value:.0f}" for value in swept])
        axes.minorticks_off()
