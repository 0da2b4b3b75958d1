"""What a time depends on besides the code: the machine, and what may change on it overnight."""

from collections.abc import Mapping
from typing import Any

from harness.environment.machine import LIBRARIES
from harness.records.origin import DECIDING


def setting_of(environment: Mapping[str, Any]) -> dict[str, str]:
    """Versions, settings, governor, kernel, driver and power cap by name, as far as they are told.

    Args:
        environment: as `harness.environment.machine.describe_environment` gives it.
    """
    told = {
        "python": environment.get("python"),
        **(environment.get("libraries") or {}),
        **(environment.get("thread_settings") or {}),
        "governor": environment.get("governor"),
        "system": environment.get("system_version"),
        "driver": _of_gpus(environment, "driver"),
        "power cap (W)": _of_gpus(environment, "power_cap_watts"),
    }
    return {name: str(value) for name, value in told.items() if value}


def machine_of(environment: Mapping[str, Any]) -> str:
    """Processor and accelerators, with the key of the machine; empty where nothing is told."""
    machine = environment.get("machine")
    processor = machine.get("cpu") if isinstance(machine, Mapping) else None
    names = ", ".join(filter(None, (processor and str(processor), *_each(machine, "name"))))
    key = environment.get("machine_key")
    return " ".join(filter(None, (names, f"({key})" if key else "")))


def changed(
    before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    """What differs between two settings, by name: what it was and what it is; `None`: not told."""
    return {
        name: (before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    }


def decides(name: str) -> bool:
    """Whether a time may depend on what a setting names; libraries that draw and print do not."""
    return name in DECIDING or name not in LIBRARIES


def _of_gpus(environment: Mapping[str, Any], name: str) -> str | None:
    return ", ".join(_each(environment.get("conditions"), name)) or None


def _each(described: Any, name: str) -> list[str]:
    """What is said of each GPU under a name, each text once."""
    gpus = described.get("gpus") if isinstance(described, Mapping) else None
    listed = gpus if isinstance(gpus, list) else []
    found = [gpu.get(name) for gpu in listed if isinstance(gpu, Mapping)]
    texts = (f"{each:g}" if isinstance(each, float) else str(each) for each in found if each)
    return list(dict.fromkeys(texts))
