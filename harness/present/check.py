"""Check what a suite asks to see before anything is measured for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from harness.judge.verdict import annotate, counterparts, growth_axes, reference_table
from harness.messages import HarnessError
from harness.present.part import convention_of
from harness.present.reading import read
from harness.records.quantities.derived import axis_of, sweep_name
from harness.suite.document import Document, Location, SuiteError
from harness.suite.loader import read as read_document
from harness.suite.suite import Suite


def check(suite: Suite) -> None:
    """Look up every column, axis and printed figure that a suite and its parts name.

    Raises:
        SuiteError: every name that does not exist, with its place in its file.
    """
    problems = []
    for part in suite.parts():
        document = read_document(part.path if part.given is None else part.given)
        for location, problem in _mistakes(part):
            _report(document, location, problem)
        problems += document.problems
    if problems:
        raise SuiteError(problems)


def _mistakes(part: Suite) -> Iterator[tuple[Location, HarnessError]]:
    rows = _blank_rows(part)
    reference = _attempt(lambda: reference_table(part))
    if isinstance(reference, HarnessError):
        yield ("reference",), reference
        return
    judged = _attempt(lambda: annotate(rows, part))
    if isinstance(judged, HarnessError):
        yield ("reference",), judged
        return
    yield from _strangers(part)
    for location, name in _names(part):
        found = _attempt(partial(read, name, part, rows, convention_of(part)))
        if isinstance(found, HarnessError):
            yield location, found
    if reference is not None:
        found = _attempt(lambda: counterparts(part, rows, reference, convention_of(part)))
        if isinstance(found, HarnessError):
            yield ("reference", "figures"), found


def _names(part: Suite) -> Iterator[tuple[Location, str]]:
    for t, table in enumerate(part.tables):
        for c, column in enumerate(table.columns):
            if column != "verdict":
                yield ("tables", t, "columns", c), column
    for p, plot in enumerate(part.plots):
        for axis in ("x", "series"):
            name = getattr(plot, axis)
            if name is not None:
                yield ("plots", p, axis), name
        for y, name in enumerate(plot.ys):
            yield ("plots", p, "y", *(() if isinstance(plot.y, str) else (y,))), name


def _strangers(part: Suite) -> Iterator[tuple[Location, HarnessError]]:
    """Labels that a reference speaks of and no case has."""
    if part.reference is None:
        return
    labels = {job.label for job in part.jobs} | _sweeps(part)
    spoken: list[tuple[Location, Sequence[str]]] = [
        (("reference", "rows"), tuple(part.reference.rows)),
        (("reference", "not_reproducible"), tuple(part.reference.not_reproducible)),
    ]
    for key, spec in part.reference.figures.items():
        place = ("reference", "figures", key)
        spoken.append(((*place, "not_reproducible"), tuple(spec.not_reproducible)))
        spoken.append(((*place, "instead"), tuple(spec.instead)))
        spoken.append(((*place, "minus_of"), (*spec.minus_of, *spec.minus_of.values())))
        spoken.append((place, (spec.relative_to,) if spec.relative_to else ()))
    for location, names in spoken:
        for name in names:
            if name not in labels:
                yield (
                    location,
                    HarnessError(f"no case is labelled {name!r}; labels are written as in cases"),
                )


def _sweeps(part: Suite) -> set[str]:
    """Names of the swept modules, where the reference judges exponents."""
    rows = _blank_rows(part)
    return {sweep_name(row, axis_of(over)) for over in growth_axes(part, rows) for row in rows}


def _attempt(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except HarnessError as error:
        return error


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


def _report(document: Document, location: Location, error: HarnessError) -> None:
    what, semicolon, cure = str(error).rpartition("; ")
    if not semicolon:
        what, cure = str(error), "see `harness show` and results/paper for the names that exist"
    document.report(location, what, cure)
