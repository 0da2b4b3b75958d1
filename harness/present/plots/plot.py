"""Plot: the asked view of a suite's rows with its notes, as a matplotlib figure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from harness.judge.part import Context, Part, convention_of
from harness.measure.convention import ConventionSpec
from harness.messages import HarnessError
from harness.present.formats import MARKS
from harness.present.notes import conventions, definition, legend, pairs, setup
from harness.present.pivot import require_places
from harness.present.plots import bar, heatmap, line, roofline, scatter
from harness.present.plots.bar import MOST_BARS
from harness.present.plots.canvas import FAINT, FILE_KINDS, canvas, house, render, settle
from harness.present.plots.line import MOST_LINES
from harness.present.plots.multiples import most_panels
from harness.present.plots.scales import may_leave_zero
from harness.present.plots.scatter import most_labels
from harness.present.plots.sheet import PAGE, Sheet, drawn_for, sheet
from harness.present.plots.view import View, complete, explained, missing
from harness.present.reading import Reading, read
from harness.present.trainings import trained
from harness.present.write import write_whole
from harness.records.quantities.derived import FACTORS, uncalibrated
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import axes
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


def left_unsaid(spec: PlotSpec, series: Reading | None, rows: Sequence[Row]) -> list[str]:
    """What a plot of many rows does without; tables have all."""
    if spec.kind == "bar" and len(rows) > MOST_BARS:
        return [f"The first {MOST_BARS} of {len(rows)} rows; the table has all."]
    lines = {None if series is None else series.text(row) for row in rows}
    if spec.kind == "line" and len(lines) > max(MOST_LINES, most_panels()):
        return [f"The first {most_panels()} of {len(lines)} series; the table has all."]
    if spec.kind in ("scatter", "roofline") and len(rows) > most_labels():
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


_DRAWN_BY = {
    "bar": bar.draw,
    "scatter": scatter.draw,
    "line": line.draw,
    "roofline": roofline.draw,
    "heatmap": heatmap.draw,
}


def draw(
    spec: PlotSpec,
    part: Part,
    rows: Sequence[Row],
    context: Context | None = None,
    to: Sheet = PAGE,
) -> Figure:
    """A plot of a suite's annotated rows; its caption lists those without a value, with reasons.

    Raises:
        HarnessError: an axis names no quantity (names the nearest), or text where numbers belong.
    """
    with drawn_for(to):
        return paint(look(spec, part, rows, context), to)


def write_plots(
    plots: Mapping[str, PlotSpec],
    part: Part,
    rows: Sequence[Row],
    folder: Path,
    context: Context | None = None,
    *,
    to: Sheet = PAGE,
) -> list[Path]:
    """Writes `<name>.png`, `.svg`, `.pdf` and `.txt` of plots of a suite.

    Args:
        plots: by file name, without ending.
        part: the suite.
        rows: its annotated rows.
        folder: that of the files.

    Returns:
        The files, in the order written.

    Raises:
        HarnessError: an axis names no quantity, or a file cannot be written.
    """
    written = []
    for name, spec in plots.items():
        with drawn_for(to):
            view = look(spec, part, rows, context)
        figure = paint(view, to)
        files: dict[str, bytes] = {k: render(figure, k, text=True) for k in FILE_KINDS}
        files["txt"] = "".join(f"{line}\n" for line in (view.title, *view.notes)).encode()
        for kind, content in files.items():
            path = folder / f"{name}.{kind}"
            write_whole(path, content)
            written.append(path)
    return written


def paint(view: View, to: Sheet = PAGE) -> Figure:
    """The figure of a view, which may have been given another title or other notes."""
    with house(to):
        if not view.rows:
            empty, axes = canvas(sheet().rows(1.0), view.title, view.notes)
            axes.set_axis_off()
            axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=FAINT)
            return empty
        figure = (bar.draw_grouped if len(view.ys) > 1 else _DRAWN_BY[view.spec.kind])(view)
        settle(figure)  # else each file of it would lay it out again
        return figure


def look(spec: PlotSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> View:
    """What a plot of annotated rows is drawn from."""
    convention = convention_of(part)

    def reading(name: str | None) -> Reading | None:
        # The input's shape is text; an axis of numbers shows its height.
        name = "input_height" if name == "input" and spec.kind != "heatmap" else name
        return None if name is None else read(name, part, rows)

    ys = tuple(read(name, part, rows) for name in spec.ys)
    y, series = ys[0], reading(spec.series)
    x = None if spec.kind == "bar" else reading(spec.x)
    value = reading(spec.value)
    _require_numbers(spec, x, ys, value)
    needed = [each for each in (x, *ys, value) if each is not None]
    kept = complete(rows, needed)
    if spec.kind == "roofline":  # both axes are logarithmic
        kept = tuple(row for row in kept if all((each.ours(row) or 0) > 0 for each in needed))
    named = " and ".join(dict.fromkeys(each.name for each in ys))
    if x is not None:
        named = f"{y.name} by {_within(x.name)}"
    if value is not None:
        named = f"{value.name} by {' and '.join(_within(r.name) for r in (y, *filter(None, [x])))}"
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
    notes += [*left_unsaid(spec, series, rows), *not_judged(spec, y, kept)]
    notes += marked(spec, part, y, kept)
    notes += [left_out] if left_out else []
    if spec.kind == "heatmap":
        require_places(spec, part, rows)
    apart = _apart_by(x, series, kept, part) if spec.kind == "line" else ()
    return View(spec, title, kept, x, y, series, tuple(notes), ys, tuple(every), value, apart)


def _apart_by(
    x: Reading | None, series: Reading | None, rows: Sequence[Row], part: Part
) -> tuple[Reading, ...]:
    """Axes without which a line would run through several rows at one place."""
    if x is None or series is None:
        return ()
    places = Counter((x.text(row), series.text(row)) for row in rows)
    if max(places.values(), default=1) == 1:
        return ()
    others = [read(f"{FACTORS}{axis}", part, rows) for axis in axes(rows)]
    shown = {x.quantity.name, series.quantity.name}
    return tuple(
        each
        for each in others
        if each.quantity.name not in shown and len({each.text(row) for row in rows}) > 1
    )


def _within(head: str) -> str:
    """A head within a line: `latency`, but `FLOPs`: a capital that begins an abbreviation stays."""
    return f"{head[:1].lower() if head[1:2].islower() else head[:1]}{head[1:]}"


def _require_numbers(
    spec: PlotSpec, x: Reading | None, ys: Sequence[Reading], value: Reading | None
) -> None:
    """Only lines and heat maps have text on an axis, and what stands on one has one dimension."""
    numbers = [*zip(spec.ys, ys, strict=True), (spec.x, None if spec.kind == "line" else x)]
    if spec.kind == "heatmap":
        numbers = [(spec.value, value)]
    for name, each in numbers:
        if each is not None and each.is_text:
            raise HarnessError(f"a {spec.kind} plot needs numbers; {name!r} is text")
    for name, each in zip(spec.ys, ys, strict=True):
        if each.quantity.dimension != ys[0].quantity.dimension:
            raise HarnessError(
                f"{name!r} cannot stand on one axis with {spec.ys[0]!r}; plot it apart"
            )
