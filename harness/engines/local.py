"""The local engine: a fork server with torch preloaded, one fresh process per case."""

import multiprocessing
import os
import platform
import signal
import sys
import tempfile
import time
import types
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from harness.case import Identity, Job, Outcome, Place, Status, Used, from_plain
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
from harness.engines.process.answer import AnswerError, AnswerReader
from harness.engines.process.supervisor import TAIL_LINES, supervise
from harness.environment.searching import safe_start

_LEAVING = 5.0  # seconds for a process that has answered, or was told to end, before it is killed
_UNKNOWN_EXIT = 255  # what multiprocessing says when the fork server is gone
_LOOK_AGAIN = 0.25  # seconds until a device that was taken is asked for again
_ATTEMPTS, _PAUSE = 3, 0.2  # to start a process, and seconds between two

_FORMS: Mapping[str, Any] = {
    "metric": tuple[str],
    "values": tuple[str, dict[str, Any], float],
    "used": tuple[Used],
    "done": tuple[()],
    "failed": tuple[Status, str | None, tuple[str, ...]],
    "exited": tuple[int | None, tuple[str, ...]],
}
"""What follows the first word of a message of the supervisor or its worker."""


@dataclass
class CaseProcess:
    """One case's process and what it has said so far."""

    job: Job
    process: ForkServerProcess
    pipe: Connection
    grant: Grant
    oom_kills: int = field(init=False)
    started: float = field(default_factory=time.monotonic)
    answers: AnswerReader = field(init=False)
    limit: float = field(init=False)  # when patience ends
    told: bool = False  # to end
    forgotten: bool = False  # cancelled while somebody reads the events
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    used: Used | None = None
    verdict: tuple[Status, str | None] | None = None
    trace: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    exit: int | None = None
    ended: bool = False
    metric: str = "start"

    def __post_init__(self) -> None:
        self.answers = AnswerReader(self.pipe.fileno())
        self.oom_kills = _oom_kills()
        members = self.job.turn.members if self.job.turn is not None else 1
        self.limit = self.started + self.job.timeout * members  # it waits for the others

    def judge(self, status: Status, cause: str | None) -> None:
        """The first verdict stays; from then on the process has little time to leave."""
        if self.verdict is None:
            self.verdict = (status, cause)
            self.limit = min(self.limit, time.monotonic() + _LEAVING)

    def listen(self) -> Iterator[Event]:
        """Take every message that has arrived."""
        try:
            while not self.forgotten and (messages := self.answers.take()):
                for kind, *content in messages:
                    self.understand(kind, content)
                    if kind == "metric":
                        yield Measuring(self.job, self.metric)
                    if self.forgotten:
                        return
        except AnswerError as error:
            # What a hostile module wrote into the pipe can be anything; what follows it, too.
            self.judge(
                "error", f"the module wrote into the pipe of its measurements: {error!s:.200}"
            )
            self.tell()

    def understand(self, kind: str, said: list[Any]) -> None:
        """Keep what a message says.

        Raises:
            AnswerError: no worker says this.
        """
        try:
            content = from_plain(_FORMS[kind], said)
            if kind == "values":
                self.warnings += from_plain(tuple[str, ...], content[1].pop("warnings", ()))
        except (KeyError, ValueError) as error:
            raise AnswerError(f"{kind!r:.40} is no answer of a worker: {error}") from error
        if kind == "metric":
            (self.metric,) = content
        elif kind == "values":
            name, values, seconds = content
            self.values.update(values)
            self.seconds[name] = seconds
        elif kind == "used":
            (self.used,) = content
        elif kind == "done":
            self.judge("ok", None)
        elif kind == "failed":
            status, cause, self.trace = content
            self.judge(status, cause)
        else:
            self.exit, self.output = content
            self.ended = True

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
        """Ask the supervisor to end the case; it still reports the last lines of output."""
        self.told, self.limit = True, time.monotonic() + _LEAVING
        if self.process.pid is not None:
            for number in (signal.SIGTERM, signal.SIGCONT):  # a module may have stopped it
                with suppress(OSError):
                    os.kill(self.process.pid, number)

    def leave(self) -> None:
        """Close the pipe, which the supervisor waits for; kill one that does not go."""
        self.pipe.close()
        if self.process.pid is not None:
            with suppress(OSError):
                os.kill(self.process.pid, signal.SIGCONT)
        self.process.join(_LEAVING)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def finish(self) -> Finished:
        """Take leave of it and say what came of the case."""
        self.leave()
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
        )
        return Finished(self.job, outcome)

    def _cause_of_exit(self) -> tuple[Status, str]:
        code = self.exit if self.ended else self.process.exitcode
        where = f"in metric {self.metric}"
        if code is not None and code < 0:
            known = -code in signal.valid_signals()
            name = signal.Signals(-code).name if known else f"signal {-code}"
            if name == "SIGKILL" and _oom_kills() > self.oom_kills:
                return "oom", f"ended by the kernel's out-of-memory killer, {where}"
            return "killed", f"killed by {name}, {where}"
        if not self.ended:
            return "error", f"the supervisor of the case ended with exit code {code}, {where}"
        return "error", f"the worker ended with exit code {code} without an answer, {where}"


