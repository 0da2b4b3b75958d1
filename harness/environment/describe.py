"""Everything that a reader of a number may ask about the machine that made it."""

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.environment.conditions import Conditions, read_conditions
from harness.environment.git import git_state
from harness.environment.libraries import accelerator_libraries, library_versions
from harness.environment.machine import describe_machine, machine_key
from harness.environment.warnings import warnings_of

# Settings of the threading libraries under PyTorch, which change what a thread count means.
THREAD_SETTINGS = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "KMP_AFFINITY", "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)  # fmt: skip


def describe_environment(
    folder: Path | None = None, conditions: Conditions | None = None
) -> dict[str, Any]:
    """Machine, its key, versions, threads, git state, conditions and the warnings they call for.

    Args:
        folder: where the git state is read; the current directory if absent.
        conditions: what drifts; read now if absent.

    Returns:
        Plain data for `run.json`: clocks in Hz, power in W, temperatures in °C.
    """
    import torch

    # Read before PyTorch touches CUDA: its context would count as a process on the GPU.
    now = conditions or read_conditions()
    machine = describe_machine()
    drifting = asdict(now)
    return {
        "machine": machine,
        "machine_key": machine_key(machine),
        "python": platform.python_version(),
        "libraries": library_versions() | accelerator_libraries(),
        "threads": torch.get_num_threads(),
        "thread_settings": {
            name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ
        },
        "governor": drifting.pop("governor"),
        "git": git_state(folder or Path.cwd()),
        "system_version": platform.release(),
        "conditions": {**drifting, "gpus": [asdict(gpu) for gpu in now.gpus]},
        "warnings": list(warnings_of(now)),
    }
