"""The local engine: a fork server with torch preloaded, one fresh process per case."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
import types
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.engines.engine import Event, Finished, Measuring, Started
from harness.outcome import Outcome, Status
from harness.worker import work

TAIL_LINES = 20
TAIL_BYTES = 16 * 1024
_GRACE = 5.0  # seconds for a worker that has answered to leave before it is ended


@dataclass
class _Running:
    """One case's process and what it has said so far."""

    job: Job
    process: ForkServerProcess
    pipe: Connection
    log: Path
    started: float
    oom_kills: int
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    verdict: tuple[Status, str | None] | None = None
    metric: str = "start"

    @property
    def deadline(self) -> float:
        return self.started + self.job.timeout


class LocalEngine:
    """Runs jobs on this machine, `slots` at a time.

    Args:
        slots: processes at once; more than one only for jobs whose metrics are all static, since
            timings would disturb one another.
    """

    def __init__(self, slots: int = 1) -> None:
        self._slots = slots
        self._queue: deque[Job] = deque()
        self._running: list[_Running] = []
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["harness.preload"])

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)

    def events(self) -> Iterator[Event]:
        """Start jobs in the order of submission and report what happens to them."""
        with tempfile.TemporaryDirectory(prefix="harness-") as folder:
            try:
                while self._queue or self._running:
                    while self._queue and len(self._running) < self._slots:
                        yield self._start(self._queue.popleft(), Path(folder))
                    yield from self._wait()
            finally:
                self.cancel()

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones."""
        self._queue.clear()
        for running in self._running:
            _end(running.process)
            running.pipe.close()
        self._running.clear()

    def _start(self, job: Job, folder: Path) -> Started:
        receiving, sending = self._context.Pipe(duplex=False)
        log = folder / f"{time.monotonic_ns()}.log"
        process = self._context.Process(target=work, args=(sending, job, str(log)))
        with _without_main():
            process.start()
        sending.close()
        self._running.append(
            _Running(job, process, receiving, log, time.monotonic(), _oom_kills())
        )
        return Started(job)

    def _wait(self) -> Iterator[Event]:
        """Block until a worker speaks or ends, or a deadline passes."""
        now = time.monotonic()
        timeout = max(0.0, min(running.deadline for running in self._running) - now)
        ready = set(wait([r.pipe for r in self._running if not r.pipe.closed]
                         + [r.process.sentinel for r in self._running], timeout))  # fmt: skip
        for running in list(self._running):
            if running.pipe in ready or running.process.sentinel in ready:
                yield from self._listen(running)
            finished = self._finish(running)
            if finished is not None:
                self._running.remove(running)
                yield finished

    def _listen(self, running: _Running) -> Iterator[Event]:
        """Take every message that lies in the pipe."""
        try:
            while running.pipe.poll():
                message = running.pipe.recv()
                if message[0] == "metric":
                    running.metric = message[1]
                    yield Measuring(running.job, running.metric)
                elif message[0] == "values":
                    _, name, values, seconds = message
                    running.warnings.extend(values.pop("warnings", ()))
                    running.values.update(values)
                    running.seconds[name] = seconds
                elif message[0] == "done":
                    running.verdict = ("ok", None)
                else:
                    running.verdict = (message[1], message[2])
        except (EOFError, OSError):
            pass  # the worker is gone; its exit says why
        except Exception as error:  # what a hostile module wrote into the pipe can be anything
            running.verdict = ("error", f"unreadable answer of the worker: {error!r:.200}")

    def _finish(self, running: _Running) -> Finished | None:
        process, overdue = running.process, time.monotonic() >= running.deadline
        if running.verdict is not None:
            process.join(_GRACE)
            status, cause = running.verdict
        elif not process.is_alive():
            status, cause = _cause_of_exit(process.exitcode, running)
        elif overdue:
            status = "timeout"
            cause = f"no answer within {running.job.timeout:g} s, in metric {running.metric}"
        else:
            return None
        elapsed = time.monotonic() - running.started
        _end(process)
        running.pipe.close()
        return Finished(
            running.job,
            Outcome(
                status=status,
                cause=cause,
                values=running.values,
                warnings=tuple(running.warnings),
                seconds=running.seconds,
                tail=_tail(running.log) if status != "ok" else (),
                elapsed=elapsed,
            ),
        )


def _cause_of_exit(code: int | None, running: _Running) -> tuple[Status, str]:
    where = f"in metric {running.metric}"
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        if name == "SIGKILL" and _oom_kills() > running.oom_kills:
            return "oom", f"ended by the kernel's out-of-memory killer, {where}"
        return "killed", f"killed by {name}, {where}"
    return "error", f"the worker ended with exit code {code} without an answer, {where}"


def _oom_kills() -> int:
    """How often this kernel has ended a process for lack of memory; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _end(process: ForkServerProcess) -> None:
    """Kill what is left of a worker's process group, whatever it forked."""
    if process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()


def _tail(log: Path) -> tuple[str, ...]:
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
        printable = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
        return tuple(printable.splitlines()[-TAIL_LINES:])
    return ()


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
