"""A metric of a case over commits: each run a point, each level a line, each change named."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.judge.regression.history import SHORT, Change, ChangeLimits
from harness.judge.regression.series import EVERY_MACHINE, Series
from harness.present.plots import canvas as style
from harness.present.plots.canvas import canvas
from harness.present.plots.sheet import PAGE, Sheet, sheet
from harness.records.quantities.quantity import with_unit

_HISTORY_HEIGHT = 3.2
_TICKS = 9
_TICK_LETTERS = 10  # of a day, or of a commit with the gap to the next
_BEYOND_VALUES = 0.1  # of the values' range, above and below
_NAME_ROOM = 0.15  # of it, for each line of names
_AXES_SHARE = 0.87  # of the width
_NAME_SIZE = 6.5  # points
_LETTER = 0.68  # of the size: a letter of a name, with the gap to the next name
TITLED = replace(PAGE, titled=True)


def draw_history(
    series: Series, changes: Sequence[Change], limits: ChangeLimits, to: Sheet = TITLED
) -> Figure:
    """One series with its changes.

    Points are evenly spaced in the order of commits. The axis does not begin at zero: what is
    looked for is a few per cent.
    """
    shown = series.unit
    with style.house(to):
        title = f"{series.suite}: {series.label}"
        figure, axes = canvas(to.free(_HISTORY_HEIGHT), title, _caption(series, changes, limits))
        values = [shown.scale(value) for value in series.values]
        axes.plot(
            range(len(values)),
            values,
            linestyle="none",
            marker=style.marker(0),
            markersize=to.length(3.5),
            color=style.colour(0),
            alpha=0.55 if len(values) > 60 else 0.9,
        )
        # The mean between two changes.
        ends = [0, *(change.index for change in changes), len(values)]
        for start, stop in pairwise(ends):
            mean = sum(values[start:stop]) / (stop - start)
            axes.hlines(mean, start - 0.5, stop - 0.5, color=style.INK, linewidth=to.length(1.3))
        heights = _heights(changes, len(values))
        low, high = min(values), max(values)
        spread = (high - low) or 0.2 * abs(high) or 1.0
        lines = 1 + max(heights, default=-1)
        above = _BEYOND_VALUES + _NAME_ROOM * lines * to.text(_NAME_SIZE) / _NAME_SIZE
        axes.set_ylim(low - _BEYOND_VALUES * spread, high + above * spread)
        axes.set_xlim(-0.5, len(values) - 0.5)
        for change, height in zip(changes, heights, strict=True):
            _mark_change(axes, change, height)
        _commit_ticks(axes, series)
        axes.set_ylabel(with_unit(series.metric.head, shown.name))
        axes.grid(visible=True, axis="y")
        return figure


def _heights(changes: Sequence[Change], runs: int) -> list[int]:
    """The line on which each change is named: the highest on which no other name stands there."""
    taken: list[list[tuple[float, float]]] = []
    heights = []
    for change in changes:
        at = change.index / max(runs, 1) * _AXES_SHARE * sheet().width * 72
        length = len(_change_text(change)) * _LETTER * sheet().text(_NAME_SIZE)
        room = (at - length, at) if _is_late(change) else (at, at + length)
        height = next(
            (
                number
                for number, line in enumerate(taken)
                if all(room[1] < left or room[0] > right for left, right in line)
            ),
            len(taken),
        )
        taken += [[]] if height == len(taken) else []
        taken[height].append(room)
        heights.append(height)
    return heights


def _change_text(change: Change) -> str:
    return f"{change.text}  {change.where}"


def _is_late(change: Change) -> bool:
    """Whether its name stands left of its line, since there is no room at the right."""
    return change.index > len(change.series.points) / 2


def _mark_change(axes: Axes, change: Change, step: int) -> None:
    size = sheet().text(_NAME_SIZE)
    worse = change.after > change.before
    number = style.PALETTE.index(style.WORSE if worse else style.BETTER)
    colour = style.text_colour(number)
    axes.axvline(change.index - 0.5, color=colour, linewidth=sheet().length(1.0), linestyle="--")
    late = _is_late(change)
    axes.annotate(
        _change_text(change),
        (change.index - 0.5, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(sheet().length(-3 if late else 3), -2 - 1.5 * size * step),
        textcoords="offset points",
        ha="right" if late else "left",
        va="top",
        size=size,
        color=colour,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},  # over the lines of others
    )


def _commit_ticks(axes: Axes, series: Series) -> None:
    """A few commits as ticks; the day of the run where none is known."""
    points = series.points
    ticks = min(_TICKS, max(2, sheet().characters(8, _AXES_SHARE) // _TICK_LETTERS))
    step = max(1, -(-len(points) // ticks))
    places = range(0, len(points), step)
    names = []
    for place in places:
        run = points[place].run
        names.append(run.commit[:7] if run.commit else run.started_at[:10])
    axes.set_xticks(list(places), names)
    axes.set_xlabel("Commit")


def _caption(series: Series, changes: Sequence[Change], limits: ChangeLimits) -> list[str]:
    first, last = series.points[0].run, series.points[-1].run
    where = "every machine" if series.machine_key == EVERY_MACHINE else series.machine_key
    what = f"{len(series.points)} runs, {first.started_at[:10]} to {last.started_at[:10]}; {where}"
    if series.metric.is_measured:
        rule = (
            f"Changes: E-divisive with means, Student's t, p x runs < {limits.max_p:g}, at least "
            f"{limits.min_change:.1%}. Each point is the median of a run's processes."
        )
    else:
        rule = "Changes: every difference, since the metric is exact."
    lines = [f"{what}. {rule} The axis does not begin at zero."]
    for change in changes:
        if change.besides:
            lines.append(f"{change.where[: 2 * SHORT + 2]}: also {', '.join(change.besides)}")
    return lines
