"""Plot: the asked view of a suite's rows with its notes, as a matplotlib figure."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from harness.judge.part import Context, Part, convention_of
from harness.measure.convention import ConventionSpec
from harness.messages import HarnessError
from harness.present.formats import MARKS
from harness.present.notes import conventions, definition, legend, pairs, setup, trained
from harness.present.plots import bar, line, roofline, scatter
from harness.present.plots.bar import MOST_BARS
from harness.present.plots.canvas import (
    FAINT,
    FILE_KINDS,
    canvas,
    house,
    may_leave_zero,
    render,
    settle,
)
from harness.present.plots.scatter import MOST_LABELS
from harness.present.plots.view import View, complete, explained, missing
from harness.present.reading import Reading, read
from harness.present.write import plot_names, write_whole
from harness.records.quantities.derived import uncalibrated
from harness.records.quantities.quantity import Row
from harness.suite.presentation import PlotSpec


def meanings(
    readings: Sequence[Reading], rows: Sequence[Row], convention: ConventionSpec
) -> list[str]:
    """What the shown quantities are, and their intervals where rows have any."""
    notes = [f"{definition(each)}." for each in conventions(readings, convention)]
    for each in readings:
        if each.quantity.has_interval and any(each.interval(row) for row in rows):
            notes.append(f"{each.quantity.head}: {each.quantity.interval_note}.")
        elif each.quantity.note:
            notes.append(f"{each.quantity.head}: {each.quantity.note}.")
    return notes


def guided(spec: PlotSpec, x: Reading | None, y: Reading, rows: Sequence[Row]) -> list[str]:
    """What a scatter's line is."""
    front = None if x is None or spec.kind != "scatter" else explained(x, y)
    return [front] if front is not None and len(rows) > 1 else []


def left_unsaid(spec: PlotSpec, rows: Sequence[Row]) -> list[str]:
    """What a plot of many rows does without; tables have all."""
    if spec.kind == "bar" and len(rows) > MOST_BARS:
        return [f"The first {MOST_BARS} of {len(rows)} rows; the table has all."]
    if spec.kind in ("scatter", "roofline") and len(rows) > MOST_LABELS:
        return [f"Of {len(rows)} points only those of a front are named; the table has all."]
    return []


def leaves_zero(spec: PlotSpec, x: Reading | None, y: Reading, rows: Sequence[Row]) -> list[str]:
    """That an axis does not begin at zero."""
    loose = {"scatter": (x, y), "line": (y,)}.get(spec.kind, ())
    heads = [
        each.quantity.head
        for each in loose
        if each is not None
        and may_leave_zero(each.quantity, [each.ours(row) or 0.0 for row in rows])
    ]
    return [f"The axis of {' and '.join(heads)} does not begin at zero."] if heads else []


def not_judged(spec: PlotSpec, y: Reading, rows: Sequence[Row]) -> list[str]:
    """Why the printed figures beside bars and lines are not judged, where they are not."""
    beside = spec.kind in ("bar", "line") and any(y.verdict(row) is not None for row in rows)
    if not beside or y.by is None or not y.by.unjudged:
        return []
    return [f"Printed figures are not judged: {y.by.unjudged}."]


def marked(spec: PlotSpec, part: Part, y: Reading, rows: Sequence[Row]) -> list[str]:
    """What the marks beside the printed figures of bars mean."""
    verdicts = [y.verdict(row) for row in rows] if spec.kind == "bar" and len(spec.ys) == 1 else []
    found = {each["verdict"] for each in verdicts if each is not None} & MARKS.keys()
    return [f"{legend(part.reference, found)}."] if found and part.reference else []


_DRAWN_BY = {"bar": bar.draw, "scatter": scatter.draw, "line": line.draw, "roofline": roofline.draw}


