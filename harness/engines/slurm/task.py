"""A task: what runs on the node, the journal that tells of it, and how the engine follows it."""

import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.case import UNKNOWN_MACHINE, Job, Outcome, Place, Status, as_plain, from_plain
from harness.engines.devices import own_cores
from harness.engines.engine import (
    Event,
    Finished,
    Measuring,
    Started,
    event_of,
    is_static,
    words_of,
)
from harness.engines.local import describe_node, run_here
from harness.engines.process.server import start_server
from harness.engines.slurm.scheduler import FORGOTTEN, SlurmOptions, TaskState
from harness.messages import last_lines

# The journal of a task: what a node tells this machine, a line of JSON at a time, in a file that
# both see. The node waits until the disk has a line; the reader opens the file anew each time,
# which is when NFS asks the server for news.


class JournalWriter:
    """The node's side; the file exists, so that no file system remembers that it does not."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def write(self, message: dict[str, Any]) -> None:
        """Append a message; when this returns, it survives the node."""
        self._file.write(json.dumps(message).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def event(self, number: int, event: Event) -> None:
        """Append what happened to the job of a number."""
        self.write({"job": number, **words_of(event)})

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JournalReader:
    """The engine's side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def news(self) -> list[dict[str, Any]]:
        """Whole messages that have arrived since the last call; none where the file is gone."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            return []
        whole = content.rfind(b"\n") + 1
        self._read += whole
        messages = []
        for line in content[:whole].splitlines():
            # Half a line of a node that died may be followed by a whole one.
            with suppress(ValueError, RecursionError):
                messages.append(json.loads(line))
        return [message for message in messages if isinstance(message, dict)]


# Names of messages that are about the task and not about one of its jobs.
ELSEWHERE, PLACE, END = "elsewhere", "place", "end"


def run_task(journal: str, jobs: Sequence[Job], kind: str | None) -> None:
    """Run jobs on this node and tell of them in a journal.

    `kind` is the path of a file that names the kind of machine for all tasks of a comparison; the
    first of them writes it, and a task on a machine of another kind runs nothing.
    """
    # submitit ends a task at these signals in its own way; ours is to end at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Slurm's announcement of the time limit: the case may still finish before it.
    signal.signal(signal.SIGUSR2, lambda *_: None)
    log = JournalWriter(Path(journal))
    place = _described(os.environ.get("SLURMD_NODENAME"))
    if kind is not None:
        needed = agreed(Path(kind), place.machine_key)
        if needed != place.machine_key:
            log.write({ELSEWHERE: place.node, "machine": place.machine_key, "needed": needed})
            log.close()
            return
    log.write({PLACE: as_plain(place)})
    for number, event in run_here(jobs, slots=len(own_cores()) if all(map(is_static, jobs)) else 1):
        log.event(number, event)
    log.write({END: True})
    log.close()


def _described(name: str | None) -> Place:
    """This node, described by a child of the fork server, which has PyTorch at hand."""
    start_server()
    context = multiprocessing.get_context("forkserver")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_describe, args=(sending, name))
    process.start()
    sending.close()
    try:
        place: Place = receiving.recv()
    except EOFError:  # it came to grief; here the error has a traceback, in the task's log
        place = describe_node(name)
    process.join()
    return place


def _describe(answer: Connection, name: str | None) -> None:
    answer.send(describe_node(name))


def agreed(path: Path, machine: str) -> str:
    """The kind of machine that a file names; the machine's own, written there, if it is the first.

    Creating a hard link succeeds for one process only, also on network file systems.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(machine)
    with suppress(FileExistsError):
        os.link(temporary, path)
    Path(temporary).unlink()
    return path.read_text(encoding="utf-8").strip()


_UNKNOWN = 60.0  # seconds until a task that the scheduler does not know counts as over


