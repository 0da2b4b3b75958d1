"""The gate tried on equal versions and known slow-downs, and what other rules make of them."""

import math
import os
import signal
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.judge.regression.gate import (
    Gated,
    Interleaved,
    Measure,
    Measured,
    Settings,
    Side,
    gate,
)
from harness.judge.regression.neighbour import noisy_neighbours
from harness.judge.regression.observed import CaseMetric
from harness.judge.statistics.significance import mann_whitney_p
from harness.messages import HarnessError

# A workload of adjustable length in fresh processes, for trying out the gate.

UNITS = 200
"""Units of work of one sample: a slow-down of 5 % is 10 of them."""

SAMPLES, WARMUP = 15, 2

_BLOCK = bytes(1 << 14)
_NUMBER = struct.Struct("d")


class WorkloadError(HarnessError):
    """A process of the self-test has died."""


def measure_workload(units: int) -> Measured:
    """Time a loop of so many units in a forked process; the median of its samples.

    The fork is the same as that of a fork server: a process of its own address space and moment,
    ready within a millisecond or two.

    Args:
        units: of work in each sample.

    Raises:
        WorkloadError: the process ended without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writing, units)
    os.close(writing)
    try:
        data = _read(reading)
    except BaseException:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    if len(data) != SAMPLES * _NUMBER.size:
        raise WorkloadError(
            "a process of the self-test ended without an answer; see that the machine has memory "
            "and processes left"
        )
    samples = tuple(value for (value,) in _NUMBER.iter_unpack(data))
    return Measured(statistics.median(samples), samples=samples)


def _answer(writing: int, units: int) -> None:
    """The child's side: does not return."""
    try:
        samples = [_timed(units) for _ in range(WARMUP + SAMPLES)][WARMUP:]
        os.write(writing, b"".join(map(_NUMBER.pack, samples)))  # shorter than a pipe's buffer
    finally:
        os._exit(0)


def _timed(units: int) -> float:
    start = time.perf_counter()
    work(units)
    return time.perf_counter() - start


def work(units: int) -> int:
    """Arithmetic and copying, proportional to `units`."""
    total = 0
    for _ in range(units):
        total += len(bytearray(_BLOCK))
        for number in range(24):
            total = (total * 1103515245 + number) & 0xFFFFFFFF
    return total


