"""The environment of a run: machine, libraries, threads, git state."""

import hashlib
import json
import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

LIBRARIES = ("context-harness", "torch", "fvcore", "numpy", "pandas", "matplotlib", "pydantic")
_GIB = 1 << 30


def describe_environment(folder: Path | None = None) -> dict[str, Any]:
    """Everything that a reader of a number may ask about the machine that made it.

    Args:
        folder: where the git state is read; the current directory if absent.
    """
    import torch

    machine = _machine()
    return {
        "machine": machine,
        "machine_key": machine_key(machine),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "threads": torch.get_num_threads(),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "git": git_state(folder or Path.cwd()),
    }


def machine_key(machine: dict[str, Any]) -> str:
    """Hash of what does not drift on one machine: processor, cores, memory in GiB, accelerators."""
    canonical = json.dumps(machine, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _machine() -> dict[str, Any]:
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / _GIB),
        "gpus": _gpus(),
    }


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


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and whether files differ from it; `None` outside a git checkout."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return None
