"""The worker: measures one case and answers metric by metric."""

import contextlib
import ctypes
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.case import Job, Status, Used, as_plain
from harness.environment import used_files
from harness.environment.searching import with_folders
from harness.measure import METRICS, STATIC, function_of
from harness.messages import HarnessError, last_lines, printable, text_of

# Large blocks that malloc maps and unmaps at every pass fault all their pages again; from 1 GiB on
# they would dominate small latencies. mallopt(3) of glibc names the two numbers.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BELOW = 1 << 30

_ALLOCATION_FAILURES = (
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "not enough memory",
    "bad_alloc",
    "Storage size calculation overflowed",  # more bytes than a 64-bit size can say
)
_MISSING_OPERATORS = (
    "not implemented for",
    "Could not run",
    "is not currently implemented",
    "not supported on",
)
# Of our own errors, by name, since their modules import torch.
_STATUS_OF: dict[str, Status] = {
    "PredictedOutOfMemoryError": "oom",
    "CudaGraphError": "unsupported",
}
_LINES_OF_TRACE = 12
_LONGEST_LINE, LONGEST_CAUSE = 500, 600

Send = Callable[..., None]  # takes the parts of one message


def work(job: Job, send: Send) -> None:
    """Measure every metric of a job and send each as it ends.

    Messages: `("metric", name)`, `("values", name, values, seconds)`, `("used", what)`, then
    `("done",)` or `("failed", status, cause, last lines of the traceback)`. Whatever else ends the
    process, the engine learns from its exit.
    """
    from harness.measure.forecast import require_room

    def tell(used: Used) -> None:
        device = _gpu() if job.case.device == "cuda" else None
        send("used", as_plain(replace(used, device=device)))

    try:
        _prepare(job)
        used_files.begin(job.search_path, tell)
        known: dict[str, object] = {}
        end: tuple[Any, ...] = ("done",)
        for name in sorted(job.metrics, key=_turn):
            send("metric", name)
            start = time.perf_counter()
            if name not in STATIC:
                require_room(job, known)
            try:
                values = function_of(name)(job)
            except Exception as error:
                if name in METRICS:
                    raise
                end = _failed(error, f"metric {name}: ")
                continue
            known |= values
            send("values", name, values, time.perf_counter() - start)
        tell(used_files.used(job.depends_on))
        send(*end)
    except BaseException as error:  # also SystemExit and KeyboardInterrupt of a module
        with contextlib.suppress(OSError):  # the module closed the pipe; the exit says the rest
            with contextlib.suppress(Exception):
                tell(used_files.used(job.depends_on))
            send(*_failed(error))


def _gpu() -> str:
    """Name and UUID of the GPU that this process uses."""
    import torch

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return f"{properties.name} {getattr(properties, 'uuid', '')}".strip()


def _failed(error: BaseException, where: str = "") -> tuple[Any, ...]:
    status, cause = classify(error)
    trace = last_lines("".join(traceback.format_exception(error)), _LINES_OF_TRACE)
    return "failed", status, where + cause, trace


def _turn(name: str) -> tuple[bool, bool]:
    """Static metrics first: a case that is predicted not to fit keeps them; last those of a user,
    whose mistakes cost no other metric."""
    return name not in METRICS, name not in STATIC


def classify(error: BaseException) -> tuple[Status, str]:
    """Status and one-line cause of an exception that a case raised."""
    # It imports torch, for which `harness --help` shall not wait.
    from harness.measure.subject import NonFiniteOutputError, NoOutputError

    text, name = text_of(error), type(error).__name__
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = printable(first)[:_LONGEST_LINE]
    if isinstance(error, (NonFiniteOutputError, NoOutputError)):
        return "invalid", line
    if isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, OSError)) and any(s in text for s in _ALLOCATION_FAILURES)
    ):
        return "oom", f"out of memory: {line or name}"
    if isinstance(error, NotImplementedError) or any(s in text for s in _MISSING_OPERATORS):
        return "unsupported", line or name
    if isinstance(error, HarnessError):
        return _STATUS_OF.get(type(error).__name__, "error"), line or name
    if isinstance(error, SystemExit):
        return "error", f"the module ended the process: exit code {line or 0}"
    return "error", f"{name}: {line}" if line else name


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
    sys.path[:] = with_folders(job.search_path)
