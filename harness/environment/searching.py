"""Import of a user's files: from the folders of a suite, and as they are now."""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import context_modules  # noqa: F401 - so that its files are found whatever becomes of `sys.path`

OWN = ("harness", "context_modules")
"""Packages of this project, which no file of a user replaces."""

_TOP = Path(__file__).resolve().parents[2]
CHECKOUT = _TOP if (_TOP / "pyproject.toml").is_file() else None
"""The checkout from which this package runs; `None` where it is installed."""

_BEFORE = "HARNESS_ENVIRONMENT_BEFORE"  # holds what `safe_start` replaced
_LIBRARY = str(Path(os.__file__).parent)
_STANDARD = (_LIBRARY, str(Path(_LIBRARY, "lib-dynload")))

_origin: dict[str, tuple[tuple[str, ...], int]] = {}
"""Name of an imported module: the search path under which it was imported, and its file's time."""

_within: list[tuple[str, ...]] = []
"""Search paths of the blocks that are under way."""


@contextmanager
def searching(search_path: tuple[str, ...]) -> Iterator[None]:
    """Search folders as `with_folders` says; a file from others, or that was changed, is forgotten.

    Two suites may each have a `blocks.py` beside them, and `sys.modules` knows one of that name. A
    notebook may write its file anew, which every process of a case reads as it is now. Within such
    a block another without folders has those of the outer one.
    """
    search_path = search_path or (_within[-1] if _within else ())
    for name in [
        name for name, known in _origin.items() if known != (search_path, _changed_at(name))
    ]:
        sys.modules.pop(name, None)
        del _origin[name]
    before, saved = set(sys.modules), list(sys.path)
    sys.path[:] = with_folders(search_path)
    importlib.invalidate_caches()
    _within.append(search_path)
    try:
        yield
    finally:
        _within.pop()
        sys.path[:] = saved
        for name in set(sys.modules) - before:
            if _is_users(name, search_path, saved):
                _origin[name] = (search_path, _changed_at(name))


def with_folders(folders: tuple[str, ...]) -> list[str]:
    """`sys.path` for a user's files: Python's own library, their folders, then the rest.

    A `random.py` beside a suite is not the one that PyTorch imports. And where the user has a
    folder `modules` without `__init__.py`, which loses to a package of that name anywhere on the
    path, this checkout, which has one, is left out.
    """
    standard = [path for path in sys.path if path in _STANDARD]
    rest = [path for path in sys.path if path not in (*standard, *folders)]
    if any(Path(folder, "modules").is_dir() for folder in folders):
        rest = [path for path in rest if Path(path).resolve() != CHECKOUT]
    return [*standard, *folders, *rest]


def safe_environment() -> dict[str, str]:
    """Variables with which Python finds this package, and looks for nothing in its own folder.

    Processes that begin with `python -c` or `-m` search the current folder first: a `types.py`
    there would end them before they have begun.
    """
    given = os.environ.get("PYTHONPATH", "")
    path = [str(CHECKOUT), given] if CHECKOUT else [given]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, path))}


@contextmanager
def safe_start() -> Iterator[None]:
    """A safe environment for the processes that multiprocessing starts to serve others."""
    safe = safe_environment()
    before = {name: os.environ.get(name) for name in safe}
    os.environ |= safe | {_BEFORE: json.dumps(before)}
    try:
        yield
    finally:
        restore_environment()


def restore_environment() -> None:
    """Undo `safe_start`; in the server, so that what a user's module starts is as it always was."""
    for name, value in json.loads(os.environ.pop(_BEFORE, "{}")).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _is_users(name: str, search_path: tuple[str, ...], path: list[str]) -> bool:
    """Whether an imported module comes from a folder of the search path.

    An installed package does not, though the virtual environment lies in such a folder, as it does
    in most projects: its nearest folder on the path is that of the installed packages. To forget
    PyTorch and import it again ends the process. Nor do these packages, run from a checkout.
    """
    if name.partition(".")[0] in OWN:
        return False
    file = getattr(sys.modules[name], "__file__", None) or ""
    folders = (folder.rstrip("/") for folder in (*search_path, *path) if folder)
    around = (folder for folder in folders if file.startswith(folder + "/"))
    nearest = max(around, key=len, default="")
    return any(nearest == folder.rstrip("/") for folder in search_path)


def _changed_at(name: str) -> int:
    """When the file of an imported module was last changed; 0 if it is gone."""
    try:
        return Path(getattr(sys.modules.get(name), "__file__", None) or "").stat().st_mtime_ns
    except OSError:
        return 0
