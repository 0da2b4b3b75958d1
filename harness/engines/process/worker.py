"""The worker: measures one case and answers metric by metric."""

import contextlib
import ctypes
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.case import Job, Status, Used, as_plain
from harness.engines.process.answer import AnswerWriter
from harness.engines.process.ending import ended_by_signal, oom_kills
from harness.engines.process.server import forks
from harness.engines.process.user_line import user_line
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
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDA_ERROR_OUT_OF_MEMORY",  # of the driver's own interface, as Triton uses it
    "Storage size calculation overflowed",  # more bytes than a 64-bit size can say
)
# Behind it PyTorch lists every process on the GPU, and settings of its allocator.
_ROOM_OF_GPU = " is free."
_NO_FORWARD = 'is missing the required "forward" function'  # what nn.Module says of a class
_MISSING_OPERATORS = (
    "not implemented for",
    "Could not run",
    "is not currently implemented",
    "not supported on",
    "no kernel image is available",  # PyTorch was not built for this GPU
)
# Of our own errors, by name, since their modules import torch.
_STATUS_OF: dict[str, Status] = {
    "PredictedOutOfMemoryError": "oom",
    "CudaGraphError": "unsupported",
}
_LINES_OF_TRACE = 12
_LONGEST_LINE, LONGEST_CAUSE = 500, 800

Send = Callable[..., None]  # takes the parts of one message


def work_in_turn(jobs: Sequence[Job], send: Send) -> None:
    """Measure jobs one after the other in this process, until one fails; `("next",)` between two.

    See `work` for what is sent of each.
    """
    for number, job in enumerate(jobs):
        if number:
            send("next")
        if not work(job, send):
            return


def work(job: Job, send: Send) -> bool:
    """Measure every metric of a job and send each as it ends; whether all went well.

    Messages: `("metric", name)`, `("values", name, values, seconds)`, `("used", what)`,
    `("gpu", which)` before and after what runs on one, then
    `("done",)` or `("failed", status, cause, last lines of the traceback)`. Whatever else ends the
    process, the engine learns from its exit.
    """
    worker = _Worker(job, send)
    try:
        worker.run()
        return worker.failure is None
    except BaseException as error:  # also SystemExit and KeyboardInterrupt of a module
        with contextlib.suppress(OSError):  # the module closed the pipe; the exit says the rest
            with contextlib.suppress(Exception):
                worker.tell(used_files.used(job.depends_on))
            send(*(worker.failure or _failed(error)))
        return False


