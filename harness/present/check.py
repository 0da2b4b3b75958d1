"""Check what a suite asks to see before anything is measured for it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from harness.judge.counterpart import USUAL_COUNTERPARTS, counterpart
from harness.judge.part import convention_of
from harness.judge.printed import find_paper, load_table
from harness.judge.verdict import growth_axes, misnamed, paired
from harness.measure.own import is_own
from harness.messages import HarnessError
from harness.present.measured import missing
from harness.present.pivot import PivotError, pivoted, require_places
from harness.present.reading import OVER, read
from harness.records.quantities.derived import FACTORS, INPUT, axis_of, sweep_name
from harness.records.quantities.registry import ALIASES, QUANTITIES, find
from harness.suite.document import Location
from harness.suite.draft import Draft
from harness.suite.presentation import ROOFLINE_AXES, ReferenceSpec
from harness.suite.suite import Suite

_CURE = "the documentation has a page of all columns"
_NEAR = 0.7  # of difflib: misspelt, rather than a name that is known once another mistake is mended

Mistake = tuple[Location, HarnessError]


def check(draft: Draft) -> None:
    """Look up every column, axis, printed figure and label that a file names.

    Mistakes go to its document. What only follows from another mistake (a column of a metric that
    is misspelt, a label of a case that cannot be read) is left out.
    """
    part, rows = draft.suite, _blank_rows(draft)
    printed, mistakes = _of_reference(part, rows)
    if mistakes:
        part = replace(part, reference=None)
    if draft.labels is not None:
        mistakes += _of_labels(draft.suite, rows)
    for location, name, noun in _quantities(draft.source.data):
        # Where not all labels are known, an overhead may be over any.
        asked = name.partition(OVER)[0] if draft.labels is None else name
        try:
            reading = read(asked, part, rows)
        except HarnessError as error:
            if not _follows(asked, draft, printed):
                mistakes.append((location, error))
        else:
            needed = missing(reading, rows, draft.asked)
            if set(needed) - (draft.measured if draft.source.lost_cases else set()):
                mistakes.append((location, _unmeasured(asked, noun, needed, draft)))
    mistakes += _of_pivots(part, rows[: sum(job.replicate == 1 for job in part.jobs)])
    for location, mistake in mistakes:
        what, semicolon, cure = str(mistake).rpartition("; ")
        said = (what, cure) if semicolon else (str(mistake), _CURE)
        draft.source.document.report(location, *said)


def _blank_rows(draft: Draft) -> list[dict[str, Any]]:
    """Rows as the run will have them, with nothing measured yet."""
    rows = [
        {
            **asdict(job.case),
            "suite": job.suite,
            "label": job.label,
            "status": "ok",
            "pass": job.case.pass_,
            "input": [list(shape) for shape in job.case.inputs],
            "threads": job.threads,
            "factors": dict(job.factors),
            "declared": job.declared,
        }
        for job in draft.suite.jobs
        if job.replicate == 1
    ]
    left = (draft.labels or frozenset()) - {row["label"] for row in rows}
    return rows + [{**rows[0], "label": label, "factors": {}} for label in sorted(left) if rows]


def _of_reference(
    part: Suite, rows: Sequence[dict[str, Any]]
) -> tuple[Collection[str], list[Mistake]]:
    """Figures that the reference's table prints, and every mistake of the reference but labels."""
    reference = part.reference
    if reference is None:
        return (), []
    place, start = "paper", part.path.parent
    try:
        find_paper(reference.paper, start)
        place = "table"
        table = load_table(reference.paper, reference.table, start)
    except HarnessError as error:
        return (), [(("reference", place), error)]
    found: list[Mistake] = [(("reference", *p), error) for p, error in misnamed(reference, table)]
    convention = convention_of(part)
    for key in table.entries:
        wrong = list(_of_figure(key, reference, rows))
        if not wrong:
            try:
                counterpart(key, reference, rows, convention)
            except HarnessError as error:
                wrong = [(("reference", "figures", key), error)]
        found += wrong
    if not found:
        try:
            paired(rows, part)
        except HarnessError as error:
            found.append((("reference",), error))
    return table.entries, found


def _of_figure(
    key: str, reference: ReferenceSpec, rows: Sequence[dict[str, Any]]
) -> Iterator[Mistake]:
    """Quantities that a figure names and that do not exist."""
    spec = reference.figures.get(key)
    if spec is None:
        return
    named = [("value", spec.value), ("over", spec.over)]
    for place, name in (*((p, n) for p, n in named), *spec.instead.items()):
        try:
            if name is not None:
                find(name, rows)
        except HarnessError as error:
            within = (place,) if place in {"value", "over"} else ("instead", place)
            yield ("reference", "figures", key, *within), error


