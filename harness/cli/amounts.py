"""Amounts as people write them on a command line: durations, sizes of memory, prices."""

import math
import re

from harness.cli.options import OptionError
from harness.present.units import UNITS

_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:d|h|min|m|s)\s*)+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?i?B)", re.ASCII)
_BYTES = {**UNITS["bytes"], "TB": 1e12, "TiB": 2.0**40}


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