def draw(spec: PlotSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> Figure:
    """A plot of a suite's annotated rows; those without a value are listed below it, with reasons.

    Raises:
        HarnessError: an axis names no quantity (names the nearest), or text where numbers belong.
    """
    return paint(look(spec, part, rows, context))


def write_plots(
    part: Part, rows: Sequence[Row], folder: Path, context: Context | None = None
) -> list[Path]:
    """Writes `plots/<name>.png`, `.svg` and `.pdf` of every plot that a suite asks for.

    Args:
        folder: in which `plots` is made.

    Returns:
        The files, in the order written.

    Raises:
        HarnessError: an axis names no quantity, or a file cannot be written.
    """
    written = []
    for name, spec in zip(plot_names(part), part.plots, strict=True):
        figure = draw(spec, part, rows, context)
        for kind in FILE_KINDS:
            path = folder / "plots" / f"{name}.{kind}"
            write_whole(path, render(figure, kind))
            written.append(path)
    return written


def paint(view: View) -> Figure:
    """The figure of a view, which may have been given another title or other notes."""
    with house():
        if not view.rows:
            figure, axes = canvas(1.0, view.title, view.notes)
            axes.set_axis_off()
            axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=FAINT)
            return figure
        figure = (bar.draw_grouped if len(view.ys) > 1 else _DRAWN_BY[view.spec.kind])(view)
        settle(figure)  # else each file of it would lay it out again
        return figure


def look(spec: PlotSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> View:
    """What a plot of annotated rows is drawn from."""
    convention = convention_of(part)

    def reading(name: str | None) -> Reading | None:
        # The input's shape is text; an axis shows its height.
        name = "input_height" if name == "input" else name
        return None if name is None else read(name, part, rows)

    ys = tuple(read(name, part, rows) for name in spec.ys)
    y, series = ys[0], reading(spec.series)
    x = None if spec.kind == "bar" else reading(spec.x)
    _require_numbers(spec, x, ys)
    needed = [each for each in (x, *ys) if each is not None]
    kept = complete(rows, needed)
    if spec.kind == "roofline":  # both axes are logarithmic
        kept = tuple(row for row in kept if all((each.ours(row) or 0) > 0 for each in needed))
    heads = " and ".join(dict.fromkeys(each.name for each in ys))
    named = heads
    if x is not None:  # `latency`, but `FLOPs`: a capital goes unless it begins an abbreviation
        head = x.name
        named = f"{y.name} by {head[:1].lower() if head[1:2].islower() else head[:1]}{head[1:]}"
    title = spec.title or f"{part.title or part.name}: {named}"
    left_out = missing(rows, kept, needed)
    every = rows[: bar.MOST_BARS] if spec.kind == "bar" else rows
    if len(every) < len(rows):
        kept = complete(every, needed)
    notes = [*meanings(needed, kept, convention), *guided(spec, x, y, kept)]
    notes += [*leaves_zero(spec, x, y, kept), *setup(rows), *trained(rows)]
    notes += pairs("Machine", {} if context is None else context.machine)
    if spec.kind == "roofline":
        notes += uncalibrated(kept)
    notes += [*left_unsaid(spec, rows), *not_judged(spec, y, kept)]
    notes += marked(spec, part, y, kept)
    notes += [left_out] if left_out else []
    return View(spec, title, kept, x, y, series, tuple(notes), ys, tuple(every))


def _require_numbers(spec: PlotSpec, x: Reading | None, ys: Sequence[Reading]) -> None:
    """Only a line has text along x, and what stands on one axis has one dimension."""
    for name, each in [
        *zip(spec.ys, ys, strict=True),
        (spec.x, None if spec.kind == "line" else x),
    ]:
        if each is not None and each.is_text:
            raise HarnessError(f"a {spec.kind} plot needs numbers; {name!r} is text")
    for name, each in zip(spec.ys, ys, strict=True):
        if each.quantity.dimension != ys[0].quantity.dimension:
            raise HarnessError(
                f"{name!r} cannot stand on one axis with {spec.ys[0]!r}; plot it apart"
            )
