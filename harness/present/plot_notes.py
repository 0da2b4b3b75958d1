"""Notes of a plot: what has to be said below it so that it is not misread."""

from collections.abc import Sequence

from harness.present import bar, scatter
from harness.present.canvas import may_leave_zero
from harness.present.footnotes import conventions, definition
from harness.present.guide import explained
from harness.present.quantity import Row
from harness.present.reading import Reading
from harness.suite.presentation import ConventionSpec, PlotSpec


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
    front = None if x is None or spec.kind != "scatter" else explained(spec.guide, x, y)
    return [front] if front is not None and len(rows) > 1 else []


def left_unsaid(spec: PlotSpec, rows: Sequence[Row]) -> list[str]:
    """What a plot of many rows does without; tables have all."""
    if spec.kind == "bar" and len(rows) > bar.MOST_BARS:
        return [f"The first {bar.MOST_BARS} of {len(rows)} rows; the table has all."]
    if spec.kind in ("scatter", "roofline") and len(rows) > scatter.MOST_LABELS:
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
