"""The forecast: whether a case fits into the free memory, asked before it takes any."""

import gc
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from harness.case import Device, Job
from harness.messages import HarnessError

# Left to the kernel, to the other processes and to the worker itself: this project's own choice.
MARGIN_SHARE = 0.05

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: Device) -> int:
    """Bytes that a case may take: on the CPU less a margin, on CUDA see `cuda_free_bytes`."""
    if device == "cuda":
        import torch

        return cuda_free_bytes(torch.cuda)
    memory = psutil.virtual_memory()
    free = min([memory.available, *group_rooms(_own_group())])
    return max(0, free - int(MARGIN_SHARE * memory.total))


def cuda_free_bytes(cuda: Any) -> int:
    """What the driver has left, and what the caching allocator of this process keeps unused.

    Args:
        cuda: `torch.cuda`, or what stands for it in a test.
    """
    gc.collect()  # what earlier metrics left in cycles
    free, _ = cuda.mem_get_info()
    return int(free) + int(cuda.memory_reserved()) - int(cuda.memory_allocated())


def group_rooms(folders: Iterable[Path]) -> list[int]:
    """What is left below the limit of each control group (cgroup v2) that has one.

    The kernel gives back pages of files before it ends a process, so inactive ones count as free.
    """
    rooms = []
    for folder in folders:
        with suppress(OSError, ValueError):
            limit = int((folder / "memory.max").read_text())  # "max" where there is none
            used = int((folder / "memory.current").read_text())
            inactive = 0
            with suppress(OSError, StopIteration):
                lines = (folder / "memory.stat").read_text().splitlines()
                inactive = next(int(x.split()[1]) for x in lines if x.startswith("inactive_file "))
            rooms.append(max(0, limit - used + inactive))
    return rooms


def _own_group() -> list[Path]:
    """The control group of this process and all above it."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = _CGROUP / line.removeprefix("0::").lstrip("/")
                return [own, *(p for p in own.parents if p.is_relative_to(_CGROUP))]
    return []


class PredictedOutOfMemoryError(HarnessError):
    """The case needs more memory than is free."""


def require_room(
    job: Job, known: Mapping[str, Any], free: Callable[[Device], int] | None = None
) -> None:
    """Refuse a case whose predicted need exceeds the free memory.

    The need is parameters, buffers, inputs and the live peak of the case's pass (gradients are part
    of the training peak), or its predicted peak where `memory_model` has measured what operators
    take. It is a lower bound: what libraries take within an operator is known to that metric alone.

    Args:
        job: what is about to run.
        known: values of the metrics measured so far; what is missing is predicted now.
        free: bytes free on a device; this machine's if absent.

    Raises:
        PredictedOutOfMemoryError: names both figures and the option that runs it all the same.
    """
    if job.force:
        return
    need = _predicted_need(job, known)
    if need is None:
        return
    room = (free or free_bytes)(job.case.device)
    if need > room:
        raise PredictedOutOfMemoryError(
            f"predicted {_shown(need)}, {_shown(room)} free; --force runs it"
        )


def _predicted_need(job: Job, known: Mapping[str, Any]) -> int | None:
    training = job.case.pass_ == "training"
    peak = "live_peak_training_bytes" if training else "live_peak_bytes"
    parts = [known.get(name) for name in (peak, "param_bytes", "buffer_bytes", "input_bytes")]
    if all(part is not None for part in parts):
        need = sum(int(part) for part in parts if part is not None)
        return need + max(0, int(known.get("predicted_peak_bytes") or 0) - int(known[peak]))
    from harness.measure.memory import live_peak
    from harness.measure.subject import fake_subject

    try:
        with fake_subject(job.case, job.search_path) as subject:
            held = {id(t): t.numel() * t.element_size() for t in (*subject.state, *subject.inputs)}
            return live_peak(subject) + sum(held.values())
    except Exception:  # a module that needs values, or one that fails: the metric will say how
        return None


def _shown(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
