"""The devices of this machine: which case gets which, and who else is on them."""

import errno
import fcntl
import os
import re
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.case import Device, Job, Slot
from harness.engines.engine import EngineError, is_timed
from harness.messages import printable

# Locks on the devices of this machine, between all harness processes of all its users, are advisory
# ones of the kernel (`flock`): they end with the process that holds them, however that ends. They
# can be shared, and lie in a file that says who holds them: filelock gives no descriptor to write
# that with, and shares locks through a database alone.

LOCKS_VARIABLE = "HARNESS_LOCK_DIR"
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)
_HOLDER_WIDTH = 200


def lock_folder() -> Path:
    """Folder of the lock files: `$HARNESS_LOCK_DIR`, or one that all users of the machine share.

    Raises:
        EngineError: it cannot be made, or something else has its name.
    """
    given = os.environ.get(LOCKS_VARIABLE)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / "harness-locks"
    try:
        folder.mkdir(mode=0o777, parents=True, exist_ok=True)
        mode = folder.lstat().st_mode
    except OSError as error:
        raise EngineError(
            f"{folder}: no folder for locks on devices: {error.strerror}; "
            f"name another with {LOCKS_VARIABLE}"
        ) from error
    if not stat.S_ISDIR(mode) and not given:  # in a folder of everybody, a link may be a trap
        raise EngineError(f"{folder}: not a folder; name another with {LOCKS_VARIABLE}")
    if not given:
        with suppress(OSError):  # somebody else's; they have opened it to all
            folder.chmod(0o1777)
    return folder


class DeviceLock:
    """A lock on one device: `cpu`, or `gpu-` with an index or UUID.

    `holder` says who asks, to those that find it taken.
    """

    def __init__(self, device: str, holder: str, folder: Path | None = None) -> None:
        self.device = device
        self._holder = f"process {os.getpid()}: {holder}"
        self._path = (folder or lock_folder()) / f"{re.sub(r'[^A-Za-z0-9-]', '_', device)}.lock"
        self._file: int | None = None

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free, without waiting; alone, or beside others that share it.

        Raises:
            EngineError: the lock file cannot be opened, or its file system has no locks.
        """
        try:
            file = _open(self._path)
        except OSError as error:
            raise EngineError(
                f"{self._path}: no lock on the device: {error.strerror}; name another folder with "
                f"{LOCKS_VARIABLE}"
            ) from error
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if error.errno in _TAKEN:
                return False
            raise EngineError(
                f"{self._path}: the file system has no locks ({error.strerror}); name a folder on "
                f"another with {LOCKS_VARIABLE}"
            ) from error
        self._file = file
        with suppress(OSError):  # somebody else's file; the lock holds all the same
            os.ftruncate(file, 0)
            os.pwrite(file, self._holder.encode(errors="replace")[:_HOLDER_WIDTH], 0)
        return True

    def release(self) -> None:
        """Give it back; nothing if it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def held_by(self) -> str:
        """Who took it last, in words; empty if nobody said."""
        try:
            text = self._path.read_bytes()[:_HOLDER_WIDTH].decode(errors="replace")
        except OSError:
            return ""
        return printable(text)

    def __enter__(self) -> "DeviceLock":
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


def _open(path: Path) -> int:
    """Open a lock file; one of another user may only be readable, which is enough to lock it."""
    with suppress(PermissionError):
        try:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            with suppress(OSError):
                os.fchmod(file, 0o666)  # whatever the umask says
            return file
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


