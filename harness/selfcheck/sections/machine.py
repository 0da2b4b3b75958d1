"""What the machine says of itself, and whether that agrees."""

import os
import time
from collections.abc import Iterator
from typing import Any

from harness.engines.devices import DeviceLock, lock_folder
from harness.environment.gpu import initialised, nvml_library, state_of, uuid_of
from harness.environment.machine import describe_environment
from harness.selfcheck.finding import Finding, judged, skipped
from harness.selfcheck.setting import Setting

_FINEST = 1e-5
"""Seconds: a clock that moves in larger steps cannot tell passes of a millisecond apart."""


def check(setting: Setting) -> Iterator[Finding]:
    """Versions, clock, locks; on CUDA the GPU, and that to describe a machine takes none of it."""
    described = describe_environment()
    if setting.device == "cuda":
        yield _no_context()
    libraries = described.get("libraries") or {}
    said = f"torch {libraries.get('torch')}, machine {described['machine_key']}"
    yield judged("described", bool(libraries.get("torch")), said)
    yield _clock()
    yield _locks()
    if setting.device == "cuda":
        yield _names_of_gpu()


def _clock() -> Finding:
    steps = []
    for _ in range(200):
        start = time.perf_counter()
        while (now := time.perf_counter()) == start:
            pass
        steps.append(now - start)
    step = min(steps)
    said = f"smallest step {step * 1e9:.0f} ns, held to {_FINEST * 1e9:.0f} ns"
    return judged("clock", step <= _FINEST, said, step_seconds=step)


def _locks() -> Finding:
    """A lock that is held is refused to others, and free again once it is given back."""
    name = f"self-check-{os.getpid()}"
    folder = lock_folder()
    with DeviceLock(name, "harness selfcheck") as first, DeviceLock(name, "other") as second:
        taken, refused = first.take(), not second.take()
        first.release()
        again = second.take()
    (folder / f"{name}.lock").unlink(missing_ok=True)
    said = f"{folder}: " + (
        "held, refused, given back" if taken and refused and again else "broken"
    )
    return judged("locks on devices", taken and refused and again, said)


def _no_context(library: Any = None) -> Finding:
    """A parent with a context would take memory of the GPU, and could not fork.

    The driver's numbers of processes may be those of the host, where this one has another; so it is
    tried with a context, too.
    """
    name = "no context without need"
    nvml = library if library is not None else nvml_library()
    if nvml is None:
        return skipped(name, "nvidia-ml-py is missing; pip install 'context-harness[gpu]'")
    import torch

    try:  # first the list, then what makes a context
        before = _own_contexts(nvml)
        torch.zeros(1, device="cuda")
        after = _own_contexts(nvml)
    except nvml.NVMLError as error:
        return skipped(name, f"the driver lists no processes: {error}")
    if not after:
        return skipped(name, "the driver lists processes by other numbers than this system")
    return judged(name, not before, "after `describe_environment`, before the first tensor")


def _own_contexts(nvml: Any) -> int:
    with initialised(nvml):
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        listed = [p.pid for h in handles for p in nvml.nvmlDeviceGetComputeRunningProcesses(h)]
    return listed.count(os.getpid())


def _names_of_gpu() -> Finding:
    """PyTorch and the driver mean the same board."""
    import torch

    uuid, name = uuid_of(), torch.cuda.get_device_name()
    if nvml_library() is None:
        return skipped("one name of the GPU", f"{name} {uuid}; nvidia-ml-py is missing")
    state = state_of(uuid)
    said = f"{name} {uuid}, of the driver: {state['name'] if state else 'unknown'}"
    return judged("one name of the GPU", state is not None and state["name"] == name, said)
