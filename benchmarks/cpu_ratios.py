"""CPU seconds of processes, and their ratio to those of a peer."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable

ROUNDS = int(os.environ.get("HARNESS_ROUNDS", "3"))


def cpu_seconds(*arguments: str) -> float:
    """User and system seconds of a Python process and of all below it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ratios(one: Callable[[], float], peer: Callable[[], float]) -> list[float]:
    """Of what one takes to what its peer takes, in turns."""
    return [one() / peer() for _ in range(ROUNDS)]


def import_of_torch() -> float:
    """CPU seconds of a process that imports torch and does nothing."""
    return cpu_seconds("-c", "import torch")
