"""Plot: the asked view of a suite's rows, as a matplotlib figure."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from harness.errors import HarnessError
from harness.present import bar, grouped_bar, line, roofline, scatter, style
from harness.present.canvas import canvas, settle
from harness.present.footnotes import pairs, setup
from harness.present.part import Context, Part, convention_of
from harness.present.performance import uncalibrated
from harness.present.plot_notes import guided, leaves_zero, left_unsaid, meanings, not_judged
from harness.present.quantity import Row
from harness.present.reading import Reading, read
from harness.present.trained import trained
from harness.present.verdict import annotate
from harness.present.view import View, missing, shown
from harness.suite.presentation import PlotSpec

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
        figure = (grouped_bar.draw if len(view.ys) > 1 else _KINDS[view.spec.kind])(view)
        settle(figure)  # else each file of it would lay it out again
        return figure


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
    every = annotated[: bar.MOST_BARS] if spec.kind == "bar" else annotated
    if len(every) < len(annotated):
        kept = shown(every, needed)
    notes = [
        *meanings(needed, kept, convention),
        *guided(spec, x, y, kept),
        *leaves_zero(spec, x, y, kept),
    ]
    notes += setup(annotated)
    notes += trained(annotated)
    notes += pairs("Machine", {} if context is None else context.machine)
    if spec.kind == "roofline":
        notes += uncalibrated(kept)
    notes += [
        *left_unsaid(spec, annotated),
        *not_judged(spec, y, kept),
        *([left_out] if left_out else []),
    ]
    return View(spec, title, kept, x, y, series, tuple(notes), ys, tuple(every))


def _plotted(name: str) -> str:
    """The input's shape is text; an axis shows its height."""
    return "input_height" if name == "input" else name


def _within_text(head: str) -> str:
    """`latency`, but `FLOPs`: a head's capital goes unless it begins an abbreviation."""
    return head[:1].lower() + head[1:] if head[1:2].islower() else head
