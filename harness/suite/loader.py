"""From a suite file to a suite: every mistake of every file is found before anything runs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from harness.case import DType
from harness.suite import explain, tree
from harness.suite.document import shown
from harness.suite.expand import Budget, Expansion
from harness.suite.problem import Problem, SuiteError
from harness.suite.schema import DeviceChoice, MetricChoice, Shape, Threads
from harness.suite.suite import Overrides, Suite
from harness.suite.tree import Source
from harness.wording import suggest

_OVERRIDE_TYPES: dict[str, TypeAdapter[Any]] = {
    "inputs": TypeAdapter(Annotated[tuple[Shape, ...], Field(min_length=1)]),
    "metrics": TypeAdapter(Annotated[tuple[MetricChoice, ...], Field(min_length=1)]),
    "device": TypeAdapter(DeviceChoice),
    "dtype": TypeAdapter(DType),
    "threads": TypeAdapter(Threads),
}


def load(path: Path, overrides: Overrides | None = None) -> Suite:
    """Read a suite and what it includes, and write out every case.

    Args:
        path: the YAML file.
        overrides: what the command line changes in every case.

    Raises:
        SuiteError: with every mistake of every file, in file order.
    """
    overrides = overrides or Overrides()
    problems = _check_overrides(path, overrides)
    root = tree.read(path)
    suite = _suite(root, Overrides() if problems else overrides, Budget())
    for source in root.walk():
        problems += sorted(source.document.problems, key=lambda p: (p.line, p.column))
    if problems or suite is None:
        raise SuiteError(problems)
    return _only(suite, path, overrides.only) if overrides.only is not None else suite


def _suite(source: Source, overrides: Overrides, budget: Budget) -> Suite | None:
    """The suite of one file, as far as it is right."""
    if source.spec is None:
        for below in source.included:
            _suite(below, overrides, budget)
        return None
    spec = source.spec
    expansion = Expansion(source, spec, overrides, budget)
    expansion.run()
    included = [_suite(below, overrides, budget) for below in source.included]
    return Suite(
        name=spec.suite,
        title=spec.title or spec.suite,
        path=source.document.path,
        jobs=tuple(expansion.jobs),
        tables=spec.tables,
        plots=spec.plots,
        reference=spec.reference,
        convention=spec.convention or "flops",
        included=tuple(suite for suite in included if suite is not None),
        note=spec.note,
        notes=expansion.notes,
    )


def _check_overrides(path: Path, overrides: Overrides) -> list[Problem]:
    problems = []
    for name, adapter in _OVERRIDE_TYPES.items():
        if (value := getattr(overrides, name)) is None:
            continue
        try:
            explain.validate(adapter, value)
        except ValidationError as error:
            for detail in explain.details(error):
                where = f"command line, {name}"
                problems.append(Problem(shown(path), 1, 1, where, *explain.words(detail)))
    return problems


def _only(suite: Suite, path: Path, only: tuple[str, ...]) -> Suite:
    labels = {job.label for job in suite.all_jobs()}
    unknown = [label for label in only if label not in labels]
    if unknown:
        raise SuiteError(
            [
                Problem(
                    shown(path),
                    1,
                    1,
                    "command line, only",
                    f"no case is labelled {label}",
                    suggest(label, labels, "labels"),
                )
                for label in unknown
            ]
        )
    return _keep(suite, frozenset(only))


def _keep(suite: Suite, labels: frozenset[str]) -> Suite:
    return replace(
        suite,
        jobs=tuple(job for job in suite.jobs if job.label in labels),
        included=tuple(_keep(below, labels) for below in suite.included),
    )
