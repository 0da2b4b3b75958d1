"""The conditions of a run: what drifts on one machine and may spoil a measurement."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from harness.environment.gpu import GpuState, read_gpus

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# Sensors of the processor die by the kernel driver that offers them (hwmon).
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


class Host(Protocol):
    """Whoever can say how the processor of this machine is; `None`: it does not say."""

    def load(self) -> float | None:
        """Runnable threads, averaged over the last minute."""

    def governor(self) -> str | None:
        """Frequency governor of the first processor."""

    def on_battery(self) -> bool | None:
        """Whether no mains supply is connected."""

    def clock_hz(self) -> float | None:
        """Clock of the processor now."""

    def temperature_celsius(self) -> float | None:
        """Hottest sensor of the processor."""


@dataclass(frozen=True)
class Conditions:
    """What drifts, read just before a run; `None` where the system does not say.

    Attributes:
        cores: logical ones.
        load: runnable threads, averaged over the last minute.
        governor: of the processor's frequency.
        on_battery: whether no mains supply is connected.
        cpu_clock_hz: now.
        cpu_temperature_celsius: hottest sensor.
        gpus: one state per GPU.
    """

    cores: int
    load: float | None = None
    governor: str | None = None
    on_battery: bool | None = None
    cpu_clock_hz: float | None = None
    cpu_temperature_celsius: float | None = None
    gpus: tuple[GpuState, ...] = ()


class SystemHost:
    """This machine, by the operating system."""

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
        with suppress(OSError, AttributeError, NotImplementedError):
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
    host: Host | None = None, gpus: tuple[GpuState, ...] | None = None
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
