"""The local engine: a fork server with torch preloaded, one fresh process per case."""

import platform
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal

from harness.case import Identity, Job, Outcome, Place, Status, Used, UsedGpu, from_plain
from harness.engines.devices import Devices, Gpu, Grant, busy_cores, own_cores
from harness.engines.engine import (
    Event,
    Finished,
    Measuring,
    Started,
    Waiting,
    is_static,
    is_timed,
    next_ring,
    with_turns,
)
from harness.engines.process.answer import AnswerError, AnswerReader, understood
from harness.engines.process.child import LEAVING, PATIENCE, Child, StartError
from harness.engines.process.ending import ended_by_signal, oom_kills
from harness.engines.process.server import context
from harness.engines.process.supervisor import TAIL_LINES
from harness.engines.process.worker import LONGEST_CAUSE, work
from harness.measure import require_declared
from harness.messages import escaped, last_lines

_LOOK_AGAIN = 0.25  # seconds until a device that was taken is asked for again

Failure = Literal["error", "oom", "timeout", "killed", "invalid", "unsupported"]

_FORMS: Mapping[str, Any] = {
    "metric": tuple[str],
    "values": tuple[str, dict[str, Any], float],
    "used": tuple[Used],
    "gpu": tuple[UsedGpu],
    "done": tuple[()],
    "failed": tuple[Failure, str, tuple[str, ...]],
    "exited": tuple[int | None, tuple[str, ...]],
}
"""What follows the first word of a message of the supervisor or its worker."""


@dataclass
class CaseProcess:
    """One case's process and what it has said so far."""

    job: Job
    child: Child
    grant: Grant
    oom_kills: int = field(default_factory=oom_kills)
    started: float = field(default_factory=time.monotonic)
    answers: AnswerReader = field(init=False)
    limit: float = field(init=False)  # when patience ends
    told: bool = False  # to end
    forgotten: bool = False  # cancelled while somebody reads the events
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    used: Used | None = None
    gpu: UsedGpu | None = None
    verdict: tuple[Status, str | None] | None = None
    trace: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    exit: int | None = None
    ended: bool = False
    metric: str = "start"
    begun: set[str] = field(default_factory=set)  # metrics
    answered: bool = False  # nothing but the exit follows

    def __post_init__(self) -> None:
        self.answers = AnswerReader(self.child.pipe.fileno())
        members = self.job.turn.members if self.job.turn is not None else 1
        self.limit = self.started + self.job.timeout * members  # it waits for the others

    def judge(self, status: Status, cause: str | None) -> None:
        """The first verdict stays; from then on the process has little time to leave."""
        if self.verdict is None:
            self.verdict = (status, cause)
            self.limit = min(self.limit, time.monotonic() + LEAVING)

    def listen(self) -> Iterator[Event]:
        """Take every message that has arrived."""
        try:
            while not self._is_deaf and (messages := self.answers.take()):
                for message in messages:
                    if self.understand(message) == "metric":
                        yield Measuring(self.job, self.metric)
                    if self._is_deaf:
                        return
        except AnswerError as error:
            # What a hostile module wrote into the pipe can be anything; what follows it, too, and
            # whoever writes there may have written what came before.
            if self.verdict is not None and self.verdict[0] == "ok":
                self.verdict = None
            self.judge(
                "error", f"the module wrote into the pipe of its measurements: {error!s:.200}"
            )
            self.tell()

    @property
    def _is_deaf(self) -> bool:
        """Whether nothing that is said counts any more; a module may have told its own end."""
        return self.forgotten or self.ended

    def understand(self, message: list[Any]) -> str:
        """Keep what a message says; its first word.

        Raises:
            AnswerError: no worker says this, or not now.
        """
        kind, content = understood(_FORMS, message)
        if kind == "exited":
            self.exit, output = content
            self.output = _printable(output)
            self.ended = True
            return kind
        if self.answered:
            raise AnswerError(f"{kind!r} follows the last answer")
        if kind == "metric":
            (name,) = content
            if name not in self.job.metrics or name in self.begun:
                raise AnswerError(f"metric {name!r:.40} was not asked for, or is over")
            self.metric = name
            self.begun.add(name)
        elif kind == "values":
            self.keep(*content)
        elif kind == "used":
            (used,) = content
            self.used = used if self.used is None else self.used.joined(used)
        elif kind == "gpu":
            (self.gpu,) = content
        elif kind == "done":
            if missing := set(self.job.metrics) - self.seconds.keys():
                raise AnswerError(f"done without {', '.join(sorted(missing))}")
            self.answered = True
            self.judge("ok", None)
        else:
            status, cause, trace = content
            self.answered = True
            self.trace = _printable(trace)
            self.judge(status, escaped(cause)[:LONGEST_CAUSE])
        return kind

    def keep(self, metric: str, values: dict[str, Any], seconds: float) -> None:
        """Take the values of the metric that is being measured."""
        if metric != self.metric or metric in self.seconds:
            raise AnswerError(f"values of {metric!r:.40}, which is not being measured")
        try:
            said = from_plain(tuple[str, ...], values.pop("warnings", ()))
            require_declared(metric, values, self.job.declared)
        except ValueError as error:
            raise AnswerError(f"values of {metric}: {error}") from error
        self.warnings += map(escaped, said)
        self.values.update(values)
        self.seconds[metric] = seconds

    def is_over(self) -> bool:
        """Whether nothing more is to be waited for; a process that is overdue is told to end."""
        if self.ended or self.answers.closed:
            return True
        if time.monotonic() < self.limit:
            return False
        if self.told:
            return True
        cause = f"no answer within {self.job.timeout:g} s, in metric {self.metric}"
        self.judge("timeout", cause)
        self.tell()
        return False

    def tell(self) -> None:
        """Ask the supervisor to end the case."""
        self.told, self.limit = True, time.monotonic() + LEAVING
        self.child.tell()

    def finish(self) -> Finished:
        """Take leave of it and say what came of the case."""
        self.child.leave()
        status, cause = self.verdict or self._cause_of_exit()
        room = TAIL_LINES - len(self.trace)
        outcome = Outcome(
            status=status,
            cause=cause,
            values=self.values,
            warnings=(*self.grant.warnings, *self.warnings),
            seconds=self.seconds,
            tail=(*self.output[-room:], *self.trace) if status != "ok" else (),
            elapsed=time.monotonic() - self.started,
            used=self.used,
            gpu=self.gpu,
        )
        return Finished(self.job, outcome)

    def _cause_of_exit(self) -> tuple[Status, str]:
        code = self.exit if self.ended else self.child.process.exitcode
        if (ended := ended_by_signal(code, self.metric, self.oom_kills)) is not None:
            return ended
        where = f"in metric {self.metric}"
        if not self.ended:
            return "error", f"the supervisor of the case ended with exit code {code}, {where}"
        return "error", f"the worker ended with exit code {code} without an answer, {where}"


