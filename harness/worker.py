"""The worker: measures one case in a fresh process and answers over a pipe, metric by metric."""

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.errors import HarnessError
from harness.measure import STATIC, metric
from harness.measure.finite import NonFiniteOutputError
from harness.outcome import Status

# Large blocks that malloc maps and unmaps at every pass fault all their pages again; from 1 GiB on
# they would dominate small latencies. glibc's mallopt(3): M_MMAP_THRESHOLD is -3, M_TRIM_THRESHOLD -1.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BELOW = 1 << 30
_PR_SET_PDEATHSIG = 1
_FIRST_TO_GO = "1000"  # proc(5): oom_score_adj of the process that the kernel should end first

_ALLOCATION_FAILURES = ("can't allocate memory", "out of memory", "not enough memory", "bad_alloc")
_MISSING_OPERATORS = (
    "not implemented for",
    "Could not run",
    "is not currently implemented",
    "not supported on",
)


def work(connection: Connection, job: Job, log: str) -> None:
    """Measure every metric of a job and send each as it ends.

    Messages: `("metric", name)`, `("values", name, values, seconds)`, then `("done",)` or
    `("failed", status, cause)`. Whatever else ends the process, the parent learns from its exit.

    Args:
        connection: writing end of a pipe.
        job: what to measure.
        log: file that takes stdout and stderr.
    """
    _isolate(log)
    try:
        _prepare(job)
        for name in job.metrics:
            connection.send(("metric", name))
            start = time.perf_counter()
            values = metric(name)(job)
            connection.send(("values", name, values, time.perf_counter() - start))
        connection.send(("done",))
    except BaseException as error:
        traceback.print_exc()
        connection.send(("failed", *classify(error)))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def classify(error: BaseException) -> tuple[Status, str]:
    """Status and one-line cause of an exception that a case raised."""
    text = _one_line(error)
    if isinstance(error, NonFiniteOutputError):
        return "invalid", text
    if isinstance(error, MemoryError) or any(s in str(error) for s in _ALLOCATION_FAILURES):
        return "oom", f"out of memory: {text}"
    if isinstance(error, NotImplementedError) or any(s in str(error) for s in _MISSING_OPERATORS):
        return "unsupported", text
    if isinstance(error, HarnessError):
        return "error", text
    if isinstance(error, SystemExit):
        return "error", f"the module ended the process: exit code {error.code}"
    return "error", f"{type(error).__name__}: {text}"


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(error).__name__


def _isolate(log: str) -> None:
    # A session of its own: the whole process group can be ended, whatever it forked, and Ctrl-C in
    # the terminal reaches only the parent, which decides.
    os.setsid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _prepare(job: Job) -> None:
    import torch

    with contextlib.suppress(OSError, AttributeError):
        libc: Any = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BELOW)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BELOW)
    if set(job.metrics) <= set(STATIC):
        torch.set_num_threads(1)  # nothing is timed, and neighbours have work for the other cores
    elif job.threads is not None:
        torch.set_num_threads(job.threads)
    for folder in reversed(job.search_path):
        if folder not in sys.path:
            sys.path.insert(0, folder)
