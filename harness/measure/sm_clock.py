"""The clock of a GPU's streaming multiprocessors against its default, read between samples."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.environment.gpu import nvml_library

# NVBench: --throttle-threshold 75 (per cent of the default SM clock).
THROTTLED = 0.75


def clock_share(uuid: str, library: Any = None) -> Callable[[], float | None] | None:
    """A function that reads the SM clock over the largest that the product allows.

    The largest is what the CUDA runtime calls the clock rate of the device and NVBench takes as
    default.

    Args:
        uuid: of the device, as PyTorch's device properties have it.
        library: the module `pynvml`, or what stands for it in a test.

    Returns:
        `None` where NVML is not installed, has no such device or does not know its clocks.
    """
    nvml = library if library is not None else nvml_library()
    if nvml is None:
        return None
    try:
        nvml.nvmlInit()  # until the process ends: a worker measures one case
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
        default = nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)
    except nvml.NVMLError:
        return None
    if not default:
        return None

    def read() -> float | None:
        with suppress(nvml.NVMLError):
            return float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)) / float(default)
        return None

    return read
