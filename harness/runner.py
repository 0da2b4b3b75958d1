"""The runner: from a suite to a run directory, one record at a time."""

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.engines.engine import Engine, Event, Finished
from harness.engines.local import LocalEngine
from harness.environment import describe_environment
from harness.measure import STATIC
from harness.records.record import Record
from harness.records.run_directory import RunDirectory, RunDirectoryError
from harness.suite.suite import Suite

DEFAULT_ROOT = Path("results/runs")
STATIC_SLOTS = 2  # static cases neither time nor fill anything, so two share the machine


@dataclass(frozen=True)
class Progress:
    """Where a run stands; given to a listener after each event.

    Attributes:
        event: what has just happened.
        done: cases finished so far, skipped ones included.
        total: cases of the suite.
        remaining_seconds: expected time of what is left, from an earlier run of the same cases and
            from this one; `None` before anything is known.
    """

    event: Event
    done: int
    total: int
    remaining_seconds: float | None


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Execution:
    """What running a suite gave.

    Attributes:
        directory: the run on disk.
        records: the last record of each case, in the suite's order; cases that were not reached lack.
        interrupted: whether Ctrl-C ended it early.
    """

    directory: RunDirectory
    records: tuple[Record, ...]
    interrupted: bool = False


def execute(
    suite: Suite,
    root: Path = DEFAULT_ROOT,
    *,
    listener: Listener | None = None,
    resume: bool = False,
    engine: Engine | None = None,
) -> Execution:
    """Measure every case of a suite and keep each record as its case ends.

    Args:
        suite: what to measure.
        root: folder of run directories.
        listener: told of every event.
        resume: go on with the latest run of this suite; cases that have a finished record of the same
            case and machine are not measured again.
        engine: where cases run; processes on this machine if absent.

    Raises:
        RunDirectoryError: the run directory cannot be written; finished records are kept.
    """
    environment = describe_environment(suite.path.parent)
    machine = environment["machine_key"]
    directory = _directory(suite, root, environment, resume)
    kept = _finished(directory, machine) if resume else {}
    jobs = suite.all_jobs()
    pending = [job for job in jobs if _identity(job) not in kept]
    records = {identity: record for identity, record in kept.items()}
    clock = _Expectation(pending, directory)
    engine = engine or LocalEngine(slots=_slots(pending))
    interrupted = False
    with directory.writer() as writer:
        for job in pending:
            engine.submit(job)
        try:
            for event in engine.events():
                if isinstance(event, Finished):
                    record = Record.of(event.job, event.outcome, machine)
                    writer.append(record)
                    records[_identity(event.job)] = record
                    clock.finished(record)
                if listener is not None:
                    listener(Progress(event, len(records), len(jobs), clock.remaining()))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            engine.cancel()
    ordered = tuple(records[_identity(job)] for job in jobs if _identity(job) in records)
    return Execution(directory, ordered, interrupted)


def _identity(job: Job) -> tuple[str, str, str]:
    return (job.suite, job.label, job.case.key)


def _slots(jobs: list[Job]) -> int:
    return STATIC_SLOTS if all(set(job.metrics) <= set(STATIC) for job in jobs) else 1


def _directory(
    suite: Suite, root: Path, environment: Mapping[str, Any], resume: bool
) -> RunDirectory:
    if resume:
        return RunDirectory.open(root / suite.name)
    directory = RunDirectory.create(
        root,
        suite.name,
        {
            "schema": 1,
            "suite": suite.describe(),
            "environment": environment,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": shlex.join(sys.argv),
        },
    )
    directory.mark_latest()
    return directory


def _finished(directory: RunDirectory, machine: str) -> dict[tuple[str, str, str], Record]:
    """Records that need no second measurement: same case, same machine, whatever their status."""
    return {
        (record.suite, record.label, record.case_key): record
        for record in directory.records()
        if record.machine_key == machine
    }


class _Expectation:
    """Expected time of what is left, from what the same cases took before."""

    def __init__(self, pending: list[Job], directory: RunDirectory) -> None:
        self._known = _earlier_seconds(directory)
        self._left = {_identity(job): job.case.key for job in pending}
        self._taken: list[float] = []

    def finished(self, record: Record) -> None:
        self._left.pop((record.suite, record.label, record.case_key), None)
        self._taken.append(record.elapsed_seconds)

    def remaining(self) -> float | None:
        known = [self._known[key] for key in self._left.values() if key in self._known]
        unknown = len(self._left) - len(known)
        if unknown and not self._taken:
            return None
        typical = sum(self._taken) / len(self._taken) if self._taken else 0.0
        return sum(known) + unknown * typical


def _earlier_seconds(directory: RunDirectory) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for sibling in sorted(directory.path.parent.iterdir())[-5:]:
        if sibling.is_dir() and not sibling.is_symlink():
            try:
                records = RunDirectory(sibling).records()
            except RunDirectoryError:
                continue  # a damaged earlier run only costs the estimate
            seconds.update({r.case_key: r.elapsed_seconds for r in records})
    return seconds
