"""Warnings about the conditions of a run: what may spoil its numbers, and what to do about it."""

from collections.abc import Iterator, Sequence

from harness.environment.conditions import Conditions
from harness.environment.gpu import GpuState

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
    found = [*_load(conditions), *_battery(conditions), *_governor(conditions)]
    found += _processor(conditions)
    for gpu in conditions.gpus:
        found += _gpu(gpu)
    return tuple(found)


def _load(conditions: Conditions) -> Iterator[str]:
    if conditions.load is not None and conditions.load > BUSY_SHARE * conditions.cores:
        yield (
            f"noisy machine: load average {conditions.load:.1f} on {conditions.cores} cores before "
            "the run; end other work, or wait a minute if it was an earlier run"
        )


def _battery(conditions: Conditions) -> Iterator[str]:
    if conditions.on_battery:
        yield "on battery: the clock is held down; connect the power supply"


def _governor(conditions: Conditions) -> Iterator[str]:
    if conditions.governor not in (None, "performance"):
        yield (
            f"frequency governor {conditions.governor}: the clock follows the load; set it with "
            "`sudo cpupower frequency-set -g performance`"
        )


def _processor(conditions: Conditions) -> Iterator[str]:
    celsius = conditions.cpu_temperature_celsius
    if celsius is not None and celsius >= HOT_CPU_CELSIUS:
        yield f"processor at {celsius:.0f} °C before the run: it will slow down; let it cool"


def _gpu(gpu: GpuState) -> Iterator[str]:
    name = f"GPU {gpu.index}"
    if gpu.other_processes:
        yield (
            f"{name}: {_processes(gpu.other_processes)} on it; end them, or choose a free one with "
            "CUDA_VISIBLE_DEVICES"
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


def _processes(ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
    return f"{len(ids)} other {'process' if len(ids) == 1 else 'processes'} ({listed})"


def _cure(troubles: Sequence[str]) -> str:
    if any("thermal" in each for each in troubles):
        return "let it cool, or improve its air flow"
    if "software power cap" in troubles:
        return "raise the power cap, or lock the clocks lower"
    return "check its power supply and cooling"
