"""Plot: the asked view of a suite's rows, as a matplotlib figure."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from harness.errors import HarnessError
from harness.present import bar, grouped_bar, line, roofline, scatter, style
from harness.present.canvas import canvas
from harness.present.footnotes import conventions, definition, pairs, setup
from harness.present.guide import explained
from harness.present.part import Context, Part, convention_of
from harness.present.performance import uncalibrated
from harness.present.quantity import Row
from harness.present.reading import Reading, read
from harness.present.verdict import annotate
from harness.present.view import View, missing, shown
from harness.suite.presentation import ConventionSpec, PlotSpec

_KINDS = {"bar": bar.draw, "scatter": scatter.draw, "line": line.draw, "roofline": roofline.draw}


def draw(spec: PlotSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> Figure:
    """A plot of a suite's rows; those without a value are listed below it, with the reason.

    Raises:
        HarnessError: an axis names no quantity (names the nearest), or text where numbers belong.
    """
    return paint(look(spec, part, rows, context))


def paint(view: View) -> Figure:
    """The figure of a view, which may have been given another title or other notes."""
    with style.house():
        if not view.rows:
            figure, axes = canvas(1.0, view.title, view.notes)
            axes.set_axis_off()
            axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=style.FAINT)
            return figure
        return (grouped_bar.draw if len(view.ys) > 1 else _KINDS[view.spec.kind])(view)


def look(spec: PlotSpec, part: Part, rows: Sequence[Row], context: Context | None = None) -> View:
    """What a plot is drawn from."""
    convention = convention_of(part, context)
    annotated = annotate(rows, part, convention)

    def reading(name: str | None) -> Reading | None:
        return None if name is None else read(_plotted(name), part, annotated, convention)

    ys = tuple(read(name, part, annotated, convention) for name in spec.ys)
    y, series = ys[0], reading(spec.series)
    x = None if spec.kind == "bar" else reading(spec.x)
    numeric = [*zip(spec.ys, ys, strict=True), (spec.x, None if spec.kind == "line" else x)]
    for name, each in numeric:
        if each is not None and each.is_text:
            raise HarnessError(f"a {spec.kind} plot needs numbers; {name!r} is text")
    for name, each in zip(spec.ys, ys, strict=True):
        if each.quantity.dimension != y.quantity.dimension:
            raise HarnessError(
                f"{name!r} cannot stand on one axis with {spec.ys[0]!r}; plot it apart"
            )
    needed = [each for each in (x, *ys) if each is not None]
    kept = shown(annotated, needed)
    if spec.kind == "roofline":  # both axes are logarithmic
        kept = tuple(row for row in kept if all((each.ours(row) or 0) > 0 for each in needed))
    heads = " and ".join(dict.fromkeys(each.name for each in ys))
    named = f"{y.name} by {_within_text(x.name)}" if x is not None else heads
    title = spec.title or f"{part.title or part.name}: {named}"
    left_out = missing(annotated, kept, needed)
    notes = [*_notes(needed, convention), *_guided(spec, x, y, kept), *setup(annotated)]
    notes += pairs("Machine", {} if context is None else context.machine)
    if spec.kind == "roofline":
        notes += uncalibrated(kept)
    notes += [*_printed(spec, y, kept), *([left_out] if left_out else [])]
    return View(spec, title, kept, x, y, series, tuple(notes), ys, tuple(annotated))


def _plotted(name: str) -> str:
    """The input's shape is text; an axis shows its height."""
    return "input_height" if name == "input" else name


def _within_text(head: str) -> str:
    """`latency`, but `FLOPs`: a head's capital goes unless it begins an abbreviation."""
    return head[:1].lower() + head[1:] if head[1:2].islower() else head


def _notes(readings: Sequence[Reading], convention: ConventionSpec) -> list[str]:
    notes = [f"{definition(each)}." for each in conventions(readings, convention)]
    for each in readings:
        if each.quantity.has_interval:
            notes.append(f"{each.quantity.head}: {each.quantity.interval_note}.")
        elif each.quantity.note:
            notes.append(f"{each.quantity.head}: {each.quantity.note}.")
    return notes


def _guided(spec: PlotSpec, x: Reading | None, y: Reading, rows: Sequence[Row]) -> list[str]:
    """What a scatter's line is, and that of many points few are named."""
    if x is None or spec.kind not in ("scatter", "roofline"):
        return []
    front = None
    if spec.kind == "scatter":
        front = explained(spec.guide, x, y)
    notes = [front] if front is not None and len(rows) > 1 else []
    if len(rows) > scatter.MOST_LABELS:
        notes.append(f"{len(rows)} points, of which only those of a front are named.")
    return notes


def _printed(spec: PlotSpec, y: Reading, rows: Sequence[Row]) -> list[str]:
    """Why the printed figures beside bars are not judged, where they are not."""
    beside = spec.kind == "bar" and any(y.verdict(row) is not None for row in rows)
    if not beside or y.by is None or not y.by.unjudged:
        return []
    return [f"Printed figures are not judged: {y.by.unjudged}."]
