"""Line plot: a quantity over a swept one, a line per series, the printed line beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.present.plots import canvas
from harness.present.plots.canvas import (
    errors,
    legend,
    may_leave_zero,
    name_places,
    number_axis,
    panels,
    reach,
    settle,
    thin_ticks,
)
from harness.present.plots.placement import spread
from harness.present.plots.view import View
from harness.records.quantities.quantity import Row

# Names at the right ends of lines, instead of a legend.

_SIZE = 8.0
_LINE = 10.5  # points from one name to the next


@dataclass(frozen=True)
class End:
    """The name of a line, and where the line ends, in the units of the axes."""

    name: str
    x: float
    y: float
    colour: str


def name_ends(figure: Figure, axes: Axes, ends: Sequence[End]) -> None:
    """Names right of the axes at the height of the lines' ends, pushed apart where they meet."""
    longest = max((end.name for end in ends), key=len)
    # An invisible label keeps the room that the names need when the layout settles.
    room = axes.text(1.02, 0.5, longest, transform=axes.transAxes, size=_SIZE, alpha=0, gid="room")
    settle(figure)
    room.remove()
    per_point = figure.dpi / 72
    spots = axes.transData.transform([(end.x, end.y) for end in ends])
    heights = [float(spot[1]) / per_point for spot in spots]
    right = axes.get_window_extent().x1 / per_point
    for end, spot, height, at in zip(
        ends, spots, heights, spread(heights, [_LINE] * len(ends)), strict=True
    ):
        axes.annotate(
            end.name,
            xy=(float(spot[0]) / per_point, height),
            xycoords="figure points",
            xytext=(right + 8, at),
            textcoords="figure points",
            size=_SIZE,
            color=end.colour,
            va="center",
            ha="left",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": end.colour,
                "alpha": 0.5,
                "linewidth": 0.6,
                "shrinkA": 0,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
        )


_HEIGHT = 3.9
# Printed values are drawn into the same axes unless those would flatten one of the curves: the
# range of both together is then more than this many times that of either.
_APART = 3.0


@dataclass
class _Curve:
    """One series: what is drawn of it."""

    name: str
    number: int
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    intervals: list[tuple[float, float] | None] = field(default_factory=list)
    printed_x: list[float] = field(default_factory=list)
    printed_y: list[float] = field(default_factory=list)
    lost_x: list[float] = field(default_factory=list)


def draw(view: View) -> Figure:
    """Lines through the rows of a series in the order of x; each is named at its right end.

    An axis of text (the order of two relations, a list of rates) gets evenly spaced places in the
    suite's order. What a paper prints is hollow and dotted, in the colour of its series: in the
    same axes, or in axes of its own at the right where the ranges are far apart (accuracies on
    other data). A row without a value is a cross at the foot, where its x is known.
    """
    assert view.x is not None
    curves = _curves(view)
    ours = [value for curve in curves for value in reach(curve.y, curve.intervals)]
    printed = [value for curve in curves for value in curve.printed_y]
    apart = _far_apart(ours, printed)
    figure, (axes, *beside) = panels(1 + apart, _HEIGHT, view.title, view.notes)
    for curve in curves:
        _draw_ours(axes, curve)
        _draw_printed(beside[0] if apart else axes, curve)
    _scale_y(axes, view, ours if apart else [*ours, *printed])
    axes.set_ylabel(f"{view.y.head}, ours" if apart else view.y.head)
    if apart:
        _scale_y(beside[0], view, printed)
        beside[0].set_ylabel(f"{view.y.head}, printed")
    for each in (axes, *beside):
        _scale_x(each, view, curves)
    _mark_lost(axes, curves)
    _legend((axes, *beside)[-1], curves, bool(printed), apart)
    named = view.series is not None and not apart
    ends = [end for curve in curves if named and (end := _end(curve)) is not None]
    if ends:
        name_ends(figure, axes, ends)
    else:
        settle(figure)
    for each in (axes, *beside):
        if not view.x.is_text:
            thin_ticks(each)
    return figure


def _curves(view: View) -> list[_Curve]:
    places = _places(view)
    curves = {
        name: _Curve(name, number)
        for number, name in enumerate(dict.fromkeys(view.group(row) for row in view.every))
        if name in view.groups()
    }
    known = {id(row) for row in view.rows}
    for x, row in _in_order(view, places):
        curve = curves.get(view.group(row))
        if curve is None:
            continue
        if id(row) in known:
            curve.x.append(x)
            curve.y.append(view.y.ours(row) or 0.0)
            curve.intervals.append(view.y.interval(row))
        else:
            curve.lost_x.append(x)
        found = None if view.y.by is not None and view.y.by.over else view.y.verdict(row)
        if found is not None:
            curve.printed_x.append(x)
            curve.printed_y.append(float(found["printed"]))
    return list(curves.values())


