"""The gate tried on equal versions and a known slow-down under every noise, and what other rules
make of the same processes."""

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from harness.judge.regression.gate import Gated, gate
from harness.judge.regression.interleaved import Side, Timed
from harness.judge.regression.neighbour import noisy_neighbours
from harness.judge.regression.noises import NOISES, Noise
from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.settings import GRIDS, REAL_GRIDS, USUAL_BUDGET, Settings
from harness.judge.regression.workload import SAMPLES, WORK_UNITS, measure_workload
from harness.judge.statistics.share import Share
from harness.judge.statistics.significance import mann_whitney_p

SLOW_DOWN = 0.05
"""Of one case of a grid."""

MOST_FALSE_ALARMS = 0.01
"""Of grids of equal versions."""

LEAST_POWER = 0.80
"""Under noises that are quiet enough."""

_CASES = 10
_SECONDS = 1.0
"""What a process takes: half a second of samples, and as much to start. So the usual budget is 60
processes for each case."""

_WITHIN = 0.003
"""Standard deviation of the samples of one simulated process."""

_MEAN_LIMIT = 1.05
"""pytest-benchmark --benchmark-compare-fail=mean:5%: one run's mean against another's."""

_MANN_WHITNEY_ALPHA = 0.05

REAL = "this machine, a noisy neighbour"


@dataclass(frozen=True)
class TriedRule:
    """How one rule did under one noise."""

    name: str  # of the rule
    false_alarms: Share  # grids of equal versions with any case called different
    found: Share  # slow cases called slower


@dataclass(frozen=True)
class TriedNoise:
    """How rules did under one noise."""

    noise: str  # its name
    quiet: bool  # whether the slow-down must be found
    rules: tuple[TriedRule, ...]  # the gate first
    called_same: Share  # equal cases that the gate calls the same
    missed: Share  # slow cases that the gate calls the same
    processes: float  # of a case of equal versions, on average

    @property
    def passed(self) -> bool:
        """Whether nothing shows that the gate breaks its promises."""
        own = self.rules[0]
        misses = self.quiet and own.found.rest.exceeds(1 - LEAST_POWER)
        return not (misses or own.false_alarms.exceeds(MOST_FALSE_ALARMS))


@dataclass(frozen=True)
class Verified:
    """What a self-test has found."""

    noises: tuple[TriedNoise, ...]  # each of them
    seconds: float  # that it took

    @property
    def passed(self) -> bool:
        """Whether the gate keeps its promises under every noise."""
        return all(noise.passed for noise in self.noises)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"schema": 1, "passed": self.passed, **asdict(self)}


