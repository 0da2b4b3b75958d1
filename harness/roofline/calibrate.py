"""Calibrating: the ceilings of a device measured in a fresh process.

`python -m harness.roofline.calibrate cpu 2` is that process: it answers with one line of JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from harness.environment import describe_environment
from harness.roofline.calibration import CalibrationError, Entry, ceilings_from
from harness.roofline.ceilings import Ceilings
from harness.searching import safe_environment

LIMIT = 300.0  # seconds; a calibration takes under 30
_MARK = "ceilings: "

Measure = Callable[[str, int], Ceilings]


def calibrate(
    device: str, threads: int, measure: Measure | None = None, environment: Any = None
) -> Entry:
    """Measure the ceilings of a device now.

    Args:
        device: `cpu` or `cuda`.
        threads: of the CPU.
        measure: how; in a fresh process if absent.
        environment: of the machine; described if absent, before anything is measured.

    Raises:
        CalibrationError: the measurement failed.
    """
    described = describe_environment() if environment is None else environment
    ceilings = (measure or in_fresh_process)(device, threads)
    return Entry(
        device=device,
        threads=threads if device == "cpu" else None,
        ceilings=ceilings,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=described,
    )


def in_fresh_process(device: str, threads: int) -> Ceilings:
    """Measure in a process of its own: no caches, threads or allocator state of this one.

    Raises:
        CalibrationError: the process failed, with the last line that it said.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.roofline.calibrate", device, str(threads)],
            env=os.environ | safe_environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CalibrationError(
            f"no answer of the calibration within {LIMIT:g} s; end other work and try again"
        ) from error
    # Libraries may print what they like, so the answer is marked.
    answers = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode != 0 or not answers:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1][:300]
        raise CalibrationError(
            f"the calibration of {device} ended with exit code {done.returncode}: {said}; "
            "see `harness env` for what this machine has"
        )
    return ceilings_from(json.loads(answers[-1].removeprefix(_MARK)))


def measure_here(device: str, threads: int) -> Ceilings:
    """Measure in this process; meant for a fresh one."""
    import torch

    from harness.roofline.bench import CpuBench, CudaBench
    from harness.roofline.ceilings import measure_ceilings

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with torch.inference_mode():
        return measure_ceilings(CudaBench() if device == "cuda" else CpuBench())


if __name__ == "__main__":
    found = measure_here(sys.argv[1], int(sys.argv[2]))
    sys.stdout.write(_MARK + json.dumps(asdict(found)) + "\n")
