"""The contract of an engine: submit jobs, read events, cancel."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from harness.case import Job
from harness.errors import HarnessError
from harness.outcome import Outcome


class EngineError(HarnessError):
    """An engine cannot be had, or can place no further case; finished records are kept."""


@dataclass(frozen=True)
class Waiting:
    """A job cannot start yet, or has to start again: a device is taken, its node was lost."""

    job: Job
    cause: str


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


Event = Waiting | Started | Measuring | Finished


class Engine(Protocol):
    """Places cases in fresh processes.

    The events of one job come in this order: any number of `Waiting`, `Started`, one `Measuring`
    per metric, `Finished`. A job whose node was lost goes back to `Waiting`; nothing else begins a
    second time. Jobs that may not start together start in the order of submission.
    """

    def submit(self, job: Job) -> None:
        """Queue a job; only before `events` is read to its end."""

    def events(self) -> Iterator[Event]:
        """What happens, as it happens, until every submitted job has ended.

        Raises:
            EngineError: what is left can run nowhere.
        """

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones; may be called twice."""


class RemoteEngine(ABC):
    """Base of engines whose cases run on other machines: each outcome has its `place`.

    The runner then asks this machine for no device, and resuming keeps the records of every
    machine. `Job.machine` holds a job to the machines with that key.
    """

    @abstractmethod
    def submit(self, job: Job) -> None:
        """See `Engine`."""

    @abstractmethod
    def events(self) -> Iterator[Event]:
        """See `Engine`."""

    @abstractmethod
    def cancel(self) -> None:
        """See `Engine`."""

    def take_up(self) -> None:  # noqa: B027 - most engines leave nothing behind to take up
        """The run goes on after an interruption; called before anything is submitted.

        An engine whose cases outlive it may follow those that are still running.
        """
