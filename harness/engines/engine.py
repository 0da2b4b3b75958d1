"""The contract of an engine: submit jobs, read events, cancel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from harness.case import Job
from harness.outcome import Outcome


@dataclass(frozen=True)
class Started:
    """A job has a process."""

    job: Job


@dataclass(frozen=True)
class Measuring:
    """A job's worker has begun a metric."""

    job: Job
    metric: str


@dataclass(frozen=True)
class Finished:
    """A job has ended; every submitted job ends exactly once unless the engine is cancelled."""

    job: Job
    outcome: Outcome


Event = Started | Measuring | Finished


class Engine(Protocol):
    """Places cases in fresh processes."""

    def submit(self, job: Job) -> None:
        """Queue a job."""

    def events(self) -> Iterator[Event]:
        """What happens, as it happens, until every submitted job has ended."""

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones."""
