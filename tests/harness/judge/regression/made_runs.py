"""Run directories as `harness run` leaves them, with values of one's choice."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp
from pathlib import Path
from typing import Any

from harness.case import DEFAULT_TIMING, Case, Job, Outcome, Timing
from harness.records.record import Record
from harness.records.run_directory import RunDirectory

MACHINE, OTHER_MACHINE = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
STATIC: Mapping[str, Any] = {
    "params": 216,
    "conv_macs": 100,
    "matmul_macs": 20,
    "elementwise_ops": {"add": 3, "mul": 4},
    "live_peak_bytes": 4096,
}


@dataclass(frozen=True)
class Made:
    """A case and what its processes gave."""

    label: str
    latencies: Sequence[float | None] = ()
    static: Mapping[str, Any] = field(default_factory=lambda: dict(STATIC))
    key_channels: int = 4
    status: str = "ok"
    cause: str | None = None
    threads: int = 1
    timing: Timing = DEFAULT_TIMING
    values: Mapping[str, Any] = field(default_factory=dict)

    def records(self, machine: str) -> Iterable[Record]:
        case = Case("self_attention", {"key_channels": self.key_channels}, ((1, 8, 6, 6),))
        job = Job("mini", self.label, case, ("params", "latency"), 60.0, threads=self.threads)
        job = replace(job, timing=self.timing)
        latencies = self.latencies or (None,)
        for number, seconds in enumerate(latencies, 1):
            values = {**self.static, **self.values}
            if seconds is not None:
                values["latency_seconds"] = seconds
            # The last process is the one that failed.
            failed = self.status != "ok" and number == len(latencies)
            outcome = Outcome(
                self.status if failed else "ok", self.cause if failed else None, values
            )
            yield Record.of(replace(job, replicate=number), outcome, machine)


def run_directory(
    root: Path,
    made: Iterable[Made],
    machine: str = MACHINE,
    commit: str = "0" * 40,
    missing: int = 0,
    named: str = "mini",
    **changes: Any,
) -> Path:
    """A run on disk, so many of whose cases have not ended; `changes` are of its description."""
    records = [replace(record, suite=named) for each in made for record in each.records(machine)]
    jobs = [
        {"label": record.label, "key": record.case_key, "replicate": record.replicate}
        for record in records
    ]
    jobs += [{"label": "later", "key": str(number)} for number in range(missing)]
    description = {
        "schema": 1,
        "suite": {"suite": named, "jobs": jobs, "included": []},
        "environment": {
            "machine_key": machine,
            "machine": {"cpu": f"processor of {machine}"},
            "python": "3.11.7",
            "libraries": {"torch": "2.13.0"},
            "threads": 2,
            "git": {"commit": commit, "dirty": False},
        },
    }
    directory = RunDirectory.create(root, named, description | changes)
    with directory.writer() as writer:
        for record in records:
            writer.append(record)
    directory.mark_latest()
    return directory.path


def latencies(
    seed: int, number: int = 5, seconds: float = 0.01, spread: float = 0.005
) -> tuple[float, ...]:
    """Medians of so many processes, log-normal around one value."""
    draw = random.Random(seed)
    return tuple(seconds * exp(draw.gauss(0, spread)) for _ in range(number))