def self_test(
    grids: int = GRIDS,
    seed: int = 0,
    *,
    noises: Sequence[Noise] = NOISES,
    real_grids: int = REAL_GRIDS,
    run: Callable[[int], Timed] = measure_workload,
    clock: Callable[[], float] = time.perf_counter,
    neighbours: int | None = None,
    listener: Callable[[int, int], None] | None = None,
) -> Verified:
    """Try the gate on grids of ten cases, under simulated noises and on this machine.

    Of each noise there are grids of equal versions and grids in which one case is 5 % slower. The
    gate runs as it does for a user, with its usual settings, as if each process took a second. The
    same processes are judged by two common rules on single runs: the first process of each version.

    Args:
        grids: of each kind under each simulated noise.
        seed: of noises, draws and the neighbours' rhythm.
        noises: simulated ones.
        real_grids: of each kind on this machine, beside a noisy neighbour.
        run: measures a workload of so many units in a fresh process.
        clock: in seconds, of the whole.
        neighbours: processes that load the machine on and off; one per two cores if absent.
        listener: told after each grid how many of how many are done.
    """
    start, done = clock(), 0
    total = 2 * (len(noises) * grids + real_grids)

    def trials(made: Callable[[int], "_Machine"], grids: int) -> Iterator[_Trial]:
        nonlocal done
        for number in range(2 * grids):
            yield _trial(made(number), number >= grids, seed + number)
            done += 1
            if listener is not None:
                listener(done, total)

    tried = []
    for noise in noises:
        simulated = partial(_Simulated, noise, seed)
        tried.append(_tried(noise.name, noise.quiet, list(trials(simulated, grids))))
    if real_grids:
        usual = max(1, (os.cpu_count() or 1) // 2)
        with noisy_neighbours(usual if neighbours is None else neighbours, seed):
            found = list(trials(lambda _: _Real(run), real_grids))
        tried.append(_tried(REAL, True, found))
    return Verified(tuple(tried), clock() - start)


class _Machine(Protocol):
    """Where the processes of one grid run."""

    def process(self, slower: float, *, samples: bool) -> Timed:
        """Run one that is slower by a share; `samples`: whether they will be asked for."""


class _Real:
    """This machine."""

    def __init__(self, run: Callable[[int], Timed]) -> None:
        self._run = run

    def process(self, slower: float, *, samples: bool) -> Timed:
        del samples
        return self._run(round(WORK_UNITS * (1 + slower)))


class _Simulated:
    """One of the machines that a noise makes: the usual process takes a second on it."""

    def __init__(self, noise: Noise, seed: int, number: int) -> None:
        self._draw = np.random.default_rng((seed, crc32(noise.name.encode()), number))
        # A pair more than the budget pays for: it is looked at before each pair.
        self._levels = iter(noise.levels(self._draw, int(USUAL_BUDGET / _SECONDS) + 2).tolist())
        self._tick = noise.tick

    def process(self, slower: float, *, samples: bool) -> Timed:
        seconds = (1 + slower) * math.exp(next(self._levels))
        if not samples:
            return Timed(self._shown(seconds))
        within = np.exp(self._draw.normal(0, _WITHIN, SAMPLES)).tolist()
        return Timed(
            self._shown(seconds), samples=tuple(self._shown(seconds * each) for each in within)
        )

    def _shown(self, seconds: float) -> float:
        return round(seconds / self._tick) * self._tick if self._tick else seconds


_EQUAL = tuple(CaseMetric("grid", f"case {number}", str(number)) for number in range(_CASES - 1))
_LAST = CaseMetric("grid", f"case {_CASES - 1}", str(_CASES - 1))


@dataclass(frozen=True)
class _Trial:
    """One grid: whether its last case is slower, and what was found."""

    slow: bool
    found: Gated


def _trial(machine: _Machine, slow: bool, seed: int) -> _Trial:
    processes = 0
    sampled: set[tuple[Side, CaseMetric]] = set()

    def measure(side: Side, key: CaseMetric) -> Timed:
        nonlocal processes
        processes += 1
        first = (side, key) not in sampled
        sampled.add((side, key))
        slower = SLOW_DOWN if slow and side == "b" and key == _LAST else 0.0
        return machine.process(slower, samples=first)

    settings = Settings(seed=seed)
    return _Trial(slow, gate((*_EQUAL, _LAST), measure, lambda: processes * _SECONDS, settings))


def _tried(noise: str, quiet: bool, trials: Sequence[_Trial]) -> TriedNoise:
    equal = [trial.found for trial in trials if not trial.slow]
    slow = [trial.found for trial in trials if trial.slow]
    verdicts = [each.verdict for grid in equal for each in grid.comparisons.values()]
    missed = sum(grid.comparisons[_LAST].verdict == "same" for grid in slow)
    return TriedNoise(
        noise,
        quiet,
        rules=tuple(
            TriedRule(
                name,
                Share(
                    sum(any(judge(grid, key) for key in grid.comparisons) for grid in equal),
                    len(equal),
                ),
                Share(sum(judge(grid, _LAST) == "slower" for grid in slow), len(slow)),
            )
            for name, judge in _RULES
        ),
        called_same=Share(verdicts.count("same"), len(verdicts)),
        missed=Share(missed, len(slow)),
        processes=statistics.fmean(
            2 * case.pairs for grid in equal for case in grid.replicates.values()
        ),
    )


_Judge = Callable[[Gated, CaseMetric], str]
"""Says slower, faster or neither of a case."""


def _by_gate(grid: Gated, key: CaseMetric) -> str:
    verdict = grid.comparisons[key].verdict
    return verdict if verdict in ("slower", "faster") else ""


def _by_mean(grid: Gated, key: CaseMetric) -> str:
    a, b = (statistics.fmean(samples) for samples in _single_runs(grid, key))
    return "slower" if b > _MEAN_LIMIT * a else ""


def _by_ranks(grid: Gated, key: CaseMetric) -> str:
    a, b = _single_runs(grid, key)
    if mann_whitney_p(a, b) >= _MANN_WHITNEY_ALPHA:
        return ""
    return "slower" if statistics.median(b) > statistics.median(a) else "faster"


def _single_runs(grid: Gated, key: CaseMetric) -> tuple[Sequence[float], Sequence[float]]:
    first = grid.replicates[key].first
    return first["a"].samples, first["b"].samples


_RULES: tuple[tuple[str, _Judge], ...] = (
    ("gate", _by_gate),
    ("mean:5%", _by_mean),
    ("Mann-Whitney", _by_ranks),
)
