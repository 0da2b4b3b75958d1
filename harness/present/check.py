"""Check what a suite asks to see before anything is measured for it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from harness.judge.verdict import growth_axes, paired
from harness.messages import HarnessError
from harness.present.pivot import PivotError, pivoted
from harness.present.reading import read
from harness.records.quantities.derived import INPUT, axis_of, sweep_name
from harness.suite.document import Location, SuiteError
from harness.suite.suite import Suite

_CURE = "see `harness show` and results/paper for the names that exist"


def check(suite: Suite) -> None:
    """Look up every column, axis and printed figure that a suite and its parts name.

    Args:
        suite: as it was loaded; one that a run describes has no document to point into.

    Raises:
        SuiteError: every name that does not exist, with its place in its file.
    """
    problems = []
    for part in suite.parts():
        if part.document is None:
            continue
        document = replace(part.document, problems=[])
        for location, mistake in _mistakes(part):
            what, semicolon, cure = str(mistake).rpartition("; ")
            document.report(location, *((what, cure) if semicolon else (str(mistake), _CURE)))
        problems += document.problems
    if problems:
        raise SuiteError(problems)


def _mistakes(part: Suite) -> Iterator[tuple[Location, HarnessError]]:
    """In the order in which they are looked for, each with its place in the document."""
    rows = _blank_rows(part)
    try:
        paired(rows, part)
    except HarnessError as error:  # without its reference no column can be looked up
        yield ("reference",), error
        return
    labels = {job.label for job in part.jobs}
    # Exponents are those of sweeps, by whose names a reference speaks of them.
    swept = {axis_of(over) for over in growth_axes(part, rows)} | {INPUT}
    labels |= {sweep_name(row, axis) for axis in swept for row in rows}
    for location, label in _labels(part):
        if label not in labels:
            said = f"no case is labelled {label!r}; labels are written as in cases"
            yield location, HarnessError(said)
    for location, name in _quantities(part):
        try:
            read(name, part, rows)
        except HarnessError as error:
            yield location, error
    for t, table in enumerate(part.tables):
        try:
            if table.pivot is not None:
                pivoted(table.pivot, part, rows)
        except PivotError as error:  # what is unknown was said already
            yield ("tables", t, "pivot"), error
        except HarnessError:
            pass


def _blank_rows(part: Suite) -> list[dict[str, Any]]:
    """Rows as the run will have them, with nothing measured yet."""
    return [
        {
            **asdict(job.case),
            "suite": job.suite,
            "label": job.label,
            "status": "ok",
            "pass": job.case.pass_,
            "input": [list(shape) for shape in job.case.inputs],
            "factors": dict(job.factors),
            "declared": job.declared,
        }
        for job in part.jobs
    ]


def _labels(part: Suite) -> Iterator[tuple[Location, str]]:
    """Labels that tables and a reference speak of."""
    for t, table in enumerate(part.tables):
        if table.relative_to is not None:
            yield ("tables", t, "relative_to"), table.relative_to
    if part.reference is None:
        return
    spoken: list[tuple[Location, Sequence[str]]] = [
        (("reference", "rows"), tuple(part.reference.rows)),
        (("reference", "explained"), tuple(part.reference.explained)),
        (("reference", "not_reproducible"), tuple(part.reference.not_reproducible)),
    ]
    for key, spec in part.reference.figures.items():
        place = ("reference", "figures", key)
        spoken += [
            ((*place, "explained"), tuple(spec.explained)),
            ((*place, "not_reproducible"), tuple(spec.not_reproducible)),
            ((*place, "instead"), tuple(spec.instead)),
            ((*place, "minus_of"), (*spec.minus_of, *spec.minus_of.values())),
            (place, (spec.relative_to,) if spec.relative_to else ()),
        ]
    for location, labels in spoken:
        for label in labels:
            yield location, label


def _quantities(part: Suite) -> Iterator[tuple[Location, str]]:
    """Names of quantities that tables and plots ask for."""
    for t, table in enumerate(part.tables):
        for c, column in enumerate(table.names):
            if column != "verdict":
                yield ("tables", t, "columns", c), column
        if table.sort is not None:
            yield ("tables", t, "sort"), table.sorted_by[0]
        if table.pivot is not None:
            for axis, name in table.pivot:
                yield ("tables", t, "pivot", axis), name
    for p, plot in enumerate(part.plots):
        for axis in ("x", "series"):
            name = getattr(plot, axis)
            if name is not None:
                yield ("plots", p, axis), name
        for y, name in enumerate(plot.ys):
            yield ("plots", p, "y", *(() if isinstance(plot.y, str) else (y,))), name
