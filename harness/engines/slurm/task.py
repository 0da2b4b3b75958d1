"""A task as the engine follows it: jobs that one array task runs one after another."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.case import Job
from harness.engines.engine import Event, Finished, Measuring, Started
from harness.engines.slurm.journal import JournalReader, Message, event_of
from harness.engines.slurm.node import ELSEWHERE, END, PLACE
from harness.engines.slurm.scheduler import TaskState
from harness.outcome import UNKNOWN_MACHINE, Outcome, Place, Status


@dataclass
class Task:
    """Jobs on their way through the scheduler.

    Attributes:
        jobs: by number; `None` for one that nobody asks for any more.
        reader: of the journal that the node writes.
        slurm_id: `123_4`; empty before it is submitted.
        comparison: suite and device whose cases belong on one kind of machine; `None` where any
            will do.
        state: as the scheduler said last.
        place: where it runs, as the node described itself.
        elsewhere: node that it was sent to and that is of another kind than it needs.
        told_all: whether the node has told of every job.
        over_since: when the scheduler first said that it is over.
    """

    jobs: Sequence[Job | None]
    reader: JournalReader
    comparison: tuple[str, str] | None = None
    slurm_id: str = ""
    state: TaskState | None = None
    place: Place | None = None
    elsewhere: str | None = None
    told_all: bool = False
    over_since: float | None = None
    reason: str = ""  # for which it waits, as told
    _begun: dict[int, float] = field(default_factory=dict)
    _metric: dict[int, str] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)

    def news(self) -> list[Event]:
        """What has happened to its jobs since the last call."""
        events = []
        for message in self.reader.news():
            if "job" in message:
                events += self._of_job(message)
            elif PLACE in message:
                self.place = Place(**message[PLACE])
            elif ELSEWHERE in message:
                self.elsewhere = str(message[ELSEWHERE])
            elif END in message:
                self.told_all = True
        return events

    def _of_job(self, message: Message) -> list[Event]:
        number = int(message["job"])
        job = self.jobs[number]
        if job is None or number in self._ended:
            return []
        event = event_of(message, job, self.place)
        if isinstance(event, Started):
            self._begun.setdefault(number, time.monotonic())
        elif isinstance(event, Measuring):
            self._metric[number] = event.metric
        elif isinstance(event, Finished):
            self._ended.add(number)
        return [event]

    @property
    def under_way(self) -> list[int]:
        """Numbers of jobs that began and have not ended."""
        return [n for n in self._left if n in self._begun]

    @property
    def under_way_jobs(self) -> list[Job]:
        """Jobs that began and have not ended."""
        return [job for number in self.under_way if (job := self.jobs[number])]

    @property
    def waiting(self) -> list[Job]:
        """Jobs that have not begun."""
        return [job for n in self._left if n not in self._begun and (job := self.jobs[n])]

    @property
    def left(self) -> list[Job]:
        """Jobs that have not ended."""
        return [job for n in self._left if (job := self.jobs[n])]

    @property
    def _left(self) -> list[int]:
        return [n for n, job in enumerate(self.jobs) if job is not None and n not in self._ended]

    @property
    def first_begun(self) -> int | None:
        """Number of the job that began first."""
        return next(iter(self._begun), None)

    @property
    def node(self) -> str:
        """Name of its node, as far as anybody said."""
        if self.place is not None:
            return self.place.node
        return self.state.node if self.state is not None else ""

    def end(self, number: int, status: Status, cause: str, rest: str = "") -> Finished:
        """The end of a job of which the node could not tell any more."""
        job = self.jobs[number]
        assert job is not None, "only jobs that somebody asks for end"
        self._ended.add(number)
        metric = self._metric.get(number)
        where = f", in metric {metric}" if metric else ""
        elapsed = time.monotonic() - self._begun[number] if number in self._begun else 0.0
        place = self.place or Place(self.node or "unknown", UNKNOWN_MACHINE)
        return Finished(job, Outcome(status, cause + where + rest, elapsed=elapsed, place=place))

    def end_job(self, job: Job, status: Status, cause: str, rest: str = "") -> Finished:
        """The same, of a job that may not have begun."""
        number = next(n for n, own in enumerate(self.jobs) if own is job)
        return self.end(number, status, cause, rest)