def _read(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


GRID = 14
"""Cases of one grid: ten of equal versions, two of each slow-down, as in a table of a paper."""

EQUAL_OF_A_GRID = 10
SLOW_DOWNS = (0.10, 0.05)
SLOW_OF_A_GRID = 2

PAIRS = 500
"""Case pairs of equal versions."""

LOOKS = (6, 12, 24)
"""As the gate's own without the last: three suffice for samples of a third of a millisecond."""

MOST_FALSE_ALARMS = 0.01
LEAST_POWER = (0.90, 0.80)
"""What must be reached, by slow-down."""

MEAN_LIMIT = 1.05
"""pytest-benchmark --benchmark-compare-fail=mean:5%: one run's mean against another's."""

MANN_WHITNEY_ALPHA = 0.05


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """Between 0 and 1; not a number of nothing."""
        return self.hits / self.total if self.total else math.nan


@dataclass(frozen=True)
class Rule:
    """How one rule did."""

    name: str  # of the rule
    false_alarms: Rate  # equal versions called different
    found: tuple[Rate, ...]  # slow-downs called slower, in the order of `SLOW_DOWNS`


@dataclass(frozen=True)
class Verified:
    """What a self-test has found."""

    rules: tuple[Rule, ...]  # the gate first
    called_same: Rate  # equal versions that the gate calls the same
    processes: int  # that were measured
    seconds: float  # that it took

    @property
    def passed(self) -> bool:
        """Whether the gate reached what it must."""
        own = self.rules[0]
        found = zip(own.found, LEAST_POWER, strict=True)
        return own.false_alarms.share <= MOST_FALSE_ALARMS and all(
            rate.share >= least for rate, least in found
        )


@dataclass(frozen=True)
class _Trial:
    """One case: its true effect and what came of it."""

    effect: float
    verdict: str
    case: Interleaved


Run = Callable[[int], Measured]
"""Measures a workload of so many units in a fresh process."""

Listener = Callable[[int, int], None]
"""Told how many of how many grids are done."""


def self_test(
    pairs: int = PAIRS,
    seed: int = 0,
    *,
    run: Run = measure_workload,
    clock: Callable[[], float] = time.perf_counter,
    neighbours: int | None = None,
    listener: Listener | None = None,
) -> Verified:
    """Try the gate on grids of equal versions and known slow-downs, beside a noisy neighbour.

    Each grid has ten cases of equal versions, two that are 10 % and two that are 5 % slower; the
    gate runs as it does for a user. The same data are judged by two common rules on single runs:
    the first process of each version.

    Args:
        pairs: case pairs of equal versions; rounded up to whole grids.
        seed: of orders and of the neighbours' rhythm.
        run: measures a workload.
        clock: in seconds.
        neighbours: processes that load the machine on and off; one per two cores if absent.
        listener: told after each grid.
    """
    grids = math.ceil(pairs / EQUAL_OF_A_GRID)
    if neighbours is None:
        neighbours = max(1, (os.cpu_count() or 1) // 2)
    start = clock()
    trials: list[_Trial] = []
    with noisy_neighbours(neighbours, seed):
        for number in range(grids):
            trials += _grid(number, replace(_SETTINGS, seed=seed + number), run, clock)
            if listener is not None:
                listener(number + 1, grids)
    equal = [trial for trial in trials if trial.effect == 0]
    return Verified(
        rules=tuple(_rule(name, judge, trials) for name, judge in _RULES),
        called_same=Rate(sum(trial.verdict == "same" for trial in equal), len(equal)),
        processes=2 * sum(trial.case.pairs for trial in trials),
        seconds=clock() - start,
    )


_SETTINGS = Settings(looks=LOOKS, budget=math.inf)


def _effects() -> list[float]:
    return [0.0] * EQUAL_OF_A_GRID + [e for e in SLOW_DOWNS for _ in range(SLOW_OF_A_GRID)]


def _grid(number: int, settings: Settings, run: Run, clock: Callable[[], float]) -> list[_Trial]:
    keys = [CaseMetric(f"grid {number}", f"case {i}", str(i)) for i in range(GRID)]
    effects = dict(zip(keys, _effects(), strict=True))
    found = gate(keys, _measure(effects, run), clock, settings)
    return [_trial(key, effect, found) for key, effect in effects.items()]


def _measure(effects: dict[CaseMetric, float], run: Run) -> Measure:
    def measure(side: Side, key: CaseMetric) -> Measured:
        return run(round(UNITS * (1 + effects[key])) if side == "b" else UNITS)

    return measure


def _trial(key: CaseMetric, effect: float, found: Gated) -> _Trial:
    return _Trial(effect, found.comparisons[key].verdict, found.replicates[key])


def _rule(name: str, judge: "_Judge", trials: Sequence[_Trial]) -> Rule:
    """`judge` says slower, faster or neither of each trial."""
    words = [(trial.effect, judge(trial)) for trial in trials]
    alarms = [word in ("slower", "faster") for effect, word in words if effect == 0]
    found = tuple(
        [word == "slower" for effect, word in words if effect == slow_down]
        for slow_down in SLOW_DOWNS
    )
    return Rule(name, _rate(alarms), tuple(map(_rate, found)))


def _rate(hits: Sequence[bool]) -> Rate:
    return Rate(sum(hits), len(hits))


_Judge = Callable[[_Trial], str]


def _by_mean(trial: _Trial) -> str:
    a, b = _single_runs(trial)
    return "slower" if statistics.fmean(b) > MEAN_LIMIT * statistics.fmean(a) else ""


def _by_ranks(trial: _Trial) -> str:
    a, b = _single_runs(trial)
    if mann_whitney_p(a, b) >= MANN_WHITNEY_ALPHA:
        return ""
    return "slower" if statistics.median(b) > statistics.median(a) else "faster"


def _single_runs(trial: _Trial) -> tuple[Sequence[float], Sequence[float]]:
    return trial.case.first["a"].samples, trial.case.first["b"].samples


_RULES: tuple[tuple[str, _Judge], ...] = (
    ("gate", lambda trial: trial.verdict),
    ("pytest-benchmark mean:5%, single runs", _by_mean),
    (f"Mann-Whitney p < {MANN_WHITNEY_ALPHA}, single runs", _by_ranks),
)
