"""A suite as loaded: plain, frozen, with every case written out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.case import OPTIONS, Case, Job, Shape, Timing, as_plain, from_plain
from harness.measure.convention import CONVENTIONS, ConventionSpec
from harness.messages import HarnessError, quote
from harness.suite.document import Document
from harness.suite.presentation import PlotSpec, ReferenceSpec, TableSpec, describe


@dataclass(frozen=True)
class Overrides:
    """What options change in every case; `None` keeps what the suite says."""

    inputs: tuple[Shape, ...] | None = None  # one shape per argument of `forward`, for every case
    metrics: tuple[str, ...] | None = None  # names of metrics, or `static`
    device: str | None = None  # `auto`, `cpu` or `cuda`
    dtype: str | None = None  # floating type
    threads: int | None = None  # CPU threads
    repeats: int | None = None  # processes of every case that is timed
    only: tuple[str, ...] | None = None  # labels to keep, of the suite and what it includes
    force: bool = False  # run also what is predicted not to fit into the free memory
    data_root: Path | None = None  # folder of real images, for accuracy
    until_separated: float | None = None  # points of mIoU, of every case's evaluation
    max_seeds: int | None = None  # likewise


def names_of(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """`params,flops` as a tuple; `None` stays."""
    if given is None or not isinstance(given, str):
        return None if given is None else tuple(given)
    return tuple(name.strip() for name in given.split(",") if name.strip()) or None


@dataclass(frozen=True)
class Suite:
    """What to measure and what to show."""

    name: str  # unique among the suites that are loaded together
    title: str  # heading; the name if the file has none
    path: Path  # the YAML file; of a mapping a name in the folder that its paths are taken from
    jobs: tuple[Job, ...]  # cases in file order, grids written out
    tables: tuple[TableSpec, ...] = ()  # tables to make of the results
    plots: tuple[PlotSpec, ...] = ()  # plots to make of the results
    reference: ReferenceSpec | None = None  # the printed table beside the rows
    # how counters become one printed figure: the name of a convention, or one of its own
    convention: ConventionSpec | str = "flops"
    included: "tuple[Suite, ...]" = ()  # suites that run with this one, in file order
    note: str | None = None  # footnote
    notes: Mapping[str, str] = field(default_factory=dict)  # label of a case: its footnote
    # the suite that this one is a part of, where only some of its cases were asked for
    whole: "Suite | None" = field(default=None, repr=False, compare=False)
    # the tree that it was read from, with places for what is found wrong later; `None` of a suite
    # that a run describes
    document: Document | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        jobs = self.all_jobs()
        metrics = ", ".join(dict.fromkeys(name for job in jobs for name in job.metrics))
        cases = f"{len(jobs)} {'case' if len(jobs) == 1 else 'cases'}"
        return f"<Suite {self.name}: {cases}, metrics {metrics or 'none'}>"

    @property
    def short_title(self) -> str:
        """The title as far as it names the suite: of `OCNet Table 4: efficiency` the first half."""
        return self.title.partition(": ")[0]

    def parts(self) -> "tuple[Suite, ...]":
        """This suite and all below that have jobs, depth first, in file order."""
        own = (self,) if self.jobs else ()
        return own + tuple(part for suite in self.included for part in suite.parts())

    def all_jobs(self) -> tuple[Job, ...]:
        """The jobs of all parts."""
        return tuple(job for part in self.parts() for job in part.jobs)

    def with_jobs(self, change: Callable[[Job], Job | None]) -> "Suite":
        """The suite with other jobs, here and below; those that become `None` are left out."""
        jobs = tuple(job for job in map(change, self.jobs) if job is not None)
        included = tuple(suite.with_jobs(change) for suite in self.included)
        return replace(self, jobs=jobs, included=included)

    def describe(self) -> dict[str, Any]:
        """The suite as resolved, as plain data, for `run.json`."""
        return {
            "suite": self.name,
            "title": self.title,
            "path": str(self.path),
            "convention": _describe_convention(self.convention),
            "note": self.note,
            "jobs": [_describe_job(job, self.notes.get(job.label)) for job in self.jobs],
            "reference": describe(self.reference) if self.reference else None,
            "tables": [describe(table) for table in self.tables],
            "plots": [describe(plot) for plot in self.plots],
            "included": [suite.describe() for suite in self.included],
        }


# A case as `run.json` describes it: flat, and with options only where they are used.
_OF_CASE = ("module", "arguments", "inputs", "device", "dtype")
_OF_JOB = ("metrics", "timeout", "threads", "seed", "factors", "accuracy")


def _describe_job(job: Job, note: str | None) -> dict[str, Any]:
    whole, used = as_plain(job), as_plain(job, defaults=False)
    options = {
        **{name: used["case"].get(name) for name in OPTIONS},
        "latency": dict(sorted(used.get("timing", {}).items())),
        **{name: used.get(name) for name in ("replicate", "force", "declared", "counting")},
    }
    return {
        "label": job.label,
        "key": job.case.key,
        **{name: whole["case"][name] for name in _OF_CASE},
        "pass": job.case.pass_,
        **{name: whole[name] for name in _OF_JOB},
        "note": note,
        **{name: value for name, value in options.items() if value},
    }


class DescriptionError(HarnessError):
    """What a run says of its suite cannot be read."""


def suite_of(described: Mapping[str, Any]) -> Suite:
    """The suite that `Suite.describe` has described.

    Folders of a user's own modules are not described: its jobs name what was measured, and are not
    to be measured again.

    Raises:
        DescriptionError: a part is missing, or of a form that this version does not know.
    """
    try:
        return _described_suite(described)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"{error.args[0]} is missing" if type(error) is KeyError else str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False)[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DescriptionError(
            f"its suite cannot be read back ({reason}); it was run by another version of "
            "context-harness, with which it can be shown"
        ) from error


def _described_suite(described: Mapping[str, Any]) -> Suite:
    name = str(described["suite"])
    reference = described.get("reference")
    jobs = []
    for each in described["jobs"]:
        case = from_plain(Case, each, pass_=each["pass"])
        timing = from_plain(Timing, each.get("latency") or {})
        jobs.append(from_plain(Job, each, suite=name, case=case, timing=timing))
    return Suite(
        name=name,
        title=str(described.get("title") or name),
        path=_described_path(described["path"]),
        jobs=tuple(jobs),
        tables=tuple(_described_table(each) for each in described.get("tables") or ()),
        plots=tuple(PlotSpec.model_validate(each) for each in described.get("plots") or ()),
        reference=None if reference is None else _described_reference(reference),
        convention=described_convention(described.get("convention")),
        included=tuple(_described_suite(each) for each in described.get("included") or ()),
        note=from_plain(_Noted, described).note,
        notes={
            str(each["label"]): note
            for each in described["jobs"]
            if (note := from_plain(_Noted, each).note)
        },
    )


@dataclass(frozen=True)
class _Noted:
    note: str | None = None


def _described_path(text: str) -> Path:
    if "\0" in text:
        raise ValueError("path is wrong")
    return Path(text)


def _describe_convention(said: ConventionSpec | str) -> str | dict[str, Any]:
    return describe(said) if isinstance(said, ConventionSpec) else said


def described_convention(said: object) -> ConventionSpec | str:
    """The convention of a described suite; `flops` where none was kept.

    Raises:
        ValueError: this version has none of that name, or it is none.
    """
    if isinstance(said, Mapping):
        return ConventionSpec.model_validate(dict(said))
    name = said or "flops"
    if name not in CONVENTIONS:
        raise ValueError(f"{quote(name)} is no convention that this version knows")
    return str(name)


def _described_reference(described: Mapping[str, Any]) -> ReferenceSpec:
    """A reference; the figure by which rows were once judged alone decides nothing now."""
    return ReferenceSpec.model_validate({k: v for k, v in described.items() if k != "decides"})


def _described_table(described: Mapping[str, Any]) -> TableSpec:
    """A table; one of the former kind `growth` shows its exponents as columns beside the labels."""
    given = dict(described)
    if given.pop("kind", "rows") == "growth":
        given["columns"] = ["label", *given["columns"], "verdict"]
        given.pop("over", None)
    return TableSpec.model_validate(given)
