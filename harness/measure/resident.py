"""Resident set: how far the process's memory really grew during one pass on the CPU."""

import ctypes
from contextlib import suppress
from pathlib import Path

from harness.case import Job
from harness.measure.compiled import as_run
from harness.measure.finite import require_finite
from harness.measure.subject import real_subject

_CLEAR_PEAK = "5"  # proc(5): writing 5 to clear_refs resets the peak of the resident set


def measure_resident(job: Job) -> dict[str, object]:
    """Run one real pass and read the peak of the resident set (Linux, CPU cases).

    Returns:
        `resident_peak_bytes`: growth of the resident set over its value before the pass (parameters
        and inputs are already resident then); `None` with a warning where the kernel cannot say.
    """
    if job.case.device != "cpu":
        return {"resident_peak_bytes": None}
    subject = as_run(real_subject(job.case, job.seed, job.search_path))
    for tensor in (*subject.state, *subject.inputs):
        tensor.detach().sum()  # touched, so that all pages of the state are resident
    _give_back_free_memory()
    before = _reset_peak()
    if before is None:
        warning = "no resident set: this kernel does not let a process reset its peak"
        return {"resident_peak_bytes": None, "warnings": [warning]}
    out = subject.forward()
    after = _status_bytes("VmHWM")
    require_finite(out)
    return {"resident_peak_bytes": max(0, after - before)}


def _give_back_free_memory() -> None:
    """Memory that an earlier pass freed but malloc kept would hide what this one takes."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # malloc_trim(3), glibc


def _reset_peak() -> int | None:
    try:
        Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)
        return _status_bytes("VmRSS")
    except OSError:
        return None


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