class LocalEngine:
    """Runs jobs on this machine, `slots` at a time.

    Args:
        slots: processes at once of jobs that neighbours do not disturb, see
            `harness.engines.engine`; what is timed runs alone.
        devices: what the cases may use; the processor or GPU on which a case is timed is locked, so
            that two runs on one machine do not measure one another.
        patience: seconds that an attempt to start a process may take.
    """

    def __init__(
        self, slots: int = 1, devices: Devices | None = None, *, patience: float = PATIENCE
    ) -> None:
        self._slots = slots
        self._devices = devices or Devices()
        self._blocked: Job | None = None  # it waits for a device, and that has been said
        self._rings: tempfile.TemporaryDirectory[str] | None = None
        self._queue: deque[Job] = deque()
        self._running: list[CaseProcess] = []
        self._patience = patience
        context()  # whoever starts the server from here on has it import torch once

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)

    def events(self) -> Iterator[Event]:
        """Start jobs in the order of submission and report what happens to them."""
        try:
            while self._queue or self._running:
                while self._has_room():
                    grant = self._devices.take(self._queue[0])
                    if grant is not None:
                        yield from self._start_next(grant)
                        continue
                    if self._blocked is not self._queue[0]:
                        self._blocked = self._queue[0]
                        yield Waiting(self._blocked, self._devices.taken)
                    break
                if self._running:
                    yield from self._wait()
                elif self._blocked is not None:
                    time.sleep(_LOOK_AGAIN)
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones."""
        self._queue.clear()
        for running in self._running:
            running.forgotten = True
            running.child.pipe.close()  # what the supervisors wait for
        for running in self._running:
            running.child.leave()
            running.grant.close()
        self._running.clear()
        if self._rings is not None:
            self._rings.cleanup()
            self._rings = None

    def _has_room(self) -> bool:
        """Whether the next job may begin beside those that run."""
        if not self._queue or not self._running:
            return bool(self._queue)
        alone = is_timed(self._queue[0]) or any(is_timed(r.job) for r in self._running)
        return not alone and len(self._running) < self._slots

    def _start_next(self, grant: Grant) -> Iterator[Event]:
        """Start a job, or all processes of a case that sample in turns."""
        ring = next_ring(self._queue)
        if len(ring) > 1:
            if self._rings is None:
                self._rings = tempfile.TemporaryDirectory(prefix="harness-turns-")
            # Named after the moment: no two rings of this engine begin at the same one.
            ring = with_turns(ring, Path(self._rings.name) / str(time.monotonic_ns()))
        self._blocked = None
        grant.users = len(ring)
        for job in ring:
            if grant.closed:  # cancelled while somebody reads the events
                return
            yield self._start(job, grant)

    def _start(self, job: Job, grant: Grant) -> Started | Finished:
        try:
            child = Child.start(partial(work, job), grant.slot, self._patience)
        except StartError as error:
            grant.release()
            return Finished(job, Outcome("error", str(error)))
        self._running.append(CaseProcess(job, child, grant))
        return Started(job)

    def _wait(self) -> Iterator[Event]:
        """Block until a process speaks or ends, or a deadline passes."""
        timeout = max(0.0, min(r.limit for r in self._running) - time.monotonic())
        if self._blocked is not None:
            timeout = min(timeout, _LOOK_AGAIN)
        children = [r.child for r in self._running]
        sentinels = [each.process.sentinel for each in children if each.process.is_alive()]
        wait([*(each.pipe for each in children), *sentinels], timeout)
        for running in list(self._running):
            if running.forgotten:
                continue
            gone = running.child.is_gone  # before listening: nothing can follow then
            yield from running.listen()
            if not running.forgotten and (gone or running.is_over()):
                self._running.remove(running)
                finished = running.finish()
                running.grant.release()
                yield finished


# A node of a cluster runs cases as one machine does; around that the locks on devices and a look at
# the load, since on a cluster nobody sits beside the machine.


def describe_node(name: str | None = None) -> Place:
    """This machine as a place of that name in its cluster, or of its own; imports torch."""
    from harness.environment.machine import describe_environment

    environment = describe_environment()
    return Place(name or platform.node(), environment["machine_key"], environment)


def run_here(
    jobs: Sequence[Job],
    *,
    cores: tuple[int, ...] | None = None,
    gpus: Sequence[Gpu] | None = None,
    slots: int = 1,
) -> Iterator[tuple[int, Event]]:
    """Run a job, or the processes of a case that sample in turns, on this node.

    Args:
        jobs: what to run; see `harness.engines.engine.next_ring`.
        cores: those that this node owns, to which the cases are pinned; `None`: not pinned.
        gpus: those that the cases may use; `None`: those that PyTorch sees.
        slots: processes at once of jobs that neighbours do not disturb.

    Yields:
        Events, each after the number of its job in `jobs`; closing the generator ends what runs.
    """
    engine = LocalEngine(slots, Devices(cores=cores, gpus=gpus, load=busy_cores))
    numbers: dict[Identity, int] = {}
    threads = len(cores or own_cores())
    for number, job in enumerate(jobs):
        missing = [folder for folder in job.search_path if not Path(folder).is_dir()]
        if missing:
            cause = (
                f"{missing[0]}: no such folder on node {platform.node()}; keep suites and modules "
                "on a file system that all nodes share, or clone them to the same path"
            )
            yield number, Started(job)
            yield number, Finished(job, Outcome("error", cause))
            continue
        numbers[job.identity] = number
        # Left to PyTorch, the number would be that of the process that started the fork server.
        own = job.threads if job.threads is not None or is_static(job) else threads
        engine.submit(replace(job, threads=own))
    for event in engine.events():
        yield numbers[event.job.identity], event


def _printable(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Of what a process is said to have written, what a record holds and a terminal bears."""
    return last_lines("\n".join(lines), TAIL_LINES)
