"""The devices of this machine: which case gets which, and who else is on them."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.case import Job
from harness.engines.locks import DeviceLock
from harness.engines.need import is_timed
from harness.slot import Slot

_WATCH = 0.2  # seconds of a look at the load; 20 ticks of the kernel's clock
_BUSY_SHARE = 0.25  # of the cores; as for the warning before a run


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process sees.

    Attributes:
        visible: what `CUDA_VISIBLE_DEVICES` calls it.
        identity: the same in every process of this machine.
        name: of the product.
    """

    visible: str
    identity: str
    name: str


_NO_GPU = Gpu("", "none", "")


@dataclass
class Grant:
    """Devices that a job, or the processes of a case that sample in turns, may use.

    Attributes:
        slot: what its processes are confined to.
        warnings: what else was on the devices.
        users: processes that have not ended.
        closed: whether the devices were given back.
    """

    slot: Slot
    locks: ExitStack
    warnings: tuple[str, ...] = ()
    users: int = 1
    closed: bool = False

    def release(self) -> None:
        """One process has ended; with the last one the devices are free."""
        self.users -= 1
        if self.users <= 0:
            self.close()

    def close(self) -> None:
        """Give the devices back at once."""
        self.closed = True
        self.locks.close()


@dataclass
class Devices:
    """Hands out devices to jobs.

    Attributes:
        cores: those that all cases together may use; `None`: as the operating system decides.
        gpus: those to choose from; found when the first job needs one if absent.
        load: cores in use by anybody; `None`: not looked at.
        locks: folder of the lock files.
        taken: why the last `take` gave nothing.
    """

    cores: tuple[int, ...] | None = None
    gpus: Sequence[Gpu] | None = None
    load: Callable[[tuple[int, ...]], float] | None = None
    locks: Path | None = None
    taken: str = field(default="", init=False)

    def take(self, job: Job, users: int = 1) -> Grant | None:
        """Devices for a job; `None` while somebody else has them, and `taken` says who.

        Raises:
            EngineError: locks cannot be had here at all.
        """
        grant = None
        with ExitStack() as held:
            gpu = self._take_gpu(job, held) if job.case.device == "cuda" else _NO_GPU
            cpu = not is_timed(job) or self._take_cpu(job, held)
            if gpu is not None and cpu:
                slot = Slot(self.cores, gpu.visible if gpu is not _NO_GPU else None)
                grant = Grant(slot, held.pop_all(), self._company(job), users)
        return grant

    def _take_gpu(self, job: Job, held: ExitStack) -> Gpu | None:
        if self.gpus is None:
            self.gpus = visible_gpus()
        for gpu in self.gpus:
            lock = DeviceLock(f"gpu-{gpu.identity}", _name(job), self.locks)
            if lock.take(shared=not is_timed(job)):
                held.callback(lock.release)
                return gpu
            self.taken = f"GPU {gpu.visible} is held by {lock.held_by or 'another process'}"
        if not self.gpus:  # the worker says what PyTorch finds
            return _NO_GPU
        if len(self.gpus) > 1:
            self.taken = f"all {len(self.gpus)} GPUs are held, the last {self.taken}"
        return None

    def _take_cpu(self, job: Job, held: ExitStack) -> bool:
        """The processor: alone for what is timed on it, shared by what is timed on a GPU."""
        lock = DeviceLock("cpu", _name(job), self.locks)
        if not lock.take(shared=job.case.device == "cuda"):
            self.taken = f"the processor is held by {lock.held_by or 'another process'}"
            return False
        held.callback(lock.release)
        return True

    def _company(self, job: Job) -> tuple[str, ...]:
        """One sentence per disturbance that was there before the job began."""
        if self.load is None or not is_timed(job):
            return ()
        cores = self.cores or own_cores()
        busy = self.load(cores)
        if busy <= _BUSY_SHARE * len(cores):
            return ()
        return (
            f"busy node: {busy:.1f} of {len(cores)} cores were in use before the case began; "
            "end other work there, and measure it again",
        )


def own_cores() -> tuple[int, ...]:
    """Logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))  # macOS


def busy_cores(cores: tuple[int, ...]) -> float:
    """How many of some cores are in use now, by anybody; takes a fifth of a second."""
    import psutil

    shares = psutil.cpu_percent(_WATCH, percpu=True)
    return sum(shares[core] for core in cores if core < len(shares)) / 100


def visible_gpus() -> tuple[Gpu, ...]:
    """GPUs of the same product as the first that PyTorch sees: a run compares on one kind."""
    import torch

    if not torch.cuda.is_available():
        return ()
    said = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        visible = said[index] if index < len(said) else str(index)
        found.append(Gpu(visible, str(getattr(properties, "uuid", visible)), properties.name))
    return tuple(gpu for gpu in found if gpu.name == found[0].name)


def _name(job: Job) -> str:
    return f"{job.suite}: {job.label}"
