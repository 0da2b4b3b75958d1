"""A suite as loaded: plain, frozen, with every case written out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.case import Job, Shape
from harness.suite.presentation import PlotSpec, ReferenceSpec, TableSpec, describe
from harness.timing import DEFAULT_TIMING


@dataclass(frozen=True)
class Overrides:
    """What options change in every case; `None` keeps what the suite says.

    Attributes:
        inputs: one shape per argument of `forward`, for every case.
        metrics: names of metrics, or `static`.
        device: `auto`, `cpu` or `cuda`.
        dtype: floating type.
        threads: CPU threads.
        only: labels to keep, of the suite and what it includes.
        force: run also what is predicted not to fit into the free memory.
        data_root: folder of real images, for accuracy.
    """

    inputs: tuple[Shape, ...] | None = None
    metrics: tuple[str, ...] | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    only: tuple[str, ...] | None = None
    force: bool = False
    data_root: Path | None = None


@dataclass(frozen=True)
class Suite:
    """What to measure and what to show.

    Attributes:
        name: unique among the suites that are loaded together.
        title: heading; the name if the file has none.
        path: the YAML file; of a mapping a name in the folder that its paths are taken from.
        jobs: cases in file order, grids written out.
        tables: tables to make of the results.
        plots: plots to make of the results.
        reference: the printed table beside the rows.
        convention: how counters become one printed figure.
        included: suites that run with this one, in file order.
        note: footnote.
        notes: label of a case: its footnote.
        given: the mapping that it was made from; `None` of a file.
    """

    name: str
    title: str
    path: Path
    jobs: tuple[Job, ...]
    tables: tuple[TableSpec, ...] = ()
    plots: tuple[PlotSpec, ...] = ()
    reference: ReferenceSpec | None = None
    convention: str = "flops"
    included: "tuple[Suite, ...]" = ()
    note: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

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
