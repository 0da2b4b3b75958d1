"""The fork server: torch is imported in it once, and every process of a case is a fork of it.

On macOS there is none, and each of these processes is a Python of its own.

`multiprocessing` keeps one for this process and starts another when it is gone, but waits for its
answers without a limit. A module can stop it, kill it, or leave it what its supervisor would have
ended.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

import psutil

from harness.environment.searching import safe_start

_LAST_EFFORT = 2.0  # seconds for killed processes to leave
_WAKING = 0.25  # seconds after which a server that is waited for is woken again


def start_server() -> None:
    """Start it, which imports torch meanwhile; a run needs it a little later."""
    context()
    with _without_main(), safe_start():
        _ensure_server()


def _ensure_server() -> None:
    """Start it where there is to be one and none runs, deaf to Ctrl-C."""
    if forks():
        with suppress(OSError, EOFError), _without_interrupts():
            forkserver.ensure_running()


def context() -> ForkServerContext | SpawnContext:
    """Whose processes and pipes those of a case are; a server that starts imports torch once."""
    if not forks():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["harness.engines.process.preload"])
    return made


def forks() -> bool:
    """Whether the process of a case is a fork of a server that has imported PyTorch.

    Not on macOS, whose frameworks, some of which PyTorch loads, do not outlive a fork: there it is
    a Python of its own, which imports PyTorch after its last fork. That takes seconds.
    """
    return sys.platform != "darwin"


@contextmanager
def answering(patience: float) -> Iterator[None]:
    """Around what waits for the server: after so many seconds it is killed, which ends the wait.

    What waited then fails with `OSError` or `EOFError`, and the next attempt finds another server.
    """
    answered = threading.Event()
    watch = threading.Thread(target=_keep_awake, args=(answered, patience), daemon=True)
    watch.start()
    try:
        with _without_main(), safe_start():
            _ensure_server()  # the one before may be gone
            yield
    finally:
        answered.set()
        watch.join()


def _keep_awake(answered: threading.Event, patience: float) -> None:
    """Wake the server until it has answered: another case may stop it while one waits for it."""
    limit = time.monotonic() + patience
    while (left := limit - time.monotonic()) > 0:
        _wake()
        if answered.wait(min(left, _WAKING)):
            return
    _end_server()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start the server deaf to Ctrl-C, which reaches it, too, and would end its imports aloud.

    The engine decides when it ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


@atexit.register  # one that is stopped would not see that its owner is gone
def _wake() -> None:
    """Let it go on where a module has stopped it."""
    _signal_server(signal.SIGCONT)


def _end_server() -> None:
    _signal_server(signal.SIGKILL)


def join(process: multiprocessing.process.BaseProcess, patience: float) -> bool:
    """Wait until a process is gone, of which the server tells; whether it is."""
    limit = time.monotonic() + patience
    while process.is_alive() and (left := limit - time.monotonic()) > 0:
        _wake()
        process.join(min(left, _WAKING))
    return not process.is_alive()


def release(process: multiprocessing.process.BaseProcess, patience: float) -> None:
    """Wait until a killed process is gone; a server that does not say so is ended, too."""
    if not join(process, patience):
        _end_server()
        process.join()


def end_orphans() -> None:
    """Kill what a case has left behind whose supervisor was killed: the server has inherited it."""
    server = _server_pid()
    limit = time.monotonic() + _LAST_EFFORT
    while server is not None and time.monotonic() < limit:
        ours = {child.pid for child in multiprocessing.active_children()}
        orphans = []
        with suppress(psutil.Error, OSError):
            session = os.getsid(server)
            # A process that was forked just now is still in the session of the server.
            orphans = [
                child
                for child in psutil.Process(server).children()
                if child.pid not in ours and os.getsid(child.pid) != session
            ]
        if not orphans:
            return
        for orphan in orphans:
            with suppress(psutil.Error):
                for each in (*orphan.children(recursive=True), orphan):
                    each.kill()
        time.sleep(0.002)


def _server_pid() -> int | None:
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid


def _signal_server(number: int) -> None:
    pid = _server_pid()
    if pid is not None:
        with suppress(OSError):
            os.kill(pid, number)


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
