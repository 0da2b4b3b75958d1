"""Energy: joules of one pass by the GPU's own counter, over a window long enough to trust it.

The counter (NVML, `nvmlDeviceGetTotalEnergyConsumption`: millijoules since the driver was loaded)
is that of the whole board: idle power and other processes are part of it. It advances in steps of
some 20 to 100 ms, so that a short window holds more of the step than of the pass.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from harness.case import Job
from harness.environment.gpu import driver_uuid, initialised, nvml_library, uuid_of
from harness.measure.passes import as_run, timed_pass
from harness.measure.sampling import Clock
from harness.measure.subject import Subject, real_subject, require_finite
from harness.messages import HarnessError

MIN_WINDOW = 1.0  # seconds: steps of up to 100 ms then cost 10 % at most, usually 2 %
MARGIN = 1.1  # passes are planned for a window this much longer, since their time varies
MAX_PASSES = 1_000_000
MAX_ROUNDS = 5  # rounds of passes until the window is full
_MILLIJOULE = 1e-3


class EnergyUnavailableError(HarnessError):
    """There is no counter of energy, or it does not answer."""


class EnergyCounter(Protocol):
    """A meter that only goes up."""

    def joules(self) -> float:
        """Energy since some fixed moment.

        Raises:
            EnergyUnavailableError: the counter does not answer.
        """


class NvmlEnergyCounter:
    """The counter of an NVIDIA board, Volta or newer.

    Args:
        library: the module `pynvml`, or what stands for it in a test.
        uuid: of the board as PyTorch has it, since the driver numbers boards otherwise.

    Raises:
        EnergyUnavailableError: the board has no counter, as MIG slices have none.
    """

    def __init__(self, library: Any, uuid: str) -> None:
        self._nvml = library
        self._uuid = driver_uuid(uuid)
        self.joules()

    def joules(self) -> float:
        """Energy of the board since its driver was loaded."""
        nvml = self._nvml
        try:
            with initialised(nvml):
                handle = nvml.nvmlDeviceGetHandleByUUID(self._uuid)
                return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * _MILLIJOULE
        except nvml.NVMLError as error:
            raise EnergyUnavailableError(
                f"the energy counter does not answer ({error}); it needs a whole board, "
                "Volta or newer"
            ) from error


@dataclass(frozen=True)
class Energy:
    """What the counter said over a window of equal passes."""

    joules: float | None  # of one pass; `None` where it is not known
    window_seconds: float | None = None  # from the first pass to the end of the last
    passes: int = 0  # within the window
    cause: str | None = None  # why it is not known


def measure_energy(job: Job) -> dict[str, object]:
    """Repeat the passes of a case for at least a second and read the energy counter around them.

    Returns:
        `energy_joules` (one pass; `None` where unknown, never 0), `energy_valid`,
        `energy_window_seconds`, `energy_passes`, `energy_watts` (mean power), `warnings`.
    """
    if job.case.device != "cuda":
        return energy_values(
            Energy(None, cause="no counter of the CPU's energy is read; use a GPU")
        )
    try:
        counter = counter_of_gpu()
    except EnergyUnavailableError as error:
        return energy_values(Energy(None, cause=str(error)))
    subject = as_run(real_subject(job.case, job.seed, job.search_path))
    run = repeated(subject, job)
    require_finite(run())
    return energy_values(energy_of(run, torch.cuda.synchronize, counter, time.perf_counter))


def repeated(subject: Subject, job: Job, cuda: Any = torch.cuda) -> Callable[[], object]:
    """One pass of a job as `latency` runs it, eager or as a CUDA graph.

    Args:
        subject: compiled where the case is.
        job: says how passes run.
        cuda: `torch.cuda`, or what stands for it in a test.
    """
    one = timed_pass(subject, job, time.perf_counter, cuda=cuda)

    def run() -> object:
        out = one.run()
        subject.clear_gradients()
        return out

    return run


def energy_of(
    run: Callable[[], object],
    synchronize: Callable[[], object],
    counter: EnergyCounter,
    clock: Clock,
) -> Energy:
    """Energy of one pass, which `run` starts; `synchronize` waits for all that were started."""
    run()
    synchronize()
    planned = _planned(run, synchronize, clock)
    try:
        before, start = counter.joules(), clock()
        passes, seconds = 0, 0.0
        for _ in range(MAX_ROUNDS):
            for _ in range(planned):
                run()
            synchronize()
            passes, seconds = passes + planned, clock() - start
            if seconds >= MIN_WINDOW or passes >= MAX_PASSES:
                break
        used = counter.joules() - before
    except EnergyUnavailableError as error:
        return Energy(None, cause=str(error))
    if seconds < MIN_WINDOW:
        cause = (
            f"the window of {seconds:.2g} s is shorter than {MIN_WINDOW:g} s; give a larger input"
        )
        return Energy(None, seconds, passes, cause)
    if used <= 0:
        cause = "the energy counter did not advance; the driver does not fill it"
        return Energy(None, seconds, passes, cause)
    return Energy(used / passes, seconds, passes)


def _planned(run: Callable[[], object], synchronize: Callable[[], object], clock: Clock) -> int:
    """Passes that fill the window, from the time of one that was waited for."""
    start = clock()
    run()
    synchronize()
    seconds = clock() - start
    return min(MAX_PASSES, math.ceil(MARGIN * MIN_WINDOW / seconds)) if seconds > 0 else MAX_PASSES


def energy_values(energy: Energy) -> dict[str, object]:
    """The energy_values names of an energy."""
    valid = energy.joules is not None
    figures: dict[str, object] = {
        "energy_joules": energy.joules,
        "energy_valid": valid,
        "energy_window_seconds": energy.window_seconds,
        "energy_passes": energy.passes or None,
        "energy_watts": None,
    }
    if energy.joules is not None and energy.window_seconds:
        figures["energy_watts"] = energy.joules * energy.passes / energy.window_seconds
    return figures if valid else figures | {"warnings": [f"no energy: {energy.cause}"]}


def counter_of_gpu(library: Any = None) -> EnergyCounter:
    """The counter of the current CUDA device.

    Args:
        library: stands for `pynvml` in a test.

    Raises:
        EnergyUnavailableError: the extra `gpu` is not installed, or the board has no counter.
    """
    nvml = library if library is not None else nvml_library()
    if nvml is None:
        raise EnergyUnavailableError(
            "nvidia-ml-py is missing; install it with `pip install 'context-harness[gpu]'`"
        )
    uuid = uuid_of()
    if uuid is None:
        raise EnergyUnavailableError("this PyTorch does not name its board; take a newer one")
    return NvmlEnergyCounter(nvml, uuid)