def start_server() -> None:
    """Start the fork server, which imports torch meanwhile; a run needs it a little later."""
    _context()
    with suppress(OSError, EOFError), _without_main(), safe_start():
        forkserver.ensure_running()


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harness.engines.process.preload"])
    return context


class LocalEngine:
    """Runs jobs on this machine, `slots` at a time.

    Args:
        slots: processes at once of jobs that neighbours do not disturb, see
            `harness.engines.engine`; what is timed runs alone.
        devices: what the cases may use; the processor or GPU on which a case is timed is locked, so
            that two runs on one machine do not measure one another.
    """

    def __init__(self, slots: int = 1, devices: Devices | None = None) -> None:
        self._slots = slots
        self._devices = devices or Devices()
        self._blocked: Job | None = None  # it waits for a device, and that has been said
        self._rings: tempfile.TemporaryDirectory[str] | None = None
        self._queue: deque[Job] = deque()
        self._running: list[CaseProcess] = []
        self._context = _context()

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
            running.pipe.close()  # what the supervisors wait for
        for running in self._running:
            running.leave()
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
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE * attempt)
            receiving, sending = self._context.Pipe(duplex=False)
            process = self._context.Process(target=supervise, args=(sending, job, grant.slot))
            try:
                with _without_main(), safe_start():
                    process.start()
            except (OSError, EOFError) as error:
                # The fork server is gone, or the machine has no room for a process just now.
                receiving.close()
                failure = error
                continue
            finally:
                sending.close()
            self._running.append(CaseProcess(job, process, receiving, grant))
            return Started(job)
        grant.release()
        cause = f"no process could be started: {type(failure).__name__}: {failure}"
        return Finished(job, Outcome("error", cause))

    def _wait(self) -> Iterator[Event]:
        """Block until a process speaks or ends, or a deadline passes."""
        timeout = max(0.0, min(r.limit for r in self._running) - time.monotonic())
        if self._blocked is not None:
            timeout = min(timeout, _LOOK_AGAIN)
        sentinels = [r.process.sentinel for r in self._running if r.process.is_alive()]
        wait([*(r.pipe for r in self._running), *sentinels], timeout)
        for running in list(self._running):
            if running.forgotten:
                continue
            # Before listening: nothing can follow then. A supervisor whose fork server was killed
            # goes on.
            process = running.process
            gone = not process.is_alive() and process.exitcode != _UNKNOWN_EXIT
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


def _oom_kills() -> int:
    """How often this kernel has ended a process for lack of memory; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from importing the caller's main module in every worker.

    A worker needs nothing of it, the import costs time in each case, and a script without an
    `if __name__ == "__main__"` guard would start itself again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