def _of_pivots(part: Suite, rows: Sequence[dict[str, Any]]) -> Iterator[Mistake]:
    """Matrices and heat maps with several rows in one cell."""
    for t, table in enumerate(part.tables):
        try:
            if table.pivot is not None:
                pivoted(table.pivot, part, rows)
        except PivotError as error:
            yield ("tables", t, "pivot"), error
        except HarnessError:  # said of the name
            pass
    for p, plot in enumerate(part.plots):
        try:
            if plot.kind == "heatmap":
                require_places(plot, part, rows)
        except PivotError as error:
            yield ("plots", p), error
        except HarnessError:  # said of the name
            pass


def _of_labels(part: Suite, rows: Sequence[dict[str, Any]]) -> Iterator[Mistake]:
    """Labels that tables or a reference speak of and no case has."""
    labels = {row["label"] for row in rows}
    try:
        # Exponents are those of sweeps, by whose names a reference speaks of them.
        over = growth_axes(part, rows)
    except HarnessError:  # said of the figure
        return
    swept = {axis_of(each) for each in over} | {INPUT}
    labels |= {sweep_name(row, axis) for axis in swept for row in rows}
    for location, label in _labels(part):
        if label not in labels:
            said = f"no case is labelled {label!r}; labels are written as in cases"
            yield location, HarnessError(said)


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


def _quantities(data: dict[str, Any]) -> Iterator[tuple[Location, str, str]]:
    """Names of quantities that tables and plots ask for, with what asks.

    Read from the file itself: of a table with another mistake the columns are looked up, too.
    """
    for t, table in enumerate(_mappings(data.get("tables"))):
        for c, column in enumerate(_listed(table.get("columns"))):
            within = ("name",) if isinstance(column, dict) else ()
            name = column.get("name") if isinstance(column, dict) else column
            if isinstance(name, str) and name != "verdict":
                yield ("tables", t, "columns", c, *within), name, "column"
        if isinstance(sort := table.get("sort"), str):
            yield ("tables", t, "sort"), sort.removeprefix("-"), "sort"
        pivot = table.get("pivot")
        for place, name in pivot.items() if isinstance(pivot, dict) else ():
            if isinstance(name, str):
                yield ("tables", t, "pivot", place), name, "pivot"
    for p, plot in enumerate(_mappings(data.get("plots"))):
        axes = {**(ROOFLINE_AXES if plot.get("kind") == "roofline" else {}), **plot}
        for axis in ("x", "series", "y", "value"):
            said = axes.get(axis)
            for n, name in enumerate(_listed(said)):
                if isinstance(name, str):
                    yield (
                        ("plots", p, axis, *((n,) if isinstance(said, list) else ())),
                        name,
                        "plot",
                    )


def _mappings(said: Any) -> list[dict[str, Any]]:
    return [each if isinstance(each, dict) else {} for each in _listed(said)]


def _listed(said: Any) -> list[Any]:
    return said if isinstance(said, list) else [said]


def _follows(name: str, draft: Draft, printed: Collection[str]) -> bool:
    """Whether an unknown name may be known once the other mistakes of its file are mended."""
    base, data = name.partition(OVER)[0], draft.source.data
    if base in draft.measured or base.removeprefix(FACTORS) in draft.axes or base in printed:
        return True
    declared = {said["metric"] for job in draft.suite.jobs for said in job.declared.values()}
    own = any(is_own(metric) and metric not in declared for metric in draft.measured)
    unread = "reference" in data and not printed
    if unread and base in USUAL_COUNTERPARTS:
        return True
    known = (*QUANTITIES, *ALIASES, *draft.axes)
    return (own or unread) and not get_close_matches(base, known, n=1, cutoff=_NEAR)


def _unmeasured(name: str, noun: str, needed: Sequence[str], draft: Draft) -> HarnessError:
    metrics = " and ".join(needed)
    what = f"no case measures {metrics}"
    if set(needed) <= {each for asked in draft.asked.values() for each in asked}:
        what += " together"
    if [name] != list(needed):
        what += f", which {name} needs"
    add = f"add {metrics} to measure"
    if not draft.measured:  # then it is static
        add = f"write measure: [static, {', '.join(needed)}]"
    return HarnessError(f"{what}; {add}, or remove the {noun}")
