"""What the commands print, where, and how amounts are written."""

import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

from rich.console import Console

from harness.cli.options import OptionError
from harness.measure.metric import SCALES

# Amounts as people write them on a command line: durations, sizes of memory, prices.

_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:d|h|min|m|s)\s*)+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?i?B)", re.ASCII)
_BYTES = {**SCALES["bytes"].units, "TB": 1e12, "TiB": 2.0**40}


def parse_duration(option: str, text: str) -> float:
    """`90s`, `45min`, `2h`, `1h30m`, `1d` as seconds.

    Args:
        option: for the message.
        text: as written.

    Raises:
        OptionError: no duration, or none that is longer than nothing.
    """
    text = text.strip()
    if not _DURATION.fullmatch(text):
        raise OptionError(f"{option} {text}: no duration; write e.g. 90s, 45min, 2h or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return _positive(option, text, seconds)


def parse_bytes(option: str, text: str) -> float:
    """`32GiB`, `80 GB`, `512MiB` as bytes; MB is 10^6 and MiB 2^20.

    Raises:
        OptionError: no size, or no unit.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or found[2] not in _BYTES:
        raise OptionError(f"{option} {text}: no size; write e.g. 32GiB or 80GB")
    return _positive(option, text, float(found[1]) * _BYTES[found[2]])


def _positive(option: str, text: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise OptionError(f"{option} {text}: more than 0 is needed")
    return value


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
        if count >= _BYTES[name]:
            return f"{count / _BYTES[name]:.1f} {name}"
    return f"{count:.0f} B"


WIDE = 200
"""Columns where nobody looks at a terminal: a file, a pipe, the log of CI."""


def console(*, stderr: bool = False) -> Console:
    """A console that leaves numbers and names as they are; wide where it is no terminal."""
    made = Console(stderr=stderr, highlight=False)
    if made.is_terminal or "COLUMNS" in os.environ:
        return made
    return Console(stderr=stderr, highlight=False, width=WIDE)


def forgive_encodings() -> None:
    """Let characters that the output cannot encode become question marks, not errors."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # a test or an embedder replaced it
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


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
