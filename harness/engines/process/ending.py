"""How a process was ended, in words."""

import signal
from contextlib import suppress
from pathlib import Path

from harness.case import Status


def signal_of(code: int | None) -> str | None:
    """Name of the signal that an exit code tells of; `None` where it tells of none."""
    if code is None or code >= 0:
        return None
    with suppress(ValueError):
        return signal.Signals(-code).name
    first, last = getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", 0)  # none on macOS
    if first < -code < last:
        return f"SIGRTMIN+{-code - first}"
    return f"signal {-code}"


def ended_by_signal(
    code: int | None, metric: str, oom_kills_before: int
) -> tuple[Status, str] | None:
    """Status and cause of a case whose process a signal has ended; `None` where none has.

    Args:
        code: exit code.
        metric: that was being measured.
        oom_kills_before: `oom_kills` when the process began.
    """
    if (name := signal_of(code)) is None:
        return None
    if name == "SIGKILL" and oom_kills() > oom_kills_before:
        return "oom", f"ended by the kernel's out-of-memory killer, in metric {metric}"
    return "killed", f"killed by {name}, in metric {metric}"


def oom_kills() -> int:
    """How often this kernel has ended a process for lack of memory; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
