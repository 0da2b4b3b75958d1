"""What the commands print, where, and how amounts are written."""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stdout,
    suppress,
)
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.measure.metric import SCALES
from harness.present.console import PrintableConsole


def shown_duration(seconds: float) -> str:
    """Two units at most, as rough as an estimate is: `45 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`.

    Below ten seconds one decimal remains.
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def shown_bytes(count: float) -> str:
    """In the largest binary unit in which it is at least 1."""
    for name in ("GiB", "MiB", "KiB"):
        if count >= SCALES["bytes"].units[name]:
            return f"{count / SCALES['bytes'].units[name]:.1f} {name}"
    return f"{count:.0f} B"


WIDE = 200
"""Columns where nobody looks at a terminal: a file, a pipe, the log of CI."""


def console(*, stderr: bool = False) -> Console:
    """A console that leaves numbers and names as they are; wide where it is no terminal."""
    made = PrintableConsole(stderr=stderr)
    if made.is_terminal or "COLUMNS" in os.environ:
        return made
    return PrintableConsole(stderr=stderr, width=WIDE)


def say(text: str, where: Console | None = None, *, style: str = "") -> None:
    """Print a line as it is, neither marked up nor wrapped; to stdout if nowhere else."""
    (where or console()).print(text, markup=False, soft_wrap=True, style=style)


def complain(text: str) -> None:
    """Say on stderr what is wrong, where anybody can be told."""
    with suppress(OSError):
        say(text, console(stderr=True))


def busy(what: str) -> AbstractContextManager[object]:
    """Say on a terminal what is done while the block lasts; it is gone afterwards."""
    errors = console(stderr=True)
    return errors.status(escape(what)) if errors.is_terminal else nullcontext()


# Marks of verdicts, which have to stay apart, and what tables are made of.
_LETTERS = {"✓": "a", "✗": "d", "†": "e", "‡": "n", "±": "+-", "Δ": "diff", "–": "-", "─": "-"}


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_LETTERS.get(each, "?") for each in lost), error.end


def forgive_encodings() -> None:
    """Let what the output cannot encode become letters (marks) or question marks, not errors."""
    codecs.register_error("harness.replace", _replaced)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # a test or an embedder replaced it
            stream.reconfigure(errors="harness.replace")  # type: ignore[union-attr]


def lost_output() -> OSError | None:
    """Write what is still held back; why stdout could not be written.

    What cannot be written is let go, so that Python does not complain at its end.
    """
    lost = None
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (AttributeError, ValueError):  # there is none
            pass
        except OSError as error:
            lost = lost or (error if number == 1 else None)
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)
    return lost


@contextmanager
def strangers() -> Iterator[None]:
    """Import a user's files: what they print goes to stderr, and the current directory stays.

    Checking a suite imports the modules it names, and stdout belongs to our tables and our JSON.
    """
    folder, out, err = Path.cwd(), sys.stdout, sys.stderr
    with suppress(Exception):
        out.flush()
    with _descriptor_redirected(1, 2), redirect_stdout(err):
        try:
            yield
        finally:
            with suppress(Exception):  # they may have put anything in its place
                sys.stdout.flush()
            sys.stderr = err
            os.chdir(folder)


@contextmanager
def _descriptor_redirected(source: int, target: int) -> Iterator[None]:
    """Writes below Python, too: of libraries in C and of child processes."""
    try:
        saved = os.dup(source)
    except OSError:  # started without that stream
        yield
        return
    with suppress(OSError):
        os.dup2(target, source)
    try:
        yield
    finally:
        os.dup2(saved, source)
        os.close(saved)