_LOOK_AGAIN = 0.25  # seconds until a lock that was taken is asked for again
_WATCH = 0.2  # seconds of a look at the load; 20 ticks of the kernel's clock
_BUSY_SHARE = 0.25  # of the cores; as for the warning before a run


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process sees."""

    visible: str  # what `CUDA_VISIBLE_DEVICES` calls it
    identity: str  # the same in every process of this machine
    name: str  # of the product


_NO_GPU = Gpu("", "none", "")


@dataclass
class Grant:
    """Devices that a job, or the processes of a case that sample in turns, may use."""

    slot: Slot  # what its processes are confined to
    locks: ExitStack
    warnings: tuple[str, ...] = ()  # what else was on the devices
    users: int = 1  # processes that have not ended
    closed: bool = False  # whether the devices were given back

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
    """Hands out devices to jobs."""

    # those that all cases together may use; `None`: as the operating system decides
    cores: tuple[int, ...] | None = None
    # those to choose from; found when the first job needs one if absent
    gpus: Sequence[Gpu] | None = None
    # cores in use by anybody; `None`: not looked at
    load: Callable[[tuple[int, ...]], float] | None = None
    locks: Path | None = None  # folder of the lock files
    taken: str = field(default="", init=False)  # why the last `take` gave nothing
    # grants of each GPU, by its identity, that were not given back
    granted: Counter[str] = field(default_factory=Counter, init=False)

    def take(self, job: Job, users: int = 1) -> Grant | None:
        """Devices for a job; `None` while somebody else has them, and `taken` says who.

        Raises:
            EngineError: locks cannot be had here at all.
        """
        with ExitStack() as held:
            gpu = self._take_gpu(job, held) if job.case.device == "cuda" else _NO_GPU
            if gpu is not None and (not is_timed(job) or self._take_cpu(job, held)):
                slot = Slot(self.cores, gpu.visible if gpu is not _NO_GPU else None)
                return Grant(slot, held.pop_all(), self._company(job), users)
        return None

    def _take_gpu(self, job: Job, held: ExitStack) -> Gpu | None:
        if self.gpus is None:
            self.gpus = visible_gpus()
        # What shares a GPU takes the one with the fewest others of ours.
        for gpu in sorted(self.gpus, key=lambda each: self.granted[each.identity]):
            lock = DeviceLock(f"gpu-{gpu.identity}", f"{job.suite}: {job.label}", self.locks)
            if lock.take(shared=not is_timed(job)):
                held.callback(lock.release)
                self.granted[gpu.identity] += 1
                held.callback(self.granted.subtract, [gpu.identity])
                return gpu
            self.taken = f"GPU {gpu.visible} is held by {lock.held_by or 'another process'}"
        if not self.gpus:  # the worker says what PyTorch finds
            return _NO_GPU
        if len(self.gpus) > 1:
            self.taken = f"all {len(self.gpus)} GPUs are held, the last {self.taken}"
        return None

    def _take_cpu(self, job: Job, held: ExitStack) -> bool:
        """The processor: alone for what is timed on it, shared by what is timed on a GPU."""
        lock = DeviceLock("cpu", f"{job.suite}: {job.label}", self.locks)
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
        if (busy := self.load(cores)) <= _BUSY_SHARE * len(cores):
            return ()
        return (
            f"busy node: {busy:.1f} of {len(cores)} cores were in use before the case began; "
            "end other work there, and measure it again",
        )


@contextmanager
def alone_on(
    device: Device, holder: str, waiting: Callable[[str], None], locks: Path | None = None
) -> Iterator[None]:
    """The device that this process measures on by itself, locked as engines lock it for a case.

    Args:
        device: on CUDA the first GPU that PyTorch sees, and the processor beside others.
        holder: who asks, to those that find it taken.
        waiting: told once who has it, where it is not free.
        locks: folder of the lock files.

    Raises:
        EngineError: locks cannot be had here at all.
    """
    wanted = [("cpu", device == "cuda")]
    if device == "cuda":
        wanted += [(f"gpu-{gpu.identity}", False) for gpu in visible_gpus()[:1]]
    with ExitStack() as held:
        told = False
        for name, shared in wanted:
            lock = held.enter_context(DeviceLock(name, holder, locks))
            while not lock.take(shared=shared):
                if not told:
                    waiting(f"{name} is held by {lock.held_by or 'another process'}")
                told = True
                time.sleep(_LOOK_AGAIN)
        yield


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
