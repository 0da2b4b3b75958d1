"""The state of the accelerators: clocks, power cap, temperature, throttling, other processes."""

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
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
    uuid: str | None = None  # as the driver has it
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


def cuda_is_available() -> bool:
    """Whether PyTorch finds a GPU; it is imported only where it might find one."""
    if "torch" not in sys.modules and not _may_be_available():
        return False
    import torch

    return bool(torch.cuda.is_available())


_BUILT_FOR = re.compile(r"^(cuda|hip)\b[^=\n]*=\s*(\S.*)$", re.MULTILINE)


def _may_be_available() -> bool:
    """Whether PyTorch was built for GPUs, and a driver is there that it could load."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return True  # to import it says what is wrong
    try:
        said = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return True
    built = {name: value.strip() != "None" for name, value in _BUILT_FOR.findall(said)}
    if built.get("hip", True) or not built.get("cuda", True):
        return bool(built.get("hip", True))
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def read_gpus(library: Any = None) -> tuple[GpuState, ...]:
    """The GPUs by the best source at hand: NVML, or PyTorch, which knows nothing that drifts.

    Args:
        library: stands for `pynvml` in a test.
    """
    nvml = library if library is not None else nvml_library()
    if nvml is not None:
        with suppress(nvml.NVMLError):  # no driver on this machine
            return nvml_states(nvml)
    import torch

    driver, count = kernel_driver(), torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(
        GpuState(i, torch.cuda.get_device_name(i), uuid_of(i), driver) for i in range(count)
    )


def nvml_states(
    nvml: Any, own: frozenset[int] | None = None, only: str | None = None
) -> tuple[GpuState, ...]:
    """One state per GPU of the driver.

    Args:
        nvml: the module `pynvml`, or what stands for it in a test.
        own: ids of processes that are not "another" one; this process if absent.
        only: UUID of the one GPU that is asked for.

    Raises:
        NVMLError: the driver does not answer.
    """
    own = frozenset({os.getpid()}) if own is None else own
    with initialised(nvml):
        driver = str(nvml.nvmlSystemGetDriverVersion())
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        return tuple(
            _state(nvml, handle, index, driver, own)
            for index, handle in enumerate(handles)
            if only is None or nvml.nvmlDeviceGetUUID(handle) == only
        )


def state_of(uuid: str | None, library: Any = None) -> Mapping[str, Any] | None:
    """The state of one GPU as plain data; `None` where there is no NVML that knows it.

    Args:
        uuid: as the driver has it.
        library: stands for `pynvml` in a test.
    """
    nvml = library if library is not None else nvml_library()
    if nvml is None or uuid is None:
        return None
    with suppress(nvml.NVMLError):
        return next((asdict(state) for state in nvml_states(nvml, only=uuid)), None)
    return None


def uuid_of(device: int | None = None) -> str | None:
    """UUID of a CUDA device of this process as the driver has it; `None` where PyTorch is silent.

    Args:
        device: its number here; the current one if absent.
    """
    import torch

    at = torch.cuda.current_device() if device is None else device
    found = getattr(torch.cuda.get_device_properties(at), "uuid", None)
    return None if found is None else driver_uuid(str(found))


def driver_uuid(uuid: str) -> str:
    """A UUID with the prefix that PyTorch leaves out."""
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"


def _state(nvml: Any, handle: Any, index: int, driver: str, own: frozenset[int]) -> GpuState:

    def ask(question: Callable[..., Any], *more: Any, scale: float | None = None) -> Any:
        # Each product and driver lacks some sensors; one that is missing costs one field.
        with suppress(nvml.NVMLError):
            found = question(handle, *more)
            return found if scale is None else float(found) * scale
        return None

    now, most = nvml.nvmlDeviceGetClockInfo, nvml.nvmlDeviceGetMaxClockInfo
    usual_cap = nvml.nvmlDeviceGetPowerManagementDefaultLimit
    mask = ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons)
    processes = ask(nvml.nvmlDeviceGetComputeRunningProcesses)
    others = None if processes is None else sorted({int(each.pid) for each in processes} - own)
    return GpuState(
        index=index,
        name=str(nvml.nvmlDeviceGetName(handle)),
        uuid=ask(nvml.nvmlDeviceGetUUID),
        driver=driver,
        sm_clock_hz=ask(now, nvml.NVML_CLOCK_SM, scale=_MEGAHERTZ),
        max_sm_clock_hz=ask(most, nvml.NVML_CLOCK_SM, scale=_MEGAHERTZ),
        memory_clock_hz=ask(now, nvml.NVML_CLOCK_MEM, scale=_MEGAHERTZ),
        power_watts=ask(nvml.nvmlDeviceGetPowerUsage, scale=_MILLIWATT),
        power_cap_watts=ask(nvml.nvmlDeviceGetEnforcedPowerLimit, scale=_MILLIWATT),
        default_power_cap_watts=ask(usual_cap, scale=_MILLIWATT),
        temperature_celsius=ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU, scale=1),
        throttle_reasons=None if mask is None else reasons_of(int(mask)),
        other_processes=None if others is None else tuple(others),
    )


def reasons_of(mask: int) -> tuple[str, ...]:
    """Why the clock is not higher, in words."""
    return tuple(name for bit, name in REASONS.items() if mask & bit)


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
