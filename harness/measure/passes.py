"""Timed passes, eager or compiled, on CPU and CUDA; caches flushed before them, clocks beside."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from harness.case import Job
from harness.environment.gpu import driver_uuid, nvml_library, reasons_of
from harness.environment.machine import last_level_bytes
from harness.measure.blocked_stream import BlockedStream, time_on_stream
from harness.measure.sampling import Clock
from harness.measure.subject import Subject, require_finite
from harness.messages import HarnessError

Flush = Callable[[], object]
"""Empties the caches before a sample, for cold timings."""

# Twice the cache, since a processor's replacement is not strictly by age; where the cache is
# unknown, more than one socket of 2026 has (768 MiB).
CPU_BUFFER_OVER_CACHE = 2
CPU_BUFFER_IF_UNKNOWN = 1 << 30


def flush_of(job: Job) -> Flush | None:
    """What empties the caches before each sample of a job; `None` if they are to stay warm."""
    if job.timing.cache == "hot":
        return None
    return cpu_flush() if job.case.device == "cpu" else cuda_flush()


def cpu_flush(cache_bytes: int | None = None) -> Flush:
    """Streams a buffer larger than the last-level cache, reading and writing all of it.

    Args:
        cache_bytes: of the last-level caches; as the kernel says if absent.
    """
    known = cache_bytes if cache_bytes is not None else last_level_bytes()
    size = CPU_BUFFER_OVER_CACHE * known if known else CPU_BUFFER_IF_UNKNOWN
    buffer = torch.zeros(max(1, size), dtype=torch.uint8)
    return lambda: buffer.add_(1)


def cuda_flush(l2_bytes: int | None = None, device: str = "cuda") -> Flush:
    """Overwrites a buffer of exactly the size of the L2 cache, on the stream of the passes.

    As NVBench does before each cold sample (its `l2flush`). The writes lie before the start event,
    so they are no part of the sample.

    Args:
        l2_bytes: of the L2 cache; as the device says if absent.
        device: of the buffer.
    """
    if l2_bytes is None:
        l2_bytes = int(torch.cuda.get_device_properties(device).L2_cache_size)
    buffer = torch.empty(max(1, l2_bytes), dtype=torch.uint8, device=device)

    def flush() -> None:
        buffer.zero_()

    return flush


# NVBench: --throttle-threshold 75 (per cent of the default SM clock).
THROTTLED = 0.75


# Reasons that hold the clock down whatever somebody has set.
_TROUBLES = ("slowdown", "power cap")


def throttling(uuid: str, library: Any = None) -> Callable[[], bool | None] | None:
    """A function that says whether the GPU is throttled now: slow, and not because it was told so.

    Slow is an SM clock well below the largest that the product allows, which the CUDA runtime calls
    the clock rate of the device and NVBench takes as default. Clocks that somebody has locked may
    lie there, too; then the driver names no reason that comes from heat or power.

    Args:
        uuid: of the device, as PyTorch's device properties have it.
        library: the module `pynvml`, or what stands for it in a test.

    Returns:
        `None` where NVML is not installed, has no such device or does not know its clocks.
    """
    nvml = library if library is not None else nvml_library()
    if nvml is None:
        return None
    try:
        nvml.nvmlInit()  # until the process ends: a worker measures one case
        handle = nvml.nvmlDeviceGetHandleByUUID(driver_uuid(uuid))
        default = nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)
    except nvml.NVMLError:
        return None
    if not default:
        return None

    def read() -> bool | None:
        with suppress(nvml.NVMLError):
            now = float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
            if now >= THROTTLED * float(default):
                return False
            with suppress(nvml.NVMLError):  # a driver without reasons: the clock alone decides
                mask = int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
                return any(word in each for each in reasons_of(mask) for word in _TROUBLES)
            return True
        return None

    return read


def timed_pass(
    subject: Subject,
    job: Job,
    clock: Clock,
    flush: Flush | None = None,
    *,
    throttled: Callable[[], bool | None] | None = None,
    blocked: bool = False,
    cuda: Any = torch.cuda,
) -> "TimedPass":
    """The passes of a job on its device, eager or as a CUDA graph; see their classes."""
    if job.case.device == "cpu":
        return TimedPass(subject, clock, flush)
    kind = GraphPass if job.timing.cuda_graph else CudaPass
    made = kind(subject, clock, flush, throttled, cuda)
    made.block = BlockedStream(cuda) if blocked else None
    return made


class TimedPass:
    """Runs one pass on the CPU per call and gives its duration in seconds.

    The first pass is a warm-up in any case, so that the check of its output costs no pass.

    Args:
        subject: what is run.
        clock: in seconds.
        flush: empties the caches before each pass; `None` leaves them as the last pass did.

    Attributes:
        run: one pass, of which nothing is timed or checked.
        changes_input: whether the first pass wrote into an input, which the next begins with.
    """

    def __init__(self, subject: Subject, clock: Clock, flush: Flush | None = None) -> None:
        self._subject = subject
        self.run: Callable[[], object] = partial(forward, subject)
        self._clock = clock
        self._flush = flush
        self._checked = False
        self._versions = self._input_versions()
        self.changes_input = False

    def _input_versions(self) -> list[int]:
        """Of each input, how often something was written into it."""
        return [each._version for each in self._subject.inputs]

    def __call__(self) -> float:
        """Run one pass; its duration in seconds.

        Raises:
            NonFiniteOutputError: the first output is NaN or infinite somewhere.
        """
        if self._flush is not None:
            self._flush()
        seconds, out = self.timed()
        self.settle(out)
        return seconds

    def settle(self, out: object) -> None:
        """Check the first output, and let go of gradients.

        Raises:
            NonFiniteOutputError: it is NaN or infinite somewhere.
        """
        if not self._checked:
            require_finite(out)
            self._checked = True
            self.changes_input = self._input_versions() != self._versions
        self._subject.clear_gradients()

    def timed(self) -> tuple[float, object]:
        """Duration of one pass, and what it returned."""
        start = self._clock()
        out = self.run()
        return self._clock() - start, out


def forward(subject: Subject) -> object:
    """One pass as users run it: inference mode, or forward and backward."""
    if subject.case.pass_ == "training":
        return subject.forward()
    with torch.inference_mode():
        return subject.output()


def as_run(subject: Subject) -> Subject:
    """The subject as its real passes run it: compiled if its case says so."""
    return compiled(subject, time.perf_counter)[0] if subject.case.compile else subject


def compiled(subject: Subject, clock: Clock) -> tuple[Subject, float]:
    """The subject with its module behind `torch.compile`, and what the compilation took.

    `torch.compile` compiles at the first call, so the seconds are those of the first pass:
    compilation and one run. Its cache on disk (`TORCHINDUCTOR_CACHE_DIR`) shortens them.

    Args:
        subject: as built.
        clock: in seconds.
    """
    start = clock()
    ready = replace(subject, module=cast(nn.Module, torch.compile(subject.module)))
    forward(ready)
    if subject.case.device == "cuda":
        torch.cuda.synchronize()
    seconds = clock() - start
    ready.clear_gradients()
    return ready, seconds


# PyTorch, "CUDA semantics", section "Whole-network capture": warm up on a side stream before the
# capture; its example takes three passes.
PASSES_BEFORE_CAPTURE = 3


class CudaGraphError(HarnessError):
    """A pass cannot be captured in a CUDA graph."""


class CudaPass(TimedPass):
    """Timed by events on the device; see `time_on_stream`.

    Args:
        subject: what is run.
        clock: of the host, for what its launches take.
        flush: empties the L2 cache before each pass.
        throttled: says after each pass whether the GPU is throttled; `None` if unknown.
        cuda: `torch.cuda`, or what stands for it in a test.

    Attributes:
        block: holds the stream while a pass is enqueued; `None`: launches are part of its time.
        throttled: one answer per pass, warm-up included.
        hidden: whether no launch was part of its time, of each pass, warm-up included.
    """

    def __init__(
        self,
        subject: Subject,
        clock: Clock,
        flush: Flush | None = None,
        throttled: Callable[[], bool | None] | None = None,
        cuda: Any = torch.cuda,
    ) -> None:
        super().__init__(subject, clock, flush)
        self._cuda = cuda
        self._is_throttled = throttled
        self.block: BlockedStream | None = None
        self.throttled: list[bool | None] = []
        self.hidden: list[bool] = []

    def timed(self) -> tuple[float, object]:
        """Seconds between two events around the pass, and what it returned."""
        timed = time_on_stream(self.run, self._clock, self.block, self._cuda)
        if timed.hidden is not None:
            self.hidden.append(timed.hidden)
        if self._is_throttled is not None:
            self.throttled.append(self._is_throttled())
        return timed.seconds, timed.out


class GraphPass(CudaPass):
    """A pass captured once and replayed, so that the host's launches are no part of its time.

    Gradients are captured too in training; inputs, outputs and gradients keep their places.

    Raises:
        CudaGraphError: the capture failed; the sentence has PyTorch's reason.
    """

    def __init__(self, *of_pass: Any, **options: Any) -> None:
        super().__init__(*of_pass, **options)
        try:
            self.run = self._captured()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), "no reason")
            raise CudaGraphError(
                f"CUDA graph: the capture failed: {reason.strip()}; set cuda_graph: false"
            ) from error

    def _captured(self) -> Callable[[], object]:
        cuda, subject = self._cuda, self._subject
        graph = cuda.CUDAGraph()
        side = cuda.Stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            for _ in range(PASSES_BEFORE_CAPTURE):
                subject.clear_gradients()  # so that the capture allocates them from its own pool
                forward(subject)
        cuda.current_stream().wait_stream(side)
        subject.clear_gradients()
        with cuda.graph(graph):
            out = forward(subject)

        def replay() -> object:
            graph.replay()
            return out

        return replay
