"""What installed packages add under a group of entry points."""

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path


def entry_points_of(group: str) -> Sequence[EntryPoint]:
    """The entry points of a group.

    A suite asks for them at each name, and Python reads a file of every installed package each
    time. They are read again where `sys.path` or what is installed in its folders has changed.
    """
    return _read(group, tuple((path, _changed_at(path)) for path in sys.path))


@lru_cache(maxsize=8)
def _read(group: str, _folders: tuple[tuple[str, int], ...]) -> Sequence[EntryPoint]:
    return tuple(entry_points(group=group))


def _changed_at(path: str) -> int:
    """When something was last added to or removed from a folder; 0 where there is none."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0
