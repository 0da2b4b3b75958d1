"""Checking: sections in turn, each in a process of its own, within a budget of seconds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from harness.case import Device, from_plain
from harness.environment.searching import safe_environment
from harness.messages import last_line
from harness.selfcheck.finding import NO_TIME, Finding
from harness.selfcheck.process import ALONE, FINDINGS
from harness.selfcheck.section import SECTIONS, USUAL_BUDGET, Checked, Section
from harness.selfcheck.setting import PATIENCE

GRACE = PATIENCE + 15.0
"""Seconds after its time in which a section may end by itself: what it began goes on."""


def self_check(
    device: Device,
    budget: float = USUAL_BUDGET,
    sections: Sequence[Section] = SECTIONS,
    ended: Callable[[Checked], None] = lambda _: None,
) -> tuple[Checked, ...]:
    """Check a device; a section that fails costs the others nothing.

    Args:
        device: `cpu`, or `cuda`: the first GPU that PyTorch sees.
        budget: seconds that all may take together; a section that would not fit is skipped.
        sections: those to check, in this order.
        ended: told of each section after it.
    """
    end = time.monotonic() + budget
    found = []
    for number, section in enumerate(sections):
        left = end - time.monotonic()
        if device not in section.devices:
            checked = _not_begun(section, "needs a GPU")
        elif left < section.least:
            why = f"needs {section.least:.0f} s, {max(0, left):.0f} s are left: raise --budget"
            checked = _not_begun(section, why, short=True)
        else:
            # What earlier sections have not used belongs to the rest.
            shares = sum(each.share for each in sections[number:] if device in each.devices)
            seconds = min(left, max(section.least, left * section.share / shares))
            checked = in_fresh_process(section, device, seconds)
        found.append(checked)
        ended(checked)
    return tuple(found)


def _not_begun(section: Section, why: str, *, short: bool = False) -> Checked:
    return Checked(section.name, section.asks, (), 0.0, skipped=why, short=short)


def in_fresh_process(section: Section, device: Device, seconds: float) -> Checked:
    """Check one section; what it found before it crashed or hung is kept."""
    start = time.monotonic()
    with _scratch() as folder:
        failure = _run(section, device, seconds, folder)
        findings = tuple(_findings(folder / FINDINGS))
    short = any(each.said == NO_TIME for each in findings)
    took = time.monotonic() - start
    return Checked(section.name, section.asks, findings, took, failure, short=short)


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="harness-selfcheck-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(section: Section, device: Device, seconds: float, folder: Path) -> str | None:
    """Why the process did not end as it should; `None` where it did."""
    command = [sys.executable, "-m", "harness.selfcheck.process", section.module, device]
    command += [f"{seconds:.1f}", str(folder), *([ALONE] if section.alone else [])]
    with (folder / "said").open("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            command,
            env=os.environ | safe_environment() | _one_gpu(device),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # its runs are ended with it
        )
        try:
            code = process.wait(timeout=seconds + GRACE)
        except subprocess.TimeoutExpired:
            return f"not ended {GRACE:.0f} s after its time of {seconds:.0f} s: {_last(said)}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code == 0:
            return None
        return f"ended by {signal.Signals(-code).name}: {_last(said)}" if code < 0 else _last(said)


def _last(said: TextIO) -> str:
    said.seek(0)
    return last_line(said.read())


def _one_gpu(device: Device) -> dict[str, str]:
    """On several GPUs two runs need not wait for each other: sections see the first alone."""
    seen = os.environ.get(_GPUS, "").split(",")[0].strip()
    return {_GPUS: seen or "0"} if device == "cuda" else {}


_GPUS = "CUDA_VISIBLE_DEVICES"


def _findings(path: Path) -> Iterable[Finding]:
    with suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # cut off when its process ended
                yield from_plain(Finding, json.loads(line))
