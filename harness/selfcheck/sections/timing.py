"""Our times beside those of other timers, of the same module in the same process."""

import gc
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from harness.case import Cache, Device, Job, Timing
from harness.measure.latency import measure_latency
from harness.measure.subject import Subject, real_subject
from harness.selfcheck.finding import Finding, left_out, of_error, ratio_within, skipped
from harness.selfcheck.sections.scaled import scaled
from harness.selfcheck.setting import Setting
from harness.suite.loader import load

_SUITES = {"cuda": ("ocnet_table4", "ranet_table3"), "cpu": ("ocnet_table4",)}

LONG = 1e-3
"""Seconds from which on passes are held to a limit: shorter ones are a few launches, which timers
hide to different degrees."""

LIMITS = {"cuda": 0.03, "cpu": 0.25}
"""How far from 1 a ratio may be. On the CPU both timers meet whatever else runs, one after the
other."""

ROUNDS = {"cuda": 1, "cpu": 3}
"""How often both take turns; the ratio is that of their medians."""

_SECONDS = 0.3  # of samples, of either timer, in a round
_LEAST = 4.0  # seconds for a round of a case
# `do_bench` empties the L2 cache before each run; `torch.utils.benchmark` leaves caches alone.
_CACHES: dict[Device, Cache] = {"cuda": "cold", "cpu": "hot"}
_SIDE = {"cuda": 128, "cpu": 32}  # of the maps: on a CPU of two cores a pass of a tenth of a second


def check(setting: Setting) -> Iterator[Finding]:
    """A finding a case: device time with cold caches against `triton.testing.do_bench`.

    On the CPU against `torch.utils.benchmark`, which stands beside it on CUDA.
    """
    others: Any = peers(setting.device)
    if isinstance(others, str):
        yield skipped("other timers", others)
        return
    jobs = [job for name in _SUITES[setting.device] for job in load(Path(name)).all_jobs()]
    for number, job in enumerate(jobs):
        label = f"{job.suite}: {job.label}"
        if setting.left() < _LEAST * ROUNDS[setting.device]:
            yield left_out(len(jobs) - number)
            return
        try:
            yield _compared(label, job, setting, others)
        except Exception as error:  # of one case: the others are timed all the same
            yield of_error(label, error)
        gc.collect()
        if setting.device == "cuda":
            torch.cuda.empty_cache()


Peer = Callable[[Callable[[], object]], float]
"""Seconds of a call, as another tool measures it."""


def peers(device: str) -> dict[str, Peer] | str:
    """Other timers by their names, the one that decides first; or why there is none."""
    from torch.utils import benchmark

    def of_torch(run: Callable[[], object]) -> float:
        timer = benchmark.Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
        return float(timer.blocked_autorange(min_run_time=_SECONDS).median)

    if device == "cpu":
        return {"torch.utils.benchmark": of_torch}
    try:
        from triton.testing import do_bench
    except ImportError:
        return "triton is missing; it comes with PyTorch for CUDA, or with pip install triton"

    def of_triton(run: Callable[[], object]) -> float:
        milliseconds = do_bench(run, warmup=20, rep=int(_SECONDS * 1e3), return_mode="median")
        return float(milliseconds) / 1e3

    return {"do_bench": of_triton, "torch.utils.benchmark": of_torch}


def _compared(label: str, job: Job, setting: Setting, others: dict[str, Peer]) -> Finding:
    device = setting.device
    case = replace(job.case, device=device, inputs=scaled(job.case.inputs, _SIDE[device]))
    timing = Timing(criterion="budget", max_time=_SECONDS, cache=_CACHES[device])
    ours = replace(job, case=case, timing=timing, threads=None)
    subject = real_subject(case, 0, job.search_path)
    run = _pass_of(subject)
    run()
    decides = next(iter(others))
    rounds: list[dict[str, float]] = []
    flags: set[str] = set()
    for _ in range(ROUNDS[device]):
        values: dict[str, Any] = measure_latency(ours)
        seconds = {"seconds": values["latency_seconds"]}
        if (launched := values.get("latency_with_launches_seconds")) is not None:
            seconds["with_launches_seconds"] = launched
        flags |= {*values["latency_flags"]}
        rounds.append(seconds | {name: measure(run) for name, measure in others.items()})
    figures: dict[str, Any] = {
        name: statistics.median(each[name] for each in rounds) for name in rounds[0]
    }
    ratio = figures["seconds"] / figures[decides]
    figures |= {"flags": sorted(flags), "ratio": ratio}
    said = f"{figures['seconds'] * 1e3:.3f} ms, {decides} {figures[decides] * 1e3:.3f} ms"
    if figures["seconds"] < LONG:
        why = f"under {LONG * 1e3:g} ms and held to no limit"
        return Finding(label, "skipped", f"{said}: ratio {ratio:.3f}, {why}", figures)
    if "launches" in flags:
        # The host is part of our time and of the other's, each in its own way.
        why = "the pass waits for the host"
        return Finding(label, "skipped", f"{said}: ratio {ratio:.3f}, {why}", figures)
    limit = LIMITS[device]
    return replace(ratio_within(label, ratio, 1 - limit, 1 + limit, said), figures=figures)


def _pass_of(subject: Subject) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return subject.module(*subject.inputs)

    return run
