"""Roofline plot: achieved FLOP/s over arithmetic intensity, below the roofs of the machine.

Williams, Waterman and Patterson, "Roofline" (2009), figure 1: both axes logarithmic, the slope is
the bandwidth, the flat part the peak.
"""

import math
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.measure.convention import Roof
from harness.present.plots.canvas import INK, canvas, settle
from harness.present.plots.placement import Box, room
from harness.present.plots.scales import name_axes, number_axis
from harness.present.plots.scatter import (
    annotate_points,
    draw_points,
    intervals,
    path,
    shown_labels,
)
from harness.present.plots.sheet import sheet
from harness.present.plots.view import View
from harness.records.quantities.derived import roof_of

_AROUND = 3.0  # factor between the outermost point or ridge and the frame
_ROOF_SIZE = 7.5  # points
_INSIDE = 0.04  # of the axis, from its end to the words along a slope


def draw(view: View) -> Figure:
    """Rows as labelled points under labelled roofs; those without a roof stand there as well."""
    assert view.x is not None
    figure, axes = canvas(sheet().free(4.6), view.title, view.notes)
    x = [view.x.ours(row) or 0.0 for row in view.rows]
    y = [view.y.ours(row) or 0.0 for row in view.rows]
    roofs = _roofs(view)
    unit = view.y.unit.factor
    all_x = [*x, *(roof.ridge for roof in roofs.values())]
    all_y = [*y, *(roof.flops_per_second / unit for roof in roofs.values())]
    bottom, top = min(all_y) / _AROUND, max(all_y) * _AROUND
    left, right = min(all_x) / _AROUND, max(all_x) * _AROUND
    draw_points(axes, view)
    for roof in roofs.values():
        corners = (left, roof.ridge, right)
        heights = [roof.attainable(at) / unit for at in corners]
        axes.plot(corners, heights, color=INK, lw=sheet().length(1.3))
    number_axis(axes, "x", [left, right], log=True)
    number_axis(axes, "y", [bottom, top], log=True)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    name_axes(axes, view.x.head, view.y.head)
    axes.grid(visible=True)
    settle(figure)
    drawing = _Drawing(figure, axes, unit, left, right)
    obstacles = intervals(figure, axes, view)
    for name, roof in roofs.items():
        obstacles += path(figure, axes, drawing.corners(roof))
        obstacles += drawing.label(name if len(roofs) > 1 else "", roof)
    annotate_points(
        figure, axes, list(zip(x, y, strict=True)), shown_labels(view), obstacles=obstacles
    )
    return figure


def _roofs(view: View) -> dict[str, Roof]:
    """Each roof once, named by what tells it from the others."""
    found: dict[str, Roof] = {}
    for row in view.rows:
        roof = roof_of(row)
        if roof is not None and roof not in found.values():
            name = f"{row.get('dtype')}, {row.get('device')}"
            found[name if name not in found else f"{name}, {len(found) + 1}"] = roof
    return found


@dataclass(frozen=True)
class _Drawing:
    """Settled axes, what of the roofs is visible, and the unit of their height."""

    figure: Figure
    axes: Axes
    unit: float
    left: float
    right: float

    def corners(self, roof: Roof) -> list[tuple[float, float]]:
        """Start, ridge and end of a roof, in the units of the axes."""
        places = (self.left, roof.ridge, self.right)
        return [(at, roof.attainable(at) / self.unit) for at in places]

    def label(self, name: str, roof: Roof) -> list[Box]:
        """Peak above the flat part, bandwidth along the slope; the rooms that they take."""
        prefix = f"{name}: " if name else ""
        look: dict[str, Any] = {"textcoords": "offset points", "va": "bottom"}
        look |= {"size": sheet().text(_ROOF_SIZE)}
        look["xytext"] = (-sheet().length(3), sheet().length(3))
        peak = self.axes.annotate(
            f"{prefix}peak {roof.flops_per_second / 1e9:.3g} GFLOP/s",
            (self.right, roof.flops_per_second / self.unit),
            ha="right",
            **look,
        )
        low, high, _ = self.axes.transData.transform(self.corners(roof))
        # The slope may enter the frame from below: the label starts where the roof is visible.
        bottom = self.axes.get_ylim()[0] * 1.3
        inside = self.left * (self.right / self.left) ** _INSIDE
        start = max(inside, bottom * self.unit / roof.bytes_per_second)
        slope = self.axes.annotate(
            f"{prefix}memory {roof.bytes_per_second / 1e9:.3g} GB/s",
            (start, roof.attainable(start) / self.unit),
            rotation=math.degrees(math.atan2(high[1] - low[1], high[0] - low[0])),
            rotation_mode="anchor",
            ha="left",
            **look,
        )
        return [room(self.figure, peak), room(self.figure, slope)]
