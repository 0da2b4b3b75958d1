"""The commands."""

import atexit
import os
import sys
import threading
from contextlib import suppress

from harness import ELSEWHERE

if ELSEWHERE:  # before anything is imported that is not there
    sys.stderr.write(f"{ELSEWHERE}\n")
    raise SystemExit(2)

from harness.environment.interruption import leave_at_once


def main() -> None:
    """Entry of the `harness` command: Ctrl-C while its parts are imported ends it, too."""
    leave_at_once()
    from harness.cli.app import main as begin

    try:
        begin()
    except SystemExit as end:
        if isinstance(end.code, int) and not _is_followed():
            _end(end.code)
        raise


def _is_followed() -> bool:
    """Whether somebody waits for the interpreter's own end: a profiler, a debugger, a thread."""
    watched = sys.getprofile() or sys.gettrace() or sys.flags.interactive
    threads = (each for each in threading.enumerate() if each is not threading.main_thread())
    return bool(watched) or not all(each.daemon for each in threads)


def _end(code: int) -> None:
    """End the process without taking apart the modules of PyTorch, which takes half a second."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or its reader has gone
            stream.flush()
    os._exit(code)
