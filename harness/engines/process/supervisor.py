"""The supervisor: runs the worker of one case as its child and leaves nothing of it behind.

It holds what the case must not touch. The case's output goes through a pipe of which only the end
is kept, so that no log fills a disk; whatever the case forks, also behind `setsid` and a double
fork, becomes the supervisor's child and is ended with it; and when the engine closes its end of the
answer pipe or dies, the supervisor ends the case and itself.
"""

import contextlib
import ctypes
import faulthandler
import fcntl
import multiprocessing
import os
import resource
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from harness.case import ANYWHERE, Slot
from harness.engines.process.answer import CHUNK, AnswerWriter
from harness.engines.process.worker import Send
from harness.environment.searching import restore_environment
from harness.messages import last_lines

TAIL_LINES = 40  # faulthandler names the innermost call first, some thirty lines above the end
_TAIL_BYTES = 16 * 1024
_LAST_EFFORT = 2.0  # seconds for killed processes to leave
_PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
_leave = os._exit  # as it was before a module could replace it
_FIRST_TO_GO = "1000"  # proc(5): oom_score_adj of the process that the kernel should end first


Task = Callable[[Send], None]
"""What the process is for, say `partial(work, job)`."""


def supervise(connection: Connection, task: Task, slot: Slot = ANYWHERE) -> None:
    """Run a task in a child process; `("exited", code, last lines of its output)` is sent last.

    Exits without returning. SIGTERM ends the case and still sends that message.
    """
    restore_environment()
    slot.confine()
    os.setsid()  # Ctrl-C in the terminal reaches only the engine, which decides
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    answers = AnswerWriter(connection.fileno())
    kept = _detach(keep=connection.fileno())
    output, case_output = os.pipe()
    wake, wake_end = os.pipe()
    tie, tie_end = os.pipe()
    for descriptor in (output, wake, wake_end):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # for the wake-up descriptor there must be one
    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        closed = (output, wake, wake_end, tie_end, *kept)
        _run_case(supervisor, closed, case_output, tie, lambda: task(answers.send))
    os.close(case_output)
    os.close(tie)
    tail = _Tail(output)
    code = _watch(child, connection.fileno(), wake, tail)
    code = _end_all(child, code)
    tail.drain()
    with contextlib.suppress(OSError):
        answers.send("exited", code, last_lines(tail.text, TAIL_LINES))
    _leave(0)


class _Tail:
    """The last bytes of what comes through a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._kept = b""

    def read(self) -> bool:
        """Take a chunk; whether there was one."""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self.descriptor, CHUNK)
            self._kept = (self._kept + chunk)[-_TAIL_BYTES:]
            return bool(chunk)
        return False

    def drain(self) -> None:
        """Take what is left; all writers are gone."""
        limit = time.monotonic() + _LAST_EFFORT
        while self.read() and time.monotonic() < limit:
            pass

    @property
    def text(self) -> str:
        """What was kept, decoded."""
        return self._kept.decode(errors="replace")


def _watch(child: int, leash: int, wake: int, tail: _Tail) -> int | None:
    """Wait until the case ends (its exit code) or is to be ended (`None`)."""
    poller = select.poll()
    poller.register(leash, 0)  # reports an error when the reading end is gone
    poller.register(wake, select.POLLIN)
    poller.register(tail.descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == leash:
                return None
            if descriptor == tail.descriptor and not tail.read():
                poller.unregister(tail.descriptor)  # the case closed its output
            if descriptor == wake:
                if signal.SIGTERM in os.read(wake, CHUNK):
                    return None
                with contextlib.suppress(ChildProcessError):
                    while (ended := os.waitpid(-1, os.WNOHANG))[0]:  # also what it left behind
                        if ended[0] == child:
                            return os.waitstatus_to_exitcode(ended[1])


def _end_all(child: int, code: int | None) -> int | None:
    """Kill the case and everything that descends from it."""
    limit = time.monotonic() + _LAST_EFFORT
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
        if not ended:
            for descendant in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    descendant.kill()
            time.sleep(0.002)
    return code


def _run_case(
    supervisor: int, closed: tuple[int, ...], output: int, tie: int, measure: Callable[[], None]
) -> None:
    """The child's side: does not return."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()  # a module that signals its own group does not reach the supervisor
        if not _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
            threading.Thread(target=_end_with, args=(tie,), daemon=True).start()
        if os.getppid() != supervisor:
            _leave(1)
        for descriptor in closed:
            os.close(descriptor)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
        with contextlib.suppress(OSError, ValueError):
            # A core dump of a gigabyte is not what anybody wants of a row that failed.
            resource.setrlimit(
                resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1])
            )
        faulthandler.enable(file=2)
        measure()
    finally:
        # At once: threads that never end and objects that refuse to go are the module's own.
        for file in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(Exception):  # a module may have replaced or closed them
                file.flush()  # type: ignore[union-attr]
        _leave(0)


def _prctl(option: int, value: int) -> bool:
    """Whether the kernel has it: Linux alone."""
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(option, value) == 0)
    return False


def _end_with(tie: int) -> None:
    """End this process with its supervisor, who holds the other end."""
    os.read(tie, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _detach(keep: int) -> tuple[int, ...]:
    """Point inherited pipes and sockets of multiprocessing at nothing.

    Through them a module could end the fork server of all cases by a stray write, and as long as a
    case holds them the fork server outlives an engine that was killed.

    Returns:
        What only the case must not hold: at the end of the pipe that a spawned process holds the
        engine sees that it lives.
    """
    spawned = multiprocessing.get_start_method(allow_none=True) == "spawn"
    tracker = resource_tracker._resource_tracker._fd  # type: ignore[attr-defined]
    kept = []
    nothing = os.open(os.devnull, os.O_RDWR)
    for entry in os.listdir("/dev/fd"):  # noqa: PTH208 - descriptors, not files
        descriptor = int(entry)
        if descriptor <= 2 or descriptor == keep:
            continue
        with contextlib.suppress(OSError):
            kind = os.fstat(descriptor).st_mode
            access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
            if (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)) and access != os.O_RDONLY:
                if spawned and descriptor != tracker:
                    kept.append(descriptor)
                else:
                    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    return tuple(kept)
