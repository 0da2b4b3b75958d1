"""The environment of a run: machine and its key, libraries, threads, git state."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from harness.environment.conditions import Conditions, read_conditions, warnings_of
from harness.environment.git import git_state

# Versions of the libraries that a number depends on.

LIBRARIES = ("context-harness", "torch", "fvcore", "numpy", "pandas", "matplotlib", "pydantic")


def library_versions() -> dict[str, str | None]:
    """Version by distribution; `None` for one that is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def accelerator_libraries() -> dict[str, str | None]:
    """CUDA and cuDNN that PyTorch was built with; `None` where it was built without."""
    import torch

    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


_GIB = 1 << 30

# Memory sizes are left out: kernels and drivers reserve some of it for themselves, and another
# version of them would move a machine across a rounding border.
_KEY_FIELDS = ("architecture", "system", "cpu", "cores")


def describe_machine() -> dict[str, Any]:
    """Architecture, system, processor, logical cores, memory in GiB, accelerators."""
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / _GIB),
        "gpus": _gpus(),
    }


def machine_key(machine: Mapping[str, Any]) -> str:
    """Hash of what does not drift on one machine.

    Args:
        machine: as `describe_machine` gives it. Architecture, system, processor, cores and the
            names of accelerators count; clocks, loads, versions, memory sizes do not.
    """
    stable: dict[str, Any] = {name: machine.get(name) for name in _KEY_FIELDS}
    stable["gpus"] = [gpu.get("name") for gpu in machine.get("gpus") or ()]
    canonical = json.dumps(stable, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _gpus() -> list[dict[str, Any]]:
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append({"name": properties.name, "memory_gib": round(properties.total_memory / _GIB)})
    return found


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


# Everything that a reader of a number may ask about the machine that made it.

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


# The environment of a run: machine, libraries, threads, git state, conditions, warnings.

__all__ = ["LIBRARIES", "describe_environment", "git_state", "machine_key", "warnings_of"]