def _in_order(view: View, places: dict[str, float] | None) -> list[tuple[float, Row]]:
    """Rows with their x, by x; those without one are only in the notes."""
    assert view.x is not None
    found = []
    for row in view.every:
        text = view.x.text(row)
        if text is not None:
            found.append((view.x.ours(row) or 0.0 if places is None else places[text], row))
    return sorted(found, key=lambda each: each[0])


def _places(view: View) -> dict[str, float] | None:
    """Places of the values of a text axis."""
    assert view.x is not None
    if not view.x.is_text:
        return None
    names = dict.fromkeys(text for row in view.every if (text := view.x.text(row)) is not None)
    return {name: float(index) for index, name in enumerate(names)}


def _far_apart(ours: Sequence[float], printed: Sequence[float]) -> bool:
    if not ours or not printed:
        return False
    spans = [max(each) - min(each) for each in (ours, printed, [*ours, *printed])]
    return spans[2] > _APART * max(spans[0], spans[1]) and spans[2] > 0


def _draw_ours(axes: Axes, curve: _Curve) -> None:
    axes.errorbar(
        curve.x,
        curve.y,
        yerr=errors(curve.y, curve.intervals),
        color=canvas.colour(curve.number),
        marker=canvas.marker(curve.number),
        # Beyond the palette, a dashed line tells a colour's second use from its first.
        linestyle="-" if curve.number < len(canvas.PALETTE) else "--",
        markeredgecolor="white",
        markeredgewidth=0.6,
        clip_on=False,  # a mark on an axis is shown whole
        zorder=3,
    )


def _draw_printed(axes: Axes, curve: _Curve) -> None:
    if curve.printed_x:
        axes.plot(
            curve.printed_x,
            curve.printed_y,
            color=canvas.colour(curve.number),
            marker=canvas.marker(curve.number),
            markerfacecolor=canvas.HOLLOW,
            linestyle=":",
            clip_on=False,
            zorder=2.5,
        )


def _scale_y(axes: Axes, view: View, values: Sequence[float]) -> None:
    log = canvas.is_log(view.spec.log, "y", values)
    tight = may_leave_zero(view.y.quantity, values)
    number_axis(axes, "y", values, log, tight=tight)
    axes.grid(visible=True)


def _scale_x(axes: Axes, view: View, curves: Sequence[_Curve]) -> None:
    assert view.x is not None
    axes.set_xlabel(view.x.head)
    places = _places(view)
    if places is not None:
        name_places(axes, [canvas.short(name) for name in places])
        axes.set_xlim(-0.3, len(places) - 0.7)
        return
    values = [x for curve in curves for x in (*curve.x, *curve.printed_x, *curve.lost_x)]
    if canvas.is_log(view.spec.log, "x", values):
        number_axis(axes, "x", values, log=True)
    # Few swept values are the ticks themselves: nothing was measured between them.
    swept = sorted(set(values))
    if len(swept) <= 8 and all(value == int(value) for value in swept):
        axes.set_xticks(swept, [f"{value:.0f}" for value in swept])
        axes.minorticks_off()


def _mark_lost(axes: Axes, curves: Sequence[_Curve]) -> None:
    for curve in curves:
        if curve.lost_x:
            axes.plot(
                curve.lost_x,
                [0.0] * len(curve.lost_x),
                linestyle="none",
                marker="x",
                markersize=7,
                markeredgewidth=1.8,
                color=canvas.colour(curve.number),
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                zorder=4,
            )


def _legend(axes: Axes, curves: Sequence[_Curve], printed: bool, apart: bool) -> None:
    """What forms mean; series are named at their ends, or here where there are two axes."""
    handles = []
    if apart and len(curves) > 1:
        for curve in curves:
            colour, marker = canvas.colour(curve.number), canvas.marker(curve.number)
            handles.append(Line2D([], [], color=colour, marker=marker, label=curve.name))
    if printed:
        for label, face, line in (("ours", canvas.INK, "-"), ("printed", canvas.HOLLOW, ":")):
            mark = {"marker": "o", "markerfacecolor": face, "linestyle": line}
            handles.append(Line2D([], [], color=canvas.INK, label=label, **mark))  # type: ignore[arg-type]
    if any(curve.lost_x for curve in curves):
        handles.append(
            Line2D(
                [], [], color=canvas.INK, marker="x", linestyle="none", label="failed, see below"
            )
        )
    if handles:
        legend(axes, handles=handles)


def _end(curve: _Curve) -> End | None:
    x, y = (curve.x, curve.y) if curve.x else (curve.printed_x, curve.printed_y)
    return End(curve.name, x[-1], y[-1], canvas.text_colour(curve.number)) if x else None
