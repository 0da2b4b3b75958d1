"""Line plot: a quantity over a swept one, a line per series, the printed line beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.present.plots import canvas
from harness.present.plots.placement import in_points, kept_apart, room
from harness.present.plots.view import View

_NAME_SIZE = 8.0  # points
_NAME_LINE = 10.5  # points from one name to the next
# Printed values are drawn into the same axes unless those would flatten one of the curves: the
# range of both together is then more than this many times that of either.
_FLATTENED = 3.0


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
    kept = axes.text(
        1.02, 0.5, longest, transform=axes.transAxes, size=_NAME_SIZE, alpha=0, gid="room"
    )
    canvas.settle(figure)
    kept.remove()
    spots = in_points(figure, axes, [(end.x, end.y) for end in ends])
    right = room(figure, axes).right
    heights = kept_apart([height for _, height in spots], [_NAME_LINE] * len(ends))
    look: dict[str, Any] = {"xycoords": "figure points", "textcoords": "figure points"}
    look |= {"size": _NAME_SIZE, "va": "center", "ha": "left", "annotation_clip": False}
    tie = {"arrowstyle": "-", "alpha": 0.5, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    for end, spot, at in zip(ends, spots, heights, strict=True):
        arrow = tie | {"color": end.colour, "relpos": (0, 0.5)}
        axes.annotate(end.name, spot, (right + 8, at), color=end.colour, arrowprops=arrow, **look)


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
    curves = _curves_of(view)
    ours = [value for curve in curves for value in canvas.with_ends(curve.y, curve.intervals)]
    printed = [value for curve in curves for value in curve.printed_y]
    apart = _far_apart(ours, printed)
    figure, (axes, *beside) = canvas.panels(1 + apart, 3.9, view.title, view.notes)
    for curve in curves:
        _draw_curve(axes, beside[0] if apart else axes, curve)
    _scale_y(axes, view, ours if apart else [*ours, *printed])
    axes.set_ylabel(f"{view.y.head}, ours" if apart else view.y.head)
    if apart:
        _scale_y(beside[0], view, printed)
        beside[0].set_ylabel(f"{view.y.head}, printed")
    for each in (axes, *beside):
        _scale_x(each, view, curves)
    _explain_forms((axes, *beside)[-1], curves, bool(printed), apart)
    named = view.series is not None and not apart
    ends = []
    for curve in curves:
        x, y = (curve.x, curve.y) if curve.x else (curve.printed_x, curve.printed_y)
        if x:
            ends.append(End(curve.name, x[-1], y[-1], canvas.text_colour(curve.number)))
    if named and ends:
        name_ends(figure, axes, ends)
    else:
        canvas.settle(figure)
    for each in (axes, *beside):
        if not view.x.is_text:
            canvas.thin_ticks(each)
    return figure


def _curves_of(view: View) -> list[_Curve]:
    assert view.x is not None
    places = _places(view)
    curves = {
        name: _Curve(name, number)
        for number, name in enumerate(dict.fromkeys(view.group(row) for row in view.every))
        if name in view.groups()
    }
    known = {id(row) for row in view.rows}
    found = []  # rows without an x are only in the notes
    for row in view.every:
        text = view.x.text(row)
        if text is not None:
            found.append((view.x.ours(row) or 0.0 if places is None else places[text], row))
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
    return spans[2] > _FLATTENED * max(spans[0], spans[1]) and spans[2] > 0


def _draw_curve(axes: Axes, printed_axes: Axes, curve: _Curve) -> None:
    """Ours with its intervals, the printed values, and crosses at the foot for lost rows."""
    look: dict[str, Any] = {
        "color": canvas.colour(curve.number),
        "marker": canvas.marker(curve.number),
        "clip_on": False,  # a mark on an axis is shown whole
    }
    axes.errorbar(
        curve.x,
        curve.y,
        yerr=canvas.errors(curve.y, curve.intervals),
        # Beyond the palette, a dashed line tells a colour's second use from its first.
        linestyle="-" if curve.number < len(canvas.PALETTE) else "--",
        markeredgecolor="white",
        markeredgewidth=0.6,
        zorder=3,
        **look,
    )
    if curve.printed_x:
        hollow = look | {"markerfacecolor": canvas.HOLLOW, "linestyle": ":", "zorder": 2.5}
        printed_axes.plot(curve.printed_x, curve.printed_y, **hollow)
    if curve.lost_x:
        cross = look | {"marker": "x", "markersize": 7, "markeredgewidth": 1.8, "zorder": 4}
        foot = axes.get_xaxis_transform()
        axes.plot(curve.lost_x, [0.0] * len(curve.lost_x), ls="none", transform=foot, **cross)


def _scale_y(axes: Axes, view: View, values: Sequence[float]) -> None:
    log = canvas.is_log(view.spec.log, "y", values)
    tight = canvas.may_leave_zero(view.y.quantity, values)
    canvas.number_axis(axes, "y", values, log, tight=tight)
    axes.grid(visible=True)


def _scale_x(axes: Axes, view: View, curves: Sequence[_Curve]) -> None:
    assert view.x is not None
    axes.set_xlabel(view.x.head)
    places = _places(view)
    if places is not None:
        canvas.name_places(axes, [canvas.short(name) for name in places])
        axes.set_xlim(-0.3, len(places) - 0.7)
        return
    values = [x for curve in curves for x in (*curve.x, *curve.printed_x, *curve.lost_x)]
    if canvas.is_log(view.spec.log, "x", values):
        canvas.number_axis(axes, "x", values, log=True)
    # Few swept values are the ticks themselves: nothing was measured between them.
    swept = sorted(set(values))
    if len(swept) <= 8 and all(value == int(value) for value in swept):
        axes.set_xticks(swept, [f"{value:.0f}" for value in swept])
        axes.minorticks_off()


def _explain_forms(axes: Axes, curves: Sequence[_Curve], printed: bool, apart: bool) -> None:
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
        canvas.legend(axes, handles=handles)