class _Worker:
    """The measurements of one job; the first failure is the one that it ends with."""

    def __init__(self, job: Job, send: Send) -> None:
        self.job = job
        self.send = send
        self.known: dict[str, object] = {}  # values so far
        self.failure: tuple[Any, ...] | None = None
        self.miscounted: str | None = None  # static metric that failed first

    def tell(self, used: Used) -> None:
        """Say what is measured."""
        self.send("used", as_plain(used))

    def run(self) -> None:
        """All metrics: what is counted first, then what is timed, last those of a user."""
        job = self.job
        _prepare(job)
        used_files.begin(job.search_path, self.tell)
        names = sorted(job.metrics, key=_turn)
        counted = [name for name in names if name in STATIC]
        if counted and len(counted) < len(names):
            self.count_apart(counted)
            _set_threads(job)
        else:
            _set_threads(job)
            self.count(counted)
        self.run_for_real(names[len(counted) :])
        self.tell(used_files.used(job.depends_on))
        if self.failure is not None and self.miscounted and len(counted) < len(names):
            # The module runs; what went wrong is one count.
            kind, status, cause, trace = self.failure
            self.failure = (kind, status, f"metric {self.miscounted}: {cause}", trace)
        self.send(*(self.failure or ("done",)))

    def run_for_real(self, names: Sequence[str]) -> None:
        """Measure what takes real passes; on a GPU, say how it is before and after them."""
        from harness.measure.precision import float32_products, used_gpu

        with float32_products(self.job.case):
            if not names or self.job.case.device != "cuda":
                self.measure(names)
                return
            before = used_gpu()
            self.send("gpu", as_plain(before))
            try:
                self.measure(names)
            finally:
                with contextlib.suppress(RuntimeError):  # a context that a kernel has ended
                    self.send("gpu", as_plain(used_gpu(before)))

    def measure(self, names: Sequence[str]) -> None:
        """Measure one after the other; what a user's metric raises costs none of the others."""
        from harness.measure.forecast import require_room

        for name in names:
            self.send("metric", name)
            start = time.perf_counter()
            require_room(self.job, self.known)
            try:
                values = function_of(name)(self.job)
            except Exception as error:
                if name in METRICS:
                    raise
                self.failure = self.failure or _failed(error, f"metric {name}: ")
                continue
            self.take(name, values, time.perf_counter() - start)

    def take(self, name: str, values: Mapping[str, Any], seconds: float) -> None:
        """Keep the values of a metric and send them."""
        self.known |= values
        self.send("values", name, values, seconds)

    def count(self, names: Sequence[str]) -> None:
        """Measure what is static; what fails costs none of the others."""
        for name in names:
            self.send("metric", name)
            start = time.perf_counter()
            try:
                values = function_of(name)(self.job)
            except Exception as error:
                self.failure = self.failure or _failed(error)
                self.miscounted = self.miscounted or name
                continue
            self.take(name, values, time.perf_counter() - start)

    def count_apart(self, names: Sequence[str]) -> None:
        """The same in a child process, with the user's file imported before where forks bear that.

        A count runs the module on fake tensors. What it keeps of them beyond the pass (a cache
        filled in `forward`) would meet the real passes that follow.
        """
        from harness.instantiate import resolve

        if forks():
            resolve(self.job.case.module, self.job.search_path)
        metric, kills = names[0], oom_kills()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reading)
                self._count_as_child(AnswerWriter(writing).send, names)
            finally:
                os._exit(0)
        os.close(writing)
        ended = False
        with os.fdopen(reading, "rb") as answers:
            for line in answers:
                kind, *said = json.loads(line.strip() or b'["",""]')
                if kind == "ended":
                    failure, self.miscounted = said
                    ended, self.failure = True, tuple(failure) if failure else None
                elif kind == "values":
                    self.take(*said)
                elif kind:
                    metric = said[0] if kind == "metric" else metric
                    self.send(kind, *said)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if not ended:
            cause = f"the process that counts ended with exit code {code}, in metric {metric}"
            status, cause = ended_by_signal(code, metric, kills) or ("error", cause)
            self.failure = ("failed", status, cause, ())

    def _count_as_child(self, send: Send, names: Sequence[str]) -> None:
        import torch

        torch.set_num_threads(1)  # threads of the parent are not there, and nothing is timed
        self.send = send
        try:
            self.count(names)
        except BaseException as error:  # also SystemExit of a module
            self.failure = self.failure or _failed(error)
        send("ended", self.failure, self.miscounted)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a module may have replaced or closed them
                stream.flush()


def _failed(error: BaseException, where: str = "") -> tuple[Any, ...]:
    status, cause = classify(error)
    return "failed", status, where + cause, last_lines(trace_of(error), _LINES_OF_TRACE)


def trace_of(error: BaseException) -> str:
    """The traceback of an exception without the line that `classify` has in its cause."""
    told = traceback.TracebackException.from_exception(error)
    whole, last = "".join(told.format()), "".join(told.format_exception_only())
    return whole.removesuffix(last) + last.partition("\n")[2]


def _turn(name: str) -> tuple[bool, bool]:
    """Static metrics first: a case that is predicted not to fit keeps them; last those of a user,
    whose mistakes cost no other metric."""
    return name not in METRICS, name not in STATIC


def classify(error: BaseException) -> tuple[Status, str]:
    """Status and one-line cause of an exception that a case raised, with the line in its code."""
    status, cause = _classified(error)
    line = user_line(error)
    return status, f"{cause} ({line})" if line else cause


def _classified(error: BaseException) -> tuple[Status, str]:
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
        asked, free, _ = line.partition(_ROOM_OF_GPU)
        return "oom", f"out of memory: {asked + free or name}"
    missing = isinstance(error, NotImplementedError) and _NO_FORWARD not in text
    if missing or any(each in text for each in _MISSING_OPERATORS):
        return "unsupported", line or name
    if isinstance(error, HarnessError):
        return _STATUS_OF.get(type(error).__name__, "error"), line or name
    if isinstance(error, SystemExit):
        return "error", f"the module ended the process: exit code {line or 0}"
    return "error", f"{name}: {line}" if line else name


def _prepare(job: Job) -> None:
    with contextlib.suppress(OSError, AttributeError):
        libc: Any = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BELOW)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BELOW)
    sys.path[:] = with_folders(job.search_path)


def _set_threads(job: Job) -> None:
    import torch

    if set(job.metrics) <= set(STATIC):
        torch.set_num_threads(1)  # nothing is timed, and neighbours have work for the other cores
    elif job.threads is not None:
        torch.set_num_threads(job.threads)
