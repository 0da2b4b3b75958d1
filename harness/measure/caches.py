"""The last-level cache, which an array must exceed for a bandwidth to be the memory's."""

from contextlib import suppress
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_SCALE = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# STREAM (McCalpin): each array at least four times the sum of all last-level caches.
ARRAY_OVER_CACHE = 4
SMALLEST_ARRAY = 1 << 28
LARGEST_MEMORY_SHARE = 8  # two arrays then take a quarter of the memory at most


def last_level_bytes(cpus: Path = _CPUS) -> int | None:
    """Sum of all last-level caches of this machine, each counted once; `None` if unknown."""
    found: dict[tuple[int, str], int] = {}
    for index in cpus.glob("cpu[0-9]*/cache/index[0-9]*"):
        with suppress(OSError, ValueError, KeyError):
            if _read(index / "type") == "Instruction":
                continue
            # The processors that share a cache name it: one entry however many of them list it.
            place = (int(_read(index / "level")), _read(index / "shared_cpu_list"))
            found[place] = _bytes(_read(index / "size"))
    if not found:
        return None
    last = max(level for level, _ in found)
    return sum(size for (level, _), size in found.items() if level == last)


def array_bytes(cache: int | None, memory: int) -> int:
    """Bytes of each array of a bandwidth measurement, as far as the memory allows."""
    wanted = max(SMALLEST_ARRAY, ARRAY_OVER_CACHE * (cache or 0))
    return min(wanted, memory // LARGEST_MEMORY_SHARE)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _bytes(text: str) -> int:
    return int(text[:-1]) * _SCALE[text[-1]]
