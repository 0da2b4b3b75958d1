"""Memory of a case: predicted live peak, the allocator's peak, the resident set."""

import ctypes
import gc
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode

from harness.case import Device, Job, Pass
from harness.measure import inputs
from harness.measure.control_flow import is_control_flow, opened
from harness.measure.passes import TimedPass, as_run
from harness.measure.recall import device_asked
from harness.measure.reused import references_of_cpp, reused_bytes
from harness.measure.subject import (
    Subject,
    on_fake_or_real,
    real_subject,
    require_finite,
    tensors_of,
)
from harness.measure.warmed import Warmed, keep
from harness.measure.workspace import inner_bytes, storage_bytes
from harness.messages import first_line

_CLEAR_PEAK = "5"  # proc(5): writing 5 to clear_refs resets the peak of the resident set


def measure_memory(job: Job) -> dict[str, object]:
    """Predict the live peak on fake tensors, without taking the memory (real ones where needed).

    Inputs, parameters and buffers are left out; the gradients of parameters and inputs are part of
    the training peak.

    Returns:
        `live_peak_bytes` (forward without gradients), `live_peak_training_bytes` (forward and
        backward), `input_bytes`. The training peak is `None` with a warning where a module has no
        backward.
    """

    def peak(pass_: Pass) -> int:
        case = replace(job.case, pass_=pass_)
        known = _seen.pop((case.key, job.search_path), None)
        if known is not None:
            return known
        return on_fake_or_real(case, job.seed, job.search_path, live_peak)[0]

    input_bytes = sum(_bytes(leaf, job.case.dtype) for leaf in inputs.of_case(job.case))
    return peaks(peak, job.case.pass_) | {"input_bytes": input_bytes}


def peaks(peak: Callable[[Pass], int], asked: Pass) -> dict[str, object]:
    """Both live peaks, bytes; that of the pass which nobody asked for may be missing.

    Args:
        peak: that of a pass.
        asked: the pass of the case.
    """
    figures: dict[str, object] = {"live_peak_bytes": peak("inference")}
    try:
        figures["live_peak_training_bytes"] = peak("training")
    except Exception as error:  # whatever a backward that nobody asked for raises
        if asked == "training":
            raise
        figures["live_peak_training_bytes"] = None
        figures["warnings"] = [f"no live peak of forward + backward: {first_line(error)}"]
    return figures


def _bytes(leaf: inputs.Leaf, dtype: str) -> int:
    item: int = getattr(torch, leaf.dtype or dtype).itemsize
    return prod(leaf.shape) * item


def live_peak(subject: Subject) -> int:
    """Bytes of the largest sum of storages alive during one pass of a subject."""
    mode = LivePeak((*subject.inputs, *subject.state), subject.case.device)
    with mode:
        subject.forward()
    return mode.peak_bytes


class LivePeak(TorchDispatchMode):
    """Follows storages from their creation to their release and keeps the largest sum.

    On fake tensors this predicts, without memory, what an allocator that never fragments would
    hold; of the temporaries within operators of the CPU those that `inner_bytes` knows are seen.
    Use it under `torch.no_grad()` or with gradients, not under `torch.inference_mode()`, where
    composite operators hide what they allocate.

    Args:
        ignored: tensors that do not count (the input, the parameters).
        device: whose kernels the pass is for; fake tensors of all cases lie on the CPU.

    Attributes:
        peak_bytes: the largest sum so far.
        live_bytes: the sum now.
        reused_bytes: what of it the last operator would have written into, without this mode.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # PyTorch's wrapper against it would take longer than the mode itself

    def __init__(self, ignored: Iterable[Tensor] = (), device: Device = "cpu") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kernels_known = device == "cpu"
        self.live_bytes = 0
        self.peak_bytes = 0
        self.reused_bytes = 0
        self._references_of_cpp = references_of_cpp()
        # A storage's Python object lives as long as the storage, so its address is a valid key
        # until the finalizer has run.
        self._sizes: dict[int, int] = {}
        self._ignored = tuple(part.untyped_storage() for t in ignored for part in _parts(t))
        self._ignored_addresses = {storage._cdata for storage in self._ignored}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, then follow the storages of what it returned."""
        if (device := device_asked(func, args)) is not None:
            return device
        if is_control_flow(func):
            with self:
                return opened(func, args)()
        self.reused_bytes = reused_bytes(func, args, self._references_of_cpp)
        out = func(*args, **(kwargs or {}))
        least = storage_bytes(func, args) if self._kernels_known else 0
        for tensor in tensors_of(out):
            for part in _parts(tensor):
                self._follow(part.untyped_storage(), least)
        held = self.live_bytes - self.reused_bytes
        within = inner_bytes(func, args, out) if self._kernels_known else 0
        self.reached(held + within)
        return out

    def reached(self, size: int) -> None:
        """Note a sum of live storages, bytes."""
        self.peak_bytes = max(self.peak_bytes, size)

    def _follow(self, storage: UntypedStorage, least: int = 0) -> None:
        address = storage._cdata
        if address in self._ignored_addresses:
            return
        known = self._sizes.get(address)
        if known is None:
            weakref.finalize(storage, self._release, address).atexit = False
        # An in-place resize changes it.
        self._sizes[address] = max(storage.nbytes(), least)
        self.live_bytes += self._sizes[address] - (known or 0)

    def _release(self, address: int) -> None:
        self.live_bytes -= self._sizes.pop(address)


