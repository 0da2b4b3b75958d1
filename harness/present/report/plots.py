"""The plots of one suite as parts of a page: picture, notes, and the numbers behind it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.present.footnotes import setup
from harness.present.guide import guide
from harness.present.part import Context, Part
from harness.present.plot import look, paint
from harness.present.quantity import Row
from harness.present.reading import Reading
from harness.present.report.defaults import plot_specs
from harness.present.report.grid import Grid, plain
from harness.present.report.picture import Pictures
from harness.present.style import render
from harness.present.view import View, why

MOST_BARS = 120
"""Bars beyond which a picture is longer than anybody scrolls; the table can be sorted instead."""

_KINDS = {"bar": "Bar plot", "scatter": "Scatter plot", "line": "Line plot", "roofline": "Roofline"}


@dataclass(frozen=True)
class Plot:
    """One plot.

    Attributes:
        title: heading.
        svg: the picture, or nothing where the notes say why there is none.
        notes: below it.
        data: what it shows, as a table.
    """

    title: str
    svg: str
    notes: tuple[str, ...]
    data: Grid | None


def plots(
    part: Part, rows: Sequence[Row], context: Context, pictures: Pictures, name: str
) -> list[Plot]:
    """The plots that a suite asks for, and those that its rows allow.

    Args:
        part: the suite.
        rows: annotated.
        context: of the run; what all plots share is said once elsewhere.
        pictures: of the page.
        name: beginning of the ids.
    """
    found = []
    for number, spec in enumerate(plot_specs(part.plots, rows), 1):
        is_asked = spec in part.plots
        try:
            view = look(spec, part, rows, Context(convention=context.convention))
        except HarnessError as error:
            if is_asked:
                found.append(Plot(spec.title or spec.kind, "", (f"Not drawn: {error}.",), None))
            continue
        if view.rows or is_asked:
            found.append(_plot(view, part, pictures, f"{name}-data-{number}"))
    return found


def _plot(view: View, part: Part, pictures: Pictures, name: str) -> Plot:
    title = _title(view, part)
    if not view.rows:
        heads = " and ".join(dict.fromkeys(reading.name for reading in _axes(view)))
        return Plot(title, "", (f"Nothing to draw: no case has values of {heads}.",), None)
    data = _data(view, name, title)
    if view.spec.kind == "bar" and len(view.rows) > MOST_BARS:
        note = f"Not drawn: {len(view.rows):,} bars. The table of the suite sorts by any column."
        return Plot(title, "", (note,), data)
    with warnings.catch_warnings():  # letters that the plots' font lacks become boxes
        warnings.simplefilter("ignore", UserWarning)
        drawn = render(paint(replace(view, title="", notes=())), "svg")
    known = setup(view.every)  # said once above the suite's tables
    notes = tuple(note for note in view.notes if note not in known)
    return Plot(title, pictures.add(drawn, title, _description(view)), notes, data)


def _title(view: View, part: Part) -> str:
    """The plot's title without the suite's, which stands above it."""
    whole = view.title.removeprefix(f"{part.title or part.name}: ")
    return whole[:1].upper() + whole[1:]


def _description(view: View) -> str:
    heads = ", ".join(dict.fromkeys(reading.head for reading in _axes(view)))
    lost = f"; {len(view.lost)} without a value" if view.lost else ""
    cases = "1 case" if len(view.rows) == 1 else f"{len(view.rows)} cases"
    return f"{_KINDS[view.spec.kind]} of {heads}: {cases}{lost}. The numbers follow as a table."


def _axes(view: View) -> list[Reading]:
    return [*([view.x] if view.x is not None else []), *(view.ys or (view.y,))]


def _data(view: View, name: str, title: str) -> Grid:
    """The numbers of a plot, rows without any in their places with the reason."""
    readings = _axes(view)
    bounded = [any(each.interval(row) is not None for row in view.rows) for each in readings]
    heads = ["Label", *([view.series.head] if view.series else [])]
    for reading, has_interval in zip(readings, bounded, strict=True):
        heads += [reading.head, *([f"{reading.name}, interval"] if has_interval else [])]
    front, lost = _front(view), {id(row) for row in view.lost}
    heads += ["Pareto front"] if front else []
    heads += ["Why not shown"] if lost else []
    lines = []
    for row in view.every:
        line: list[str | None] = [str(row.get("label"))]
        line += [view.series.text(row)] if view.series else []
        for reading, has_interval in zip(readings, bounded, strict=True):
            line += [reading.text(row), *([_interval(reading, row)] if has_interval else [])]
        line += ["yes" if id(row) in front else "no"] if front else []
        line += [why(row, readings) if id(row) in lost else None] if lost else []
        lines.append(line)
    return plain(name, f"Data: {title}", heads, lines)


def _interval(reading: Reading, row: Row) -> str | None:
    ends = reading.interval(row)
    return None if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _front(view: View) -> set[int]:
    """Identities of the rows on the Pareto front of a scatter plot."""
    if view.spec.kind != "scatter" or view.x is None:
        return set()
    points = [(view.x.ours(row) or 0.0, view.y.ours(row) or 0.0) for row in view.rows]
    line = guide(view.spec.guide, view.x, view.y, points)
    return set() if line is None else {id(view.rows[index]) for index in line.members}
