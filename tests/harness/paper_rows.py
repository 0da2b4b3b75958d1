"""Rows of the shipped suites as a run on any machine would leave them, measured in this process."""

from functools import cache
from pathlib import Path
from typing import Any

from harness.case import Job, Outcome
from harness.judge.verdict import annotate
from harness.measure.memory import live_peak
from harness.measure.operations import measure_operations, measure_params
from harness.measure.subject import fake_subject
from harness.records.record import Record
from harness.suite.loader import load
from harness.suite.suite import Suite

SUITES = Path(__file__).parents[2] / "suites"
MIB = 2**20
GIBI = 2**30

Row = dict[str, Any]


@cache
def suite(name: str) -> Suite:
    """A shipped suite by the name of its file."""
    return load(SUITES / f"{name}.yaml")


def jobs(name: str) -> dict[str, Job]:
    """Jobs of one suite file by label, those of included files apart."""
    return {job.label: job for job in suite(name).jobs}


@cache
def values(name: str, label: str) -> dict[str, object]:
    """Parameters and operations of one case."""
    job = jobs(name)[label]
    return measure_params(job) | measure_operations(job)


@cache
def peak(name: str, label: str) -> int:
    """Live peak of one case's inference, in bytes; half the time of inference and training."""
    with fake_subject(jobs(name)[label].case) as subject:
        return live_peak(subject)


@cache
def row(name: str, label: str, *, memory: bool = True) -> Row:
    """The row of one case, `operations` under the suite's convention."""
    measured = dict(values(name, label))
    if memory:
        measured["live_peak_bytes"] = peak(name, label)
    record = Record.of(jobs(name)[label], Outcome("ok", values=measured), "any machine")
    return record.row(suite(name).convention)


@cache
def judged(name: str, *, memory: bool = True) -> dict[str, Row]:
    """Every row of one suite with what its paper prints and the verdicts, by label."""
    rows = [row(name, label, memory=memory) for label in jobs(name)]
    return {each["label"]: each for each in annotate(rows, suite(name))}