class _PeakAbove(LivePeak):
    """Above a mode that decides for itself which branch of a `cond` it takes."""

    undecided = False  # whether there was such a choice, of which a live peak takes both

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if is_control_flow(func):
            self.undecided = True
            return func(*args, **(kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)


# Live peaks that were seen while something else was counted, for whoever asks for them next.
_seen: dict[tuple[str, tuple[str, ...]], int] = {}


def peak_seen(subject: Subject, search_path: tuple[str, ...]) -> AbstractContextManager[None]:
    """Follow the live peak of the pass within, for `measure_memory` of the same case.

    Made before other modes are entered, which would count how it gets to know PyTorch, and entered
    after them: what reaches it then comes from PyTorch itself.
    """
    _seen.clear()
    mode = _PeakAbove((*subject.inputs, *subject.state), subject.case.device)

    @contextmanager
    def follow() -> Iterator[None]:
        with mode:
            yield
        if not mode.undecided:
            _seen[subject.case.key, search_path] = mode.peak_bytes

    return follow()


def _parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """The dense tensors that hold a tensor's values."""
    if tensor.layout is torch.strided:
        return (tensor,)
    return (tensor._indices(), tensor._values()) if tensor.layout is torch.sparse_coo else ()


def measure_allocator(job: Job) -> dict[str, object]:
    """Run one pass on CUDA after a warm-up and read the caching allocator (CUDA cases).

    Returns:
        `allocator_peak_bytes`: most that was allocated, over what was allocated before the pass, so
        that inputs, parameters and buffers are left out; `allocator_requested_bytes`: most that was
        asked for, before the allocator rounds up to its blocks, likewise;
        `allocator_reserved_bytes`: most that was reserved from the driver, everything of the
        process included. All `None` on the CPU, whose allocator keeps no such account
        (`memory_model` reads it through the profiler).
    """
    names = [f"allocator_{name}_bytes" for name in ("peak", "requested", "reserved")]
    if job.case.device != "cuda":
        return dict.fromkeys(names)
    subject = as_run(real_subject(job.case, job.seed, job.search_path))
    require_finite(subject.forward())
    subject.clear_gradients()
    peak = allocator_peak(subject.forward)
    return dict(zip(names, (peak.allocated, peak.requested, peak.reserved), strict=True))


@dataclass(frozen=True)
class AllocatorPeak:
    """Figures of one pass."""

    allocated: int  # bytes of tensors and workspaces held at most, over what was held before
    requested: int  # the same before each is rounded up to a block of the allocator
    reserved: int  # bytes that the allocator had taken from the driver at most, all of the process


def allocator_peak(run: Callable[[], object], cuda: Any = torch.cuda) -> AllocatorPeak:
    """Run a pass and read the allocator's own peaks.

    Run it once before: the first pass allocates what the process keeps (cuBLAS workspaces, for
    example), which no later pass pays for.

    Args:
        run: the pass; what it returns is kept until the peak is read.
        cuda: `torch.cuda`, or what stands for it in a test.
    """
    gc.collect()  # what was left in cycles would be freed during the pass
    cuda.synchronize()
    cuda.empty_cache()  # what earlier passes reserved is not this one's
    cuda.reset_peak_memory_stats()
    before = cuda.memory_stats()
    out = run()
    cuda.synchronize()
    after = cuda.memory_stats()

    def growth(of: str) -> int:
        return max(0, int(after[f"{of}.all.peak"]) - int(before[f"{of}.all.current"]))

    peak = AllocatorPeak(
        allocated=growth("allocated_bytes"),
        requested=growth("requested_bytes"),
        reserved=int(after["reserved_bytes.all.peak"]),
    )
    del out
    return peak


def measure_resident(job: Job) -> dict[str, object]:
    """Run one real pass and read the peak of the resident set (Linux, CPU cases).

    Returns:
        `resident_peak_bytes`: growth of the resident set over its value before the pass (parameters
        and inputs are already resident then); `None` with a warning where the kernel cannot say.
    """
    if job.case.device != "cpu":
        return {"resident_peak_bytes": None}
    subject = as_run(real_subject(job.case, job.seed, job.search_path))
    run = TimedPass(subject, time.perf_counter)
    for tensor in (*subject.state, *subject.inputs):
        tensor.detach().sum()  # touched, so that all pages of the state are resident
    with suppress(OSError, AttributeError):
        # Memory that an earlier pass freed but malloc kept would hide what this one takes.
        ctypes.CDLL(None).malloc_trim(0)  # malloc_trim(3), glibc
    try:
        Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)
        before = _status_bytes("VmRSS")
    except OSError:
        warning = "no resident set: this kernel does not let a process reset its peak"
        return {"resident_peak_bytes": None, "warnings": [warning]}
    seconds, out = run.timed()
    after = _status_bytes("VmHWM")
    run.settle(out)
    del out
    keep(job, Warmed(subject, (seconds,)))
    return {"resident_peak_bytes": max(0, after - before)}


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
