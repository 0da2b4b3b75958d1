"""Run directories with everything that a report shows, made without measuring."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.case import Case, Job, Outcome
from harness.records.record import Record
from harness.records.run_directory import RECORDS, RunDirectory
from harness.suite.presentation import FigureSpec, PlotSpec, ReferenceSpec, TableSpec
from harness.suite.suite import Suite

MACHINE = "492be8573315"
COLUMNS = ("label", "params", "flops", "memory", "latency")


def job(label: str, suite: str = "made", size: int = 32, **factors: Any) -> Job:
    case = Case("non_local", {"key_channels": 8, **factors}, ((1, 64, size, size),))
    return Job(suite, label, case, ("params", "flops", "memory", "latency"), 60.0, factors=factors)


def values(weight: float = 1.0, samples: int = 12, seed: int = 0) -> dict[str, Any]:
    """Values of a case that ended well."""
    draw = random.Random(seed)
    taken = [weight * 1e-3 * (1 + draw.random() / 50) for _ in range(samples)]
    return {
        "params": round(weight * 10_000),
        "conv_macs": round(weight * 2e8),
        "matmul_macs": round(weight * 1e8),
        "flops": round(weight * 6e8),
        "bytes_moved": round(weight * 3e7),
        "live_peak_bytes": round(2**20 * 10 / weight),
        **(timed(taken) if taken else {}),
    }


def timed(taken: Sequence[float]) -> dict[str, Any]:
    """Values of a latency with these samples."""
    ordered = sorted(taken)
    return {
        "latency_seconds": ordered[len(ordered) // 2],
        "latency_low_seconds": ordered[0],
        "latency_high_seconds": ordered[-1],
        "latency_samples_seconds": list(taken),
    }


def record(of: Job, outcome: Outcome) -> Record:
    return Record.of(of, outcome, MACHINE)


def ended(of: Job, weight: float = 1.0, **more: Any) -> Record:
    """A case that ended well."""
    samples = more.pop("samples", 12)
    warnings = tuple(more.pop("warnings", ()))
    found = values(weight, samples, seed=len(of.label)) | more
    return record(of, Outcome("ok", values=found, warnings=warnings))


def broken(
    of: Job, status: Any = "oom", cause: str = "it asked for 40 GiB", tail: Any = ()
) -> Record:
    """A case that did not."""
    return record(of, Outcome(status, cause, tail=tuple(tail)))


def write_run(
    root: Path,
    records: Sequence[Record],
    jobs: Sequence[Job],
    *,
    name: str = "made",
    title: str | None = None,
    tables: Sequence[TableSpec] = (TableSpec(columns=COLUMNS),),
    plots: Sequence[PlotSpec] = (),
    reference: ReferenceSpec | None = None,
    environment: Mapping[str, Any] | None = None,
) -> Path:
    """A run directory, as `harness run` leaves it."""
    suite = Suite(
        name,
        title or name,
        root / f"{name}.yaml",
        tuple(jobs),
        tuple(tables),
        tuple(plots),
        reference,
    )
    description = {
        "schema": 1,
        "suite": suite.describe(),
        "environment": dict(environment or machine()),
        "started_at": "2026-11-21T09:00:00+00:00",
        "command": ["harness", "run", f"{name}.yaml"],
    }
    directory = RunDirectory.create(root, name, description)
    lines = "".join(f"{each.to_line()}\n" for each in records)
    (directory.path / RECORDS).write_text(lines, encoding="utf-8")
    return directory.path


def machine(torch: str = "2.13.0") -> dict[str, Any]:
    """The environment that a run records."""
    return {
        "machine": {"system": "Linux", "cpu": "EPYC", "cores": 2, "memory_gib": 24, "gpus": []},
        "machine_key": MACHINE,
        "python": "3.11.7",
        "libraries": {"torch": torch},
        "threads": 2,
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "warnings": ["noisy machine: load average 2.4 on 2 cores"],
    }


def everything(root: Path) -> Path:
    """A run with printed figures of every verdict, a failed case, a warning and samples."""
    names = ("PPM", "ASPP", "DANet", "RCCA", "CGNL", "broken")
    jobs = [job(name, "printed") for name in names]
    weights = (1.03, 0.82, 9.0, 1.34, 0.687)
    records = [
        ended(each, weight, conv_macs=round(weight * 3e11), matmul_macs=0)
        for each, weight in zip(jobs, weights, strict=False)
    ]
    records[0] = ended(jobs[0], 1.03, conv_macs=309_290_000_000, matmul_macs=0, warnings=["noisy"])
    tail = ["Traceback", "RuntimeError: no room </script><b>"]
    records.append(broken(jobs[-1], tail=tail))
    return write_run(
        root,
        records,
        jobs,
        name="printed",
        title="Beside a printed table",
        tables=[TableSpec(columns=(*COLUMNS, "verdict"))],
        plots=[
            PlotSpec(kind="bar", y="operations"),
            PlotSpec(kind="scatter", x="latency", y="memory"),
        ],
        reference=ReferenceSpec(
            paper="ocnet",
            table="table4",
            figures={"gflops": FigureSpec(value="operations")},
            not_reproducible={"RCCA": "the arithmetic says why"},
        ),
    )


def many(root: Path, count: int) -> Path:
    """A run of many cases with parameters alone, every 50th of which failed."""
    draw = random.Random(1)
    jobs = [job(f"case {index}", "many") for index in range(count)]
    outcomes = [Outcome("ok", values={"params": draw.randrange(10**6)}) for _ in jobs]
    records = [
        broken(each) if index % 50 == 7 else record(each, outcome)
        for index, (each, outcome) in enumerate(zip(jobs, outcomes, strict=True))
    ]
    tables = [TableSpec(columns=("label", "params", "status"))]
    return write_run(root, records, jobs, name="many", tables=tables)