@dataclass
class Task:
    """Jobs on their way through the scheduler."""

    jobs: Sequence[Job | None]  # by number; `None` for one that nobody asks for any more
    reader: JournalReader  # of the journal that the node writes
    # suite and device whose cases belong on one kind of machine; `None` where any will do
    comparison: tuple[str, str] | None = None
    slurm_id: str = ""  # `123_4`; empty before it is submitted
    state: TaskState | None = None  # as the scheduler said last
    place: Place | None = None  # where it runs, as the node described itself
    elsewhere: str | None = None  # node that it was sent to and that is of another kind
    told_all: bool = False  # whether the node has told of every job
    over_since: float | None = None  # when the scheduler first said that it is over
    reason: str = ""  # for which it waits, as told
    _begun: dict[int, float] = field(default_factory=dict)
    _metric: dict[int, str] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)

    def heard(self, state: TaskState | None, now: float) -> None:
        """Take what the scheduler says of it; `None`: it knows no such task."""
        if state is not None:
            self.state = state
        elif self.state is not None:
            self.state = TaskState(FORGOTTEN, self.state.node)
        if state is not None and not state.is_over:
            self.over_since = None
        elif self.over_since is None:
            self.over_since = now

    def is_over(self, now: float, settle: float) -> bool:
        """Whether it ended so long ago that its journal is believed to be whole."""
        # Of a task that the scheduler never knew, the next answer may know.
        patience = settle if self.state is not None else max(settle, _UNKNOWN)
        return self.over_since is not None and now >= self.over_since + patience

    def news(self) -> list[Event]:
        """What has happened to its jobs since the last call."""
        events = []
        for message in self.reader.news():
            if isinstance(number := message.get("job"), int):
                if number in self.left:
                    events.append(self._event(number, message))
            elif PLACE in message:
                with suppress(ValueError):  # then its cases name the node that the scheduler knows
                    self.place = from_plain(Place, message[PLACE])
            elif ELSEWHERE in message:
                self.elsewhere = str(message[ELSEWHERE])
            elif END in message:
                self.told_all = True
        return events

    def _event(self, number: int, message: Mapping[str, Any]) -> Event:
        """What a message says of a job; one that says nothing known is the end of it."""
        try:
            event = event_of(message, self.left[number], self.place)
        except ValueError as error:
            return self.end(number, "error", f"the journal of its node cannot be read: {error}")
        if isinstance(event, Started):
            self._begun.setdefault(number, time.monotonic())
        elif isinstance(event, Measuring):
            self._metric[number] = event.metric
        elif isinstance(event, Finished):
            self._ended.add(number)
        return event

    @property
    def left(self) -> dict[int, Job]:
        """Jobs that have not ended, by number."""
        return {n: job for n, job in enumerate(self.jobs) if job and n not in self._ended}

    @property
    def under_way(self) -> dict[int, Job]:
        """Jobs that began and have not ended, by number."""
        return {n: job for n, job in self.left.items() if n in self._begun}

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
        job = self.left[number]
        self._ended.add(number)
        metric = self._metric.get(number)
        where = f", in metric {metric}" if metric else ""
        elapsed = time.monotonic() - self._begun[number] if number in self._begun else 0.0
        place = self.place or Place(self.node or "unknown", UNKNOWN_MACHINE)
        return Finished(job, Outcome(status, cause + where + rest, elapsed=elapsed, place=place))


@dataclass(frozen=True)
class Fates:
    """What becomes of the jobs of a task that ended without telling, by the scheduler's word."""

    cause: str  # why, in words
    again: Mapping[int, Job]  # jobs to be placed again, by number
    ended: Sequence[Event] = ()  # of the others, in the order of the jobs
    lost: bool = False  # whether the node was at fault, so that only so many attempts are made


def end_task(task: Task, options: SlurmOptions, log: Path | None) -> Fates:
    """Judge a task.

    A job that was under way ends with the status that fits: `timeout`, `oom`, `killed` or `error`.
    One that had not begun is placed again, unless somebody cancelled the task, or the task failed
    before any of its jobs began: then it would fail again. After a loss of the node all are.
    Its journal has been read to the end; its own output lies in `log`.
    """
    state = task.state
    fate = state.fate if state is not None and state.is_over else "failed"
    where = f" on node {task.node}" if task.node else ""
    if state is not None and fate == "lost":
        known = {"PREEMPTED": "preempted by Slurm", "NODE_FAIL": "node failure"}
        words = known.get(state.code, state.code.lower().replace("_", " "))
        return Fates(f"{words}{where}", task.left, lost=True)
    if fate == "cancelled":
        return _ended(task, task.left, "killed", f"cancelled in Slurm{where}")
    begun = task.first_begun is not None
    ending = task.under_way if begun else task.left
    where += "" if begun else " before a case began"
    if fate == "timeout":
        # The first job of a task had all the time that there was; a later one gets it now.
        ending = {n: job for n, job in ending.items() if not begun or n == task.first_begun}
        limit = f" of {options.minutes} min" if options.minutes else ""
        return _ended(task, ending, "timeout", f"ended by Slurm at the time limit{limit}{where}")
    if fate == "oom":
        memory = options.parameters.get("mem")
        limit = f" (mem={memory})" if memory else ""
        return _ended(task, ending, "oom", f"ended by Slurm at the memory limit{limit}{where}")
    return _ended(task, ending, *_how_failed(state, where, log))


def _how_failed(state: TaskState | None, where: str, log: Path | None) -> tuple[Status, str, str]:
    """Status, cause, and what is said behind the cause, from the end of the task's output."""
    output = ""
    with suppress(OSError):  # the file has not come, or never will
        output = log.read_text(encoding="utf-8", errors="replace") if log is not None else ""
    told = [line for line in output.splitlines()[-20:] if "slurmstepd" in line]
    if any(words in line for line in told for words in ("memory limit", "oom-kill", "oom_kill")):
        # Killed for it where Slurm has no control groups.
        return "oom", f"ended by Slurm at the memory limit{where}", ""
    code, _, number = state.reason.partition(":") if state is not None else ("", "", "")
    if number.isdigit() and int(number):
        return "killed", f"the task was killed by signal {number}{where}", ""
    said = f" with exit code {code}" if code.isdigit() else ""
    if state is None or not state.is_over:
        said = ", and Slurm no longer knows how"
    last = "".join(f": {line}" for line in last_lines(output, 1))
    look = "see" if log is None or log.exists() else "its output would be"
    rest = f"{last}; {look} {log}" if log is not None else ""
    return "error", f"the task ended{said}{where}", rest


def _ended(
    task: Task, ending: Mapping[int, Job], status: Status, cause: str, rest: str = ""
) -> Fates:
    """Some jobs end; the others are placed again."""
    events: list[Event] = []
    for number, job in ending.items():
        if number not in task.under_way:
            events.append(Started(job))
        events.append(task.end(number, status, cause, rest))
    return Fates(cause, task.left, events)
