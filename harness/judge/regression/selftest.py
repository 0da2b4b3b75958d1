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

from harness.judge.regression.gate import Interleaved, Settings, Side, Timed, gate
from harness.judge.regression.neighbour import noisy_neighbours
from harness.judge.regression.observed import CaseMetric
from harness.judge.statistics.significance import mann_whitney_p
from harness.messages import HarnessError

WORK_UNITS = 200
"""Units of work of one sample: a slow-down of 5 % is 10 of them."""

SAMPLES, _WARMUP = 15, 2

_BLOCK = bytes(1 << 14)
_DOUBLE = struct.Struct("d")


class WorkloadError(HarnessError):
    """A process of the self-test has died."""


def measure_workload(units: int) -> Timed:
    """Time a loop of so many units in a forked process; the median of its samples.

    The fork is the same as that of a fork server: a process of its own address space and moment,
    ready within a millisecond or two.

    Raises:
        WorkloadError: the process ended without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writing, units)
    os.close(writing)
    try:
        data = b""
        while chunk := os.read(reading, 1 << 16):
            data += chunk
    except BaseException:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    if len(data) != SAMPLES * _DOUBLE.size:
        raise WorkloadError(
            "a process of the self-test ended without an answer; see that the machine has memory "
            "and processes left"
        )
    samples = tuple(value for (value,) in _DOUBLE.iter_unpack(data))
    return Timed(statistics.median(samples), samples=samples)


def _answer(writing: int, units: int) -> None:
    """The child's side, arithmetic and copying in proportion to `units`: does not return."""
    try:
        samples = []
        for _ in range(_WARMUP + SAMPLES):
            start = time.perf_counter()
            total = 0
            for _ in range(units):
                total += len(bytearray(_BLOCK))
                for number in range(24):
                    total = (total * 1103515245 + number) & 0xFFFFFFFF
            samples.append(time.perf_counter() - start)
        # Once, so that nobody wakes up between two samples; shorter than a pipe's buffer.
        os.write(writing, b"".join(map(_DOUBLE.pack, samples[_WARMUP:])))
    finally:
        os._exit(0)


# Cases of one grid: ten of equal versions, two of each slow-down, as in a table of a paper.
_EQUAL_OF_A_GRID = 10
SLOW_DOWNS = (0.10, 0.05)
_SLOW_OF_A_GRID = 2

PAIRS = 500
"""Case pairs of equal versions."""

MOST_FALSE_ALARMS = 0.01
LEAST_POWER = (0.90, 0.80)
"""What must be reached, by slow-down."""

_MEAN_LIMIT = 1.05
"""pytest-benchmark --benchmark-compare-fail=mean:5%: one run's mean against another's."""

_MANN_WHITNEY_ALPHA = 0.05


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """Between 0 and 1; not a number of nothing."""
        return self.hits / self.total if self.total else math.nan


@dataclass(frozen=True)
class TriedRule:
    """How one rule did."""

    name: str  # of the rule
    false_alarms: Share  # equal versions called different
    found: tuple[Share, ...]  # slow-downs called slower, in the order of `SLOW_DOWNS`


@dataclass(frozen=True)
class Verified:
    """What a self-test has found."""

    rules: tuple[TriedRule, ...]  # the gate first
    called_same: Share  # equal versions that the gate calls the same
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


def self_test(
    pairs: int = PAIRS,
    seed: int = 0,
    *,
    run: Callable[[int], Timed] = measure_workload,
    clock: Callable[[], float] = time.perf_counter,
    neighbours: int | None = None,
    listener: Callable[[int, int], None] | None = None,
) -> Verified:
    """Try the gate on grids of equal versions and known slow-downs, beside a noisy neighbour.

    Each grid has ten cases of equal versions, two that are 10 % and two that are 5 % slower; the
    gate runs as it does for a user. The same data are judged by two common rules on single runs:
    the first process of each version.

    Args:
        pairs: case pairs of equal versions; rounded up to whole grids.
        seed: of orders and of the neighbours' rhythm.
        run: measures a workload of so many units in a fresh process.
        clock: in seconds.
        neighbours: processes that load the machine on and off; one per two cores if absent.
        listener: told after each grid how many of how many are done.
    """
    grids = math.ceil(pairs / _EQUAL_OF_A_GRID)
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
        rules=tuple(_tried(name, judge, trials) for name, judge in _RULES),
        called_same=Share(sum(trial.verdict == "same" for trial in equal), len(equal)),
        processes=2 * sum(trial.case.pairs for trial in trials),
        seconds=clock() - start,
    )


# The gate's own looks without the last: three suffice for samples of a third of a millisecond.
_SETTINGS = Settings(looks=(6, 12, 24), budget=math.inf)


def _grid(
    number: int, settings: Settings, run: Callable[[int], Timed], clock: Callable[[], float]
) -> list[_Trial]:
    slow = [slow_down for slow_down in SLOW_DOWNS for _ in range(_SLOW_OF_A_GRID)]
    effects = {
        CaseMetric(f"grid {number}", f"case {i}", str(i)): effect
        for i, effect in enumerate([0.0] * _EQUAL_OF_A_GRID + slow)
    }

    def measure(side: Side, key: CaseMetric) -> Timed:
        return run(round(WORK_UNITS * (1 + effects[key])) if side == "b" else WORK_UNITS)

    found = gate(tuple(effects), measure, clock, settings)
    return [
        _Trial(effect, found.comparisons[key].verdict, found.replicates[key])
        for key, effect in effects.items()
    ]


def _tried(name: str, judge: "_Judge", trials: Sequence[_Trial]) -> TriedRule:
    """`judge` says slower, faster or neither of each trial."""
    words = [(trial.effect, judge(trial)) for trial in trials]
    equal = [word for effect, word in words if effect == 0]
    found = []
    for slow_down in SLOW_DOWNS:
        of_it = [word for effect, word in words if effect == slow_down]
        found.append(Share(of_it.count("slower"), len(of_it)))
    alarms = sum(word in ("slower", "faster") for word in equal)
    return TriedRule(name, Share(alarms, len(equal)), tuple(found))


_Judge = Callable[[_Trial], str]


def _by_mean(trial: _Trial) -> str:
    a, b = (statistics.fmean(trial.case.first[side].samples) for side in _SIDES)
    return "slower" if b > _MEAN_LIMIT * a else ""


def _by_ranks(trial: _Trial) -> str:
    a, b = (trial.case.first[side].samples for side in _SIDES)
    if mann_whitney_p(a, b) >= _MANN_WHITNEY_ALPHA:
        return ""
    return "slower" if statistics.median(b) > statistics.median(a) else "faster"


_SIDES: tuple[Side, Side] = ("a", "b")
_RULES: tuple[tuple[str, _Judge], ...] = (
    ("gate", lambda trial: trial.verdict),
    ("pytest-benchmark mean:5%, single runs", _by_mean),
    (f"Mann-Whitney p < {_MANN_WHITNEY_ALPHA}, single runs", _by_ranks),
)
