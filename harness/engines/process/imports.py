"""Users' files are imported in a process of their own first: one may end it, or never return."""

import importlib
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from harness.engines.process.answer import AnswerError, AnswerReader, understood
from harness.engines.process.child import Child
from harness.engines.process.ending import signal_of
from harness.engines.process.server import start_server
from harness.engines.process.worker import Send
from harness.environment.searching import searching
from harness.instantiate import ModuleError, UserFile
from harness.messages import HarnessError, quote

SECONDS_VARIABLE = "HARNESS_IMPORT_SECONDS"
_SECONDS = 60.0
_CURE = "move what it does when it is imported into functions"

_FORMS: Mapping[str, Any] = {
    "importing": tuple[int],
    "raised": tuple[str],
    "forked": tuple[()],
    "done": tuple[()],
    "exited": tuple[int | None, tuple[str, ...]],
}


def probe(files: Sequence[UserFile]) -> dict[UserFile, ModuleError]:
    """Which files must not be imported here, and why.

    A file that only raises an exception is none of them: whoever imports it says so better.

    Args:
        files: to import, one after the other, in one process as long as that lives.

    Raises:
        HarnessError: no process can be started, or the limit of the environment is no number.
    """
    left, refused, seconds = list(files), {}, _seconds()
    if left:
        start_server()
        importlib.import_module("torch")  # meanwhile; most files that are measured import it
    while left and (found := _first_refused(left, seconds)) is not None:
        number, cause, cure = found
        refused[left[number]] = ModuleError(f"{left[number][1]} {cause}", cure)
        left = left[number + 1 :]
    return refused


def _seconds() -> float:
    """Seconds that the import of a file may take: `$HARNESS_IMPORT_SECONDS`, or a minute."""
    given = os.environ.get(SECONDS_VARIABLE)
    with suppress(ValueError):
        seconds = float(given) if given else _SECONDS
        if 0 < seconds < float("inf"):
            return seconds
    raise HarnessError(f"{SECONDS_VARIABLE}={quote(given)}: write a number of seconds, such as 60")


def _first_refused(files: Sequence[UserFile], seconds: float) -> tuple[int, str, str] | None:
    """Number of the first file that is refused, why, and what helps; `None` where all are fine."""
    child = Child.start(partial(_import_all, tuple(files)))
    answers, number, limit = AnswerReader(child.pipe.fileno()), 0, time.monotonic() + seconds
    try:
        while time.monotonic() < limit:
            wait([child.pipe, child.process.sentinel], max(0.0, limit - time.monotonic()))
            gone = child.is_gone
            for message in answers.take():
                kind, said = understood(_FORMS, message)
                if kind == "done":
                    return None
                if kind != "importing":
                    return number, _cause(kind, *said), _CURE
                number, limit = (
                    min(max(said[0], number), len(files) - 1),
                    time.monotonic() + seconds,
                )
            if gone or answers.closed:
                return number, "kills the processes around the one that imports it", _CURE
    except AnswerError:
        return number, "writes into the pipes of the process that imports it", _CURE
    finally:
        child.leave()
    cause = f"is not imported within {seconds:g} s"
    return number, cause, f"{_CURE}, or set {SECONDS_VARIABLE} to more than {seconds:g}"


def _cause(kind: str, said: Any = None, *_: object) -> str:
    if kind == "raised":
        return f"raises {quote(said)} when it is imported"
    if kind == "forked":
        return "forks the process that imports it"
    if (name := signal_of(said)) is not None:
        return f"kills the process that imports it ({name})"
    return f"ends the process that imports it, with exit code {said}"


def _import_all(files: Sequence[UserFile], send: Send) -> None:
    """The process' side. Exceptions are left to whoever imports the file next."""
    forks: list[int] = []
    os.register_at_fork(before=lambda: forks.append(os.getpid()))
    for number, (search_path, file) in enumerate(files):
        send("importing", number)
        try:
            with searching(search_path):
                importlib.import_module(file)
        except (Exception, SystemExit):
            pass
        except BaseException as error:  # what ends a process that does not expect it
            send("raised", type(error).__name__)
            return
        if forks:  # parent and child would both go on as whoever imported it
            send("forked")
            return
    send("done")
