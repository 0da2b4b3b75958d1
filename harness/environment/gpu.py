"""The state of the accelerators: clocks, power cap, temperature, throttling, other processes."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# NVML, nvmlClocksEventReasons: bits of the mask, in the words of nvidia-smi.
REASONS = {
    0x001: "idle",
    0x002: "application clocks setting",
    0x004: "software power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "hardware power brake slowdown",
    0x100: "display clock setting",
}
_MEGAHERTZ, _MILLIWATT = 1e6, 1e-3
_DRIVER_FILE = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class GpuState:
    """One GPU at one moment; `None` where the driver does not say."""

    index: int  # in the driver's order
    name: str  # of the product
    driver: str | None = None  # version of the kernel driver
    sm_clock_hz: float | None = None  # of the streaming multiprocessors now
    max_sm_clock_hz: float | None = None  # largest that the product allows
    memory_clock_hz: float | None = None  # of the memory now
    power_watts: float | None = None  # drawn now
    power_cap_watts: float | None = None  # enforced limit
    default_power_cap_watts: float | None = None  # the product's own limit
    temperature_celsius: float | None = None  # of the die
    # why the clock is not higher, in the words of nvidia-smi
    throttle_reasons: tuple[str, ...] | None = None
    # ids of processes with a context on it that are not this one
    other_processes: tuple[int, ...] | None = None


class NvmlSource:
    """NVIDIA's management library, by the optional package `nvidia-ml-py`.

    Args:
        library: the module `pynvml`, or what stands for it in a test.
        own: ids of processes that are not "another" one.
    """

    def __init__(self, library: Any, own: frozenset[int] | None = None) -> None:
        self._nvml = library
        self._own = frozenset({os.getpid()}) if own is None else own

    def states(self) -> tuple[GpuState, ...]:
        """One state per GPU of the driver.

        Raises:
            NVMLError: the driver does not answer.
        """
        with initialised(self._nvml):
            driver = self._nvml.nvmlSystemGetDriverVersion()
            return tuple(
                self._state(index, str(driver)) for index in range(self._nvml.nvmlDeviceGetCount())
            )

    def _state(self, index: int, driver: str) -> GpuState:
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)

        def ask(question: Callable[..., Any], *more: Any, scale: float = 1.0) -> float | None:
            # Each product and driver lacks some sensors; one that is missing costs one field.
            try:
                return float(question(handle, *more)) * scale
            except nvml.NVMLError:
                return None

        return GpuState(
            index=index,
            name=str(nvml.nvmlDeviceGetName(handle)),
            driver=driver,
            sm_clock_hz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM, scale=_MEGAHERTZ),
            max_sm_clock_hz=ask(
                nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM, scale=_MEGAHERTZ
            ),
            memory_clock_hz=ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM, scale=_MEGAHERTZ),
            power_watts=ask(nvml.nvmlDeviceGetPowerUsage, scale=_MILLIWATT),
            power_cap_watts=ask(nvml.nvmlDeviceGetEnforcedPowerLimit, scale=_MILLIWATT),
            default_power_cap_watts=ask(
                nvml.nvmlDeviceGetPowerManagementDefaultLimit, scale=_MILLIWATT
            ),
            temperature_celsius=ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            throttle_reasons=_reasons(ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons)),
            other_processes=self._others(handle),
        )

    def _others(self, handle: Any) -> tuple[int, ...] | None:
        try:
            found = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except self._nvml.NVMLError:
            return None
        return tuple(sorted({int(each.pid) for each in found} - self._own))


class TorchSource:
    """PyTorch alone: which GPUs there are, and the driver's version; nothing that drifts."""

    def states(self) -> tuple[GpuState, ...]:
        """One state per GPU that PyTorch sees, most fields unknown."""
        import torch

        if not torch.cuda.is_available():
            return ()
        driver = kernel_driver()
        return tuple(
            GpuState(index, torch.cuda.get_device_name(index), driver)
            for index in range(torch.cuda.device_count())
        )


def read_gpus(library: Any = None) -> tuple[GpuState, ...]:
    """The GPUs by the best source at hand.

    Args:
        library: stands for `pynvml` in a test.
    """
    nvml = library if library is not None else nvml_library()
    if nvml is not None:
        with suppress(nvml.NVMLError):  # no driver on this machine
            return NvmlSource(nvml).states()
    return TorchSource().states()


def nvml_library() -> Any:
    """The module `pynvml`; `None` where the extra `gpu` is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


@contextmanager
def initialised(nvml: Any) -> Iterator[None]:
    """NVML between its initialisation and its shutdown, which it counts per process."""
    nvml.nvmlInit()
    try:
        yield
    finally:
        nvml.nvmlShutdown()


def kernel_driver(path: Path = _DRIVER_FILE) -> str | None:
    """Version of NVIDIA's kernel driver as it tells the kernel; `None` without one."""
    with suppress(OSError):
        found = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", path.read_text(encoding="utf-8"))
        return found.group(1) if found else None
    return None


def _reasons(mask: float | None) -> tuple[str, ...] | None:
    if mask is None:
        return None
    return tuple(name for bit, name in REASONS.items() if int(mask) & bit)
