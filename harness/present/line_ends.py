"""Names at the right ends of lines, instead of a legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.present.canvas import settle
from harness.present.placement import spread

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
