"""The environment of a run: machine, its key and caches, libraries, threads, git, conditions."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from harness.environment.conditions import Conditions, read_conditions, warnings_of
from harness.environment.git import git_state
from harness.environment.gpu import GpuState, cuda_is_available, uuid_of
from harness.environment.interruption import undisturbed

LIBRARIES = ("context-harness", "torch", "fvcore", "numpy", "pandas", "matplotlib", "pydantic")
"""Distributions that a number depends on."""

# Settings of the libraries under PyTorch that change what a thread count means, which kernels run,
# in which precision, and how memory is had.
SETTINGS = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY",
    "KMP_BLOCKTIME", "MKL_NUM_THREADS", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA",
    "CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF", "TORCHINDUCTOR_MAX_AUTOTUNE", "LD_PRELOAD", "MALLOC_CONF",
)  # fmt: skip

_GIB = 1 << 30
_CPUS = Path("/sys/devices/system/cpu")
_CACHE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# Memory sizes are left out: kernels and drivers reserve some of it for themselves, and another
# version of them would move a machine across a rounding border.
_KEY_FIELDS = ("architecture", "system", "cpu", "cores")


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
    with undisturbed():  # an exception in what its C++ calls meanwhile ends the process aloud
        import torch

    # Read before PyTorch touches CUDA: its context would count as a process on the GPU.
    now = conditions or read_conditions()
    machine = describe_machine()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    now = replace(now, gpus=seen(now.gpus, {uuid_of(index) for index in range(count)}))
    drifting = asdict(now)
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    built_with = {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}
    return {
        "machine": machine,
        "machine_key": machine_key(machine),
        "python": platform.python_version(),
        "libraries": library_versions() | built_with,
        "threads": torch.get_num_threads(),
        "thread_settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "governor": drifting.pop("governor"),
        "git": git_state(folder or Path.cwd()),
        "system_version": platform.release(),
        "conditions": {**drifting, "gpus": [asdict(gpu) for gpu in now.gpus]},
        "warnings": list(warnings_of(now)),
    }


def seen(gpus: tuple[GpuState, ...], uuids: Collection[str | None]) -> tuple[GpuState, ...]:
    """Those of the driver's GPUs that this process may use.

    Args:
        gpus: as the driver lists them, whatever `CUDA_VISIBLE_DEVICES` says.
        uuids: of those that PyTorch sees; slices of a GPU (MIG) are in no list of the driver.
    """
    return tuple(gpu for gpu in gpus if gpu.uuid in uuids) or gpus


def library_versions() -> dict[str, str | None]:
    """Version by distribution; `None` for one that is not installed."""
    found: dict[str, str | None] = dict.fromkeys(LIBRARIES)
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def describe_machine() -> dict[str, Any]:
    """Architecture, system, processor, logical cores, memory in GiB, accelerators."""
    gpus = []
    if cuda_is_available():
        import torch

        gpus = [torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count())]
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / _GIB),
        "gpus": [{"name": gpu.name, "memory_gib": round(gpu.total_memory / _GIB)} for gpu in gpus],
    }


def _cpu_model() -> str:
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
            return told.stdout.strip()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


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


def last_level_bytes(cpus: Path = _CPUS) -> int | None:
    """Sum of all last-level caches of this machine, each counted once; `None` if unknown."""
    found: dict[tuple[int, str], int] = {}
    for index in cpus.glob("cpu[0-9]*/cache/index[0-9]*"):
        with suppress(OSError, ValueError, KeyError):
            kind, level, sharing, size = (
                (index / name).read_text(encoding="utf-8").strip()
                for name in ("type", "level", "shared_cpu_list", "size")
            )
            # The processors that share a cache name it: one entry however many of them list it.
            if kind != "Instruction":
                found[int(level), sharing] = int(size[:-1]) * _CACHE_UNITS[size[-1]]
    last = max((level for level, _ in found), default=0)
    return sum(size for (level, _), size in found.items() if level == last) or None
