"""How much memory a case may take now."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from harness.case import Device

# Left to the kernel, to the other processes and to the worker itself: this project's own choice.
MARGIN_SHARE = 0.05

_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: Device) -> int:
    """Bytes that a case may take: on the CPU less a margin, on CUDA as the driver says."""
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(free)
    memory = psutil.virtual_memory()
    free = min([memory.available, *group_rooms(_own_group())])
    return max(0, free - int(MARGIN_SHARE * memory.total))


def group_rooms(folders: Iterable[Path]) -> list[int]:
    """What is left below the limit of each control group (cgroup v2) that has one.

    The kernel gives back pages of files before it ends a process, so inactive ones count as free.
    """
    rooms = []
    for folder in folders:
        with suppress(OSError, ValueError):
            limit = int((folder / "memory.max").read_text())  # "max" where there is none
            used = int((folder / "memory.current").read_text())
            rooms.append(max(0, limit - used + _inactive_file(folder)))
    return rooms


def _inactive_file(folder: Path) -> int:
    with suppress(OSError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                return int(value)
    return 0


def _own_group() -> list[Path]:
    """The control group of this process and all above it."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = _CGROUP / line.removeprefix("0::").lstrip("/")
                return [own, *(p for p in own.parents if p.is_relative_to(_CGROUP))]
    return []
