"""A suite as loaded: plain, frozen, with every case written out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.case import DEFAULT_TIMING, Case, Job, Shape, Timing
from harness.messages import HarnessError
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
    only: tuple[str, ...] | None = None  # labels to keep, of the suite and what it includes
    force: bool = False  # run also what is predicted not to fit into the free memory
    data_root: Path | None = None  # folder of real images, for accuracy


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
    convention: str = "flops"  # how counters become one printed figure
    included: "tuple[Suite, ...]" = ()  # suites that run with this one, in file order
    note: str | None = None  # footnote
    notes: Mapping[str, str] = field(default_factory=dict)  # label of a case: its footnote
    # the tree that it was read from, with places for what is found wrong later; `None` of a suite
    # that a run describes
    document: Document | None = field(default=None, repr=False, compare=False)

    def parts(self) -> "tuple[Suite, ...]":
        """This suite and all below that have jobs, depth first, in file order."""
        own = (self,) if self.jobs else ()
        return own + tuple(part for suite in self.included for part in suite.parts())

    def all_jobs(self) -> tuple[Job, ...]:
        """The jobs of all parts."""
        return tuple(job for part in self.parts() for job in part.jobs)

    def describe(self) -> dict[str, Any]:
        """The suite as resolved, as plain data, for `run.json`."""
        return {
            "suite": self.name,
            "title": self.title,
            "path": str(self.path),
            "convention": self.convention,
            "note": self.note,
            "jobs": [_describe_job(job, self.notes.get(job.label)) for job in self.jobs],
            "reference": describe(self.reference) if self.reference else None,
            "tables": [describe(table) for table in self.tables],
            "plots": [describe(plot) for plot in self.plots],
            "included": [suite.describe() for suite in self.included],
        }


def _describe_job(job: Job, note: str | None) -> dict[str, Any]:
    case = job.case
    return {
        "label": job.label,
        "key": case.key,
        "module": case.module,
        "arguments": dict(case.arguments),
        "inputs": [list(shape) for shape in case.inputs],
        "device": case.device,
        "dtype": case.dtype,
        "pass": case.pass_,
        "metrics": list(job.metrics),
        "timeout": job.timeout,
        "threads": job.threads,
        "seed": job.seed,
        "factors": dict(job.factors),
        "accuracy": job.accuracy,
        "note": note,
        **_options(job),
    }


def _options(job: Job) -> dict[str, Any]:
    """What a job says beyond the defaults; most say nothing."""
    said = asdict(job.timing).items() - asdict(DEFAULT_TIMING).items()
    options: dict[str, Any] = {
        "channels_last": job.case.channels_last,
        "compile": job.case.compile,
        "latency": dict(sorted(said)),
        "replicate": job.replicate if job.replicate > 1 else None,
        "force": job.force,
    }
    return {name: value for name, value in options.items() if value}


# A suite back from what a run's `run.json` says of it: its cases, tables, plots and reference.


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
        return _suite(described)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = _reason(error)
        raise DescriptionError(
            f"its suite cannot be read back ({reason}); it was run by another version of "
            "context-harness, with which it can be shown"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {error}"


def _suite(described: Mapping[str, Any]) -> Suite:
    name = str(described["suite"])
    reference = described.get("reference")
    jobs = described["jobs"]
    return Suite(
        name=name,
        title=str(described.get("title") or name),
        path=Path(described["path"]),
        jobs=tuple(_job(name, each) for each in jobs),
        tables=tuple(TableSpec.model_validate(each) for each in described.get("tables") or ()),
        plots=tuple(PlotSpec.model_validate(each) for each in described.get("plots") or ()),
        reference=None if reference is None else ReferenceSpec.model_validate(reference),
        convention=str(described.get("convention") or "flops"),
        included=tuple(_suite(each) for each in described.get("included") or ()),
        note=described.get("note"),
        notes={str(each["label"]): each["note"] for each in jobs if each.get("note")},
    )


def _job(suite: str, described: Mapping[str, Any]) -> Job:
    case = Case(
        module=described["module"],
        arguments=dict(described["arguments"]),
        inputs=tuple(tuple(shape) for shape in described["inputs"]),
        device=described["device"],
        dtype=described["dtype"],
        pass_=described["pass"],
        channels_last=described.get("channels_last", False),
        compile=described.get("compile", False),
    )
    return Job(
        suite=suite,
        label=str(described["label"]),
        case=case,
        metrics=tuple(described["metrics"]),
        timeout=described["timeout"],
        threads=described.get("threads"),
        seed=described.get("seed", 0),
        factors=dict(described.get("factors") or {}),
        timing=_timing(described.get("latency") or {}),
        replicate=described.get("replicate", 1),
        force=described.get("force", False),
        accuracy=described.get("accuracy"),
    )


def _timing(said: Mapping[str, Any]) -> Timing:
    known = {each.name for each in fields(Timing)}
    return DEFAULT_TIMING if not said else Timing(**{k: v for k, v in said.items() if k in known})
