"""Import of a user's files: from the folders of a suite, and as they are now."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWN = ("harness", "modules")

_origin: dict[str, tuple[tuple[str, ...], int]] = {}
"""Name of an imported module: the search path under which it was imported, and its file's time."""


@contextmanager
def searching(search_path: tuple[str, ...]) -> Iterator[None]:
    """Folders in front of `sys.path`; a file from other folders, or that was changed, is forgotten.

    Two suites may each have a `blocks.py` beside them, and `sys.modules` knows one of that name. A
    notebook may write its file anew, which every process of a case reads as it is now.
    """
    for name in [name for name, known in _origin.items() if known != (search_path, _time(name))]:
        sys.modules.pop(name, None)
        del _origin[name]
    before, saved = set(sys.modules), list(sys.path)
    sys.path[:0] = search_path
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = saved
        for name in set(sys.modules) - before:
            if _is_users(name, search_path, saved):
                _origin[name] = (search_path, _time(name))


def _is_users(name: str, search_path: tuple[str, ...], path: list[str]) -> bool:
    """Whether an imported module comes from a folder of the search path.

    An installed package does not, though the virtual environment lies in such a folder, as it does
    in most projects: its nearest folder on the path is that of the installed packages. To forget
    PyTorch and import it again ends the process. Nor do these packages, run from a checkout.
    """
    if name.partition(".")[0] in _OWN:
        return False
    file = getattr(sys.modules[name], "__file__", None) or ""
    nearest = max(
        (folder.rstrip("/") for folder in (*search_path, *path) if _lies_in(file, folder)),
        key=len,
        default="",
    )
    return any(nearest == folder.rstrip("/") for folder in search_path)


def _lies_in(file: str, folder: str) -> bool:
    return bool(folder) and file.startswith(folder.rstrip("/") + "/")


def _time(name: str) -> int:
    """When the file of an imported module was last changed; 0 if it is gone."""
    try:
        return Path(getattr(sys.modules.get(name), "__file__", None) or "").stat().st_mtime_ns
    except OSError:
        return 0
