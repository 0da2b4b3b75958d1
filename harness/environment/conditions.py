"""The conditions of a run: what drifts on one machine, and what is warned of."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.environment.gpu import GpuState, read_gpus

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# Sensors of the processor die by the kernel driver that offers them (hwmon).
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


@dataclass(frozen=True)
class Conditions:
    """What drifts, read just before a run; `None` where the system does not say."""

    cores: int  # logical ones
    load: float | None = None  # runnable threads, averaged over the last minute
    governor: str | None = None  # of the processor's frequency
    on_battery: bool | None = None  # whether no mains supply is connected
    cpu_clock_hz: float | None = None  # now
    cpu_temperature_celsius: float | None = None  # hottest sensor
    gpus: tuple[GpuState, ...] = ()  # one state per GPU


class SystemHost:
    """This machine, by the operating system; `None` where it does not say."""

    def load(self) -> float | None:
        """Load average of the last minute."""
        with suppress(OSError, AttributeError):
            return os.getloadavg()[0]
        return None

    def governor(self) -> str | None:
        """Linux only; virtual machines often have none."""
        with suppress(OSError):
            return _GOVERNOR.read_text(encoding="utf-8").strip()
        return None

    def on_battery(self) -> bool | None:
        """`None` on machines without a battery."""
        with suppress(OSError, AttributeError):
            battery = psutil.sensors_battery()
            if battery is not None and battery.power_plugged is not None:
                return not battery.power_plugged
        return None

    def clock_hz(self) -> float | None:
        """Mean over the processors."""
        with suppress(OSError, AttributeError, RuntimeError):
            found = psutil.cpu_freq()
            return found.current * 1e6 if found is not None and found.current else None
        return None

    def temperature_celsius(self) -> float | None:
        """Hottest sensor of the die; `None` where the kernel offers none."""
        with suppress(OSError, AttributeError):
            sensors = psutil.sensors_temperatures()
            found = [each.current for name in _CPU_SENSORS for each in sensors.get(name, ())]
            return max(found, default=None)
        return None


def read_conditions(
    host: SystemHost | None = None, gpus: tuple[GpuState, ...] | None = None
) -> Conditions:
    """How the machine is now.

    Args:
        host: this machine if absent.
        gpus: read from the driver if absent.
    """
    host = host or SystemHost()
    return Conditions(
        cores=os.cpu_count() or 1,
        load=host.load(),
        governor=host.governor(),
        on_battery=host.on_battery(),
        cpu_clock_hz=host.clock_hz(),
        cpu_temperature_celsius=host.temperature_celsius(),
        gpus=read_gpus() if gpus is None else gpus,
    )


# This project's own choices. One busy core of two already disturbs a pass that uses both; a lone
# daemon on many cores does not.
BUSY_SHARE = 0.25
# An SM clock below half of its maximum before the run means that the driver moves it; clocks that
# are locked for measurements usually stand at the base clock, 60 to 80 % of the maximum.
LOW_CLOCK_SHARE = 0.5
# NVIDIA's data-centre parts slow down from 85 to 90 degrees on; ten below is where noise begins.
HOT_GPU_CELSIUS = 80.0
HOT_CPU_CELSIUS = 90.0
# A cap below the product's own limit changes results more than the noise does.
CAP_SHARE = 0.99

# Reasons that are no trouble: an idle GPU and one whose clocks somebody has set.
_HARMLESS = frozenset({"idle", "application clocks setting", "sync boost", "display clock setting"})


def warnings_of(conditions: Conditions) -> tuple[str, ...]:
    """One sentence per trouble, each with its cure, the most disturbing first."""
    load, cores = conditions.load, conditions.cores
    governor, celsius = conditions.governor, conditions.cpu_temperature_celsius
    found = []
    if load is not None and load > BUSY_SHARE * cores:
        found.append(
            f"noisy machine: load average {load:.1f} on {cores} cores before the run; end other "
            "work, or wait a minute if it was an earlier run"
        )
    if conditions.on_battery:
        found.append("on battery: the clock is held down; connect the power supply")
    if governor not in (None, "performance"):
        found.append(
            f"frequency governor {governor}: the clock follows the load; set it with "
            "`sudo cpupower frequency-set -g performance`"
        )
    if celsius is not None and celsius >= HOT_CPU_CELSIUS:
        found.append(
            f"processor at {celsius:.0f} °C before the run: it will slow down; let it cool"
        )
    return (*found, *(each for gpu in conditions.gpus for each in _gpu_warnings(gpu)))


def _gpu_warnings(gpu: GpuState) -> Iterator[str]:
    name, others = f"GPU {gpu.index}", gpu.other_processes
    if others:
        listed = ", ".join(map(str, others[:5])) + (", ..." if len(others) > 5 else "")
        yield (
            f"{name}: {len(others)} other {'process' if len(others) == 1 else 'processes'} "
            f"({listed}) on it; end them, or choose a free one with CUDA_VISIBLE_DEVICES"
        )
    now, most = gpu.sm_clock_hz, gpu.max_sm_clock_hz
    if now is not None and most is not None and now < LOW_CLOCK_SHARE * most:
        yield (
            f"{name}: clocks unlocked (SM at {now / 1e6:.0f} of {most / 1e6:.0f} MHz); lock them "
            f"at the base clock with `sudo nvidia-smi -i {gpu.index} --lock-gpu-clocks=MHZ`"
        )
    troubles = [each for each in gpu.throttle_reasons or () if each not in _HARMLESS]
    if troubles:
        yield f"{name}: throttled ({', '.join(troubles)}); {_cure(troubles)}"
    if gpu.temperature_celsius is not None and gpu.temperature_celsius >= HOT_GPU_CELSIUS:
        yield (
            f"{name}: {gpu.temperature_celsius:.0f} °C before the run; let it cool, or improve its "
            "air flow"
        )
    cap, default = gpu.power_cap_watts, gpu.default_power_cap_watts
    if cap and default and cap < CAP_SHARE * default:
        yield (
            f"{name}: power cap {cap:.0f} W below the usual {default:.0f} W; numbers compare only "
            f"with runs under the same cap (`sudo nvidia-smi -i {gpu.index} -pl {default:.0f}` "
            "lifts it)"
        )


def _cure(troubles: Sequence[str]) -> str:
    if any("thermal" in each for each in troubles):
        return "let it cool, or improve its air flow"
    if "software power cap" in troubles:
        return "raise the power cap, or lock the clocks lower"
    return "check its power supply and cooling"
