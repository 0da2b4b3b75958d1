"""The machine: what does not change from run to run, and the key that is made from it."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

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
