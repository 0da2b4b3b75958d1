"""Where an exception arose: the line that helps whoever wrote the module."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from traceback import FrameSummary

import context_modules
from harness.environment.source import INSTALLED
from harness.suite.document import shown

_HARNESS = str(Path(__file__).resolve().parents[2])
_MODULES = {context_modules.__path__[0], str(Path(context_modules.__path__[0]).resolve())}
_PYTHON = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
_MOST_LINKS = 20  # of exceptions, each raised while another was handled


def user_line(error: BaseException) -> str | None:
    """`gate.py:14`: the innermost line of a user's file, below which PyTorch or ours raised.

    Where no file of a user takes part, it is that of the catalog's module; then that of another
    library. `None` where none of them does.
    """
    with suppress(Exception):  # a stranger's exception may raise where it is asked
        stacks = [_within_harness(each) for each in _chain(error)]
        for told in (_of_user, _of_catalog, _of_library):
            for frames in stacks:
                for frame in reversed(frames):
                    if (file := told(frame.filename)) is not None:
                        return f"{file}:{frame.lineno}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it was raised for."""
    link: BaseException | None = error
    for _ in range(_MOST_LINKS):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _within_harness(error: BaseException) -> list[FrameSummary]:
    """Its frames from the first of ours on: what lies above calls us, and is not measured."""
    frames = list(traceback.extract_tb(error.__traceback__))
    ours = (n for n, frame in enumerate(frames) if _lies_in(frame.filename, _HARNESS))
    return frames[next(ours, 0) :]


def _lies_in(file: str, *folders: str) -> bool:
    return any(file.startswith(f"{folder}/") for folder in folders)


def _of_user(file: str) -> str | None:
    strange = file.startswith("<") or not INSTALLED.isdisjoint(file.split("/"))
    ours = _lies_in(file, _HARNESS, *_MODULES, *_PYTHON)
    return None if strange or ours else shown(Path(file))


def _of_catalog(file: str) -> str | None:
    return f"context_modules/{Path(file).name}" if _lies_in(file, *_MODULES) else None


def _of_library(file: str) -> str | None:
    parts = file.split("/")
    found = [n for n, part in enumerate(parts) if part in INSTALLED]
    name = "/".join(parts[found[-1] + 1 :]) if found else ""
    return None if not name or name.startswith(("torch/", "harness/")) else name
