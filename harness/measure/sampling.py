"""The sampling loop: warm up until steady, then sample until a criterion or the budget says stop.

Nothing here reads a clock of its own or knows a device, so tests run it on a fake clock.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, sqrt
from random import Random
from typing import Protocol, TypeVar

from harness.case import Device, Timing

Clock = Callable[[], float]
"""Seconds that have passed."""

# The criteria and most constants follow NVBench (`--min-time`, `--max-noise`, `--timeout`,
# `--min-samples` of its `stdrel` criterion and of its noise-convergence check); where a constant is
# this project's own, the comment says so.

MAX_RELATIVE_STDEV = 0.005  # NVBench: --max-noise 0.5 %
MIN_SAMPLES = 10  # NVBench: --min-samples 10
MIN_TIME = 0.5  # seconds; NVBench: --min-time 0.5
MAX_TIME = 15.0  # seconds; NVBench: --timeout 15
NOISE_WINDOW = 64  # NVBench: noise is judged settled over a trailing window ...
NOISE_RELATIVE_STDEV = 0.05  # ... in which its own relative stdev is below 5 %
NOISE_CHECK_EVERY = 16  # NVBench checks every 16 samples


class StoppingCriterion(Protocol):
    """Sees every sample; says when to stop and, if stopped early, what was not reached."""

    def add(self, seconds: float) -> None:
        """Take note of one sample."""

    def finished(self) -> bool:
        """Whether the samples suffice."""

    def unmet(self) -> str:
        """What is still missing, for the flag when a time budget ends the sampling."""


@dataclass
class RunningMoments:
    """Mean and standard deviation without keeping samples (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    total: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        """Add one value."""
        self.count += 1
        self.total += value
        delta = value - self.mean
        self.mean += delta / self.count
        self._squares += delta * (value - self.mean)

    @property
    def relative_stdev(self) -> float:
        """Sample standard deviation over the mean; infinite below two samples."""
        if self.count < 2 or self.mean <= 0:
            return float("inf")
        return sqrt(self._squares / (self.count - 1)) / self.mean


@dataclass
class RelativeStdev:
    """Stop once the relative standard deviation of all samples is small."""

    limit: float = MAX_RELATIVE_STDEV
    min_samples: int = MIN_SAMPLES
    min_time: float = MIN_TIME
    moments: RunningMoments = field(default_factory=RunningMoments)

    def add(self, seconds: float) -> None:
        """Take note of one sample."""
        self.moments.add(seconds)

    def finished(self) -> bool:
        """Enough samples, enough time, little spread."""
        return self._long_enough() and self.moments.relative_stdev < self.limit

    def _long_enough(self) -> bool:
        return self.moments.count >= self.min_samples and self.moments.total >= self.min_time

    def unmet(self) -> str:
        """The first condition that fails."""
        moments = self.moments
        if moments.count < self.min_samples:
            return f"{moments.count} of {self.min_samples} samples"
        if moments.total < self.min_time:
            return f"{moments.total:.3g} of {self.min_time:g} s sampled"
        return f"relative stdev {moments.relative_stdev:.2%}, wanted below {self.limit:.2%}"


@dataclass
class SettledNoise(RelativeStdev):
    """Stop at a small relative stdev, or when the noise has settled: more samples cannot help."""

    window: int = NOISE_WINDOW
    noise: deque[float] = field(default_factory=deque)

    def add(self, seconds: float) -> None:
        """Take note of one sample and of the noise so far."""
        super().add(seconds)
        if self.moments.count > 1:
            self.noise.append(self.moments.relative_stdev)
            if len(self.noise) > self.window:
                self.noise.popleft()

    def finished(self) -> bool:
        """Little spread, or a spread that has settled."""
        if super().finished():
            return True
        if not self._long_enough() or len(self.noise) < self.window:
            return False
        if self.moments.count % NOISE_CHECK_EVERY:
            return False
        spread = RunningMoments()
        for value in self.noise:
            spread.add(value)
        return spread.relative_stdev < NOISE_RELATIVE_STDEV


@dataclass
class FixedCount:
    """Stop after a fixed number of samples."""

    samples: int = MIN_SAMPLES
    taken: int = 0

    def add(self, seconds: float) -> None:  # noqa: ARG002 - the contract's signature
        """Take note of one sample."""
        self.taken += 1

    def finished(self) -> bool:
        """All samples taken."""
        return self.taken >= self.samples

    def unmet(self) -> str:
        """How many are missing."""
        return f"{self.taken} of {self.samples} samples"


@dataclass
class TimeBudget:
    """Stop after so many seconds of samples, however many those are (at least one)."""

    seconds: float = MAX_TIME
    sampled: float = 0.0

    def add(self, seconds: float) -> None:
        """Take note of one sample."""
        self.sampled += seconds

    def finished(self) -> bool:
        """The budget is spent."""
        return self.sampled >= self.seconds

    def unmet(self) -> str:
        """How much of the budget is left."""
        return f"{self.sampled:.3g} of {self.seconds:g} s sampled"


Limit = TypeVar("Limit")

# A forward of a 2048-channel head takes seconds on a CPU; NVBench's 15 s would make a table of
# twelve rows a matter of many minutes, and the interval says what the shorter budget costs.
CPU_BUDGET = 5.0

# Emptying the caches may take longer than a sample. A budget of samples ends at so many times its
# own length on the wall: this project's own choice.
OVERHEAD = 2.0


def criterion_of(timing: Timing, device: Device = "cpu") -> StoppingCriterion:
    """A fresh criterion."""
    if timing.criterion == "fixed":
        return FixedCount(_or(timing.samples, MIN_SAMPLES))
    if timing.criterion == "budget":
        return TimeBudget(_max_time(timing, device))
    kind = SettledNoise if timing.criterion == "settled_noise" else RelativeStdev
    return kind(
        limit=_or(timing.relative_stdev, MAX_RELATIVE_STDEV),
        min_samples=_or(timing.samples, MIN_SAMPLES),
        min_time=_or(timing.min_time, MIN_TIME),
    )


def wall_budget(timing: Timing, device: Device) -> float:
    """Seconds after which sampling ends whatever the criterion says."""
    limit = _max_time(timing, device)
    return OVERHEAD * limit if timing.criterion == "budget" else limit


def _max_time(timing: Timing, device: Device) -> float:
    return _or(timing.max_time, MAX_TIME if device == "cuda" else CPU_BUDGET)


def _or(value: Limit | None, default: Limit) -> Limit:
    return default if value is None else value


# Steady: two neighbouring warm-up passes differ by less than 5 %. This project's own choice: the
# first pass of a module is typically 1.3 to 10 times slower (page faults, kernel selection).
STEADY = 0.05
MAX_WARMUP_PASSES = 20
WARMUP_SHARE = 0.25  # of the budget; a slow module gets its one pass in any case


@dataclass(frozen=True)
class Sampled:
    """What sampling gave."""

    warmup: tuple[float, ...]  # seconds of each warm-up pass
    samples: tuple[float, ...]  # seconds of each measured pass, none dropped
    flags: tuple[str, ...] = field(default=())  # what a reader must know, one sentence each
    # what the criterion lacked when the budget ended the sampling; `None` if it was met
    unmet: str | None = None
    steady: bool = True  # whether the last two passes of the warm-up agreed


def sample_until(
    take: Callable[[], float],
    criterion: StoppingCriterion,
    clock: Clock,
    budget: float = MAX_TIME,
    before: Sequence[float] = (),
) -> Sampled:
    """Warm up, then take samples.

    Args:
        take: runs one pass and returns its duration in seconds.
        criterion: says when the samples suffice.
        clock: seconds that have passed, overhead between samples included.
        budget: seconds after which sampling ends even if the criterion is unmet; at least one
            sample is taken.
        before: seconds of passes that were run just before; they are part of the warm-up.
    """
    warmup = _warm_up(take, clock, budget, before)
    start = clock()
    samples: list[float] = []
    unmet = None
    shortest = inf  # kept, since a fast pass gives more samples than a search of them could bear
    while not samples or not criterion.finished():
        if samples and clock() - start + shortest > budget:
            unmet = criterion.unmet()
            break
        samples.append(take())
        shortest = min(shortest, samples[-1])
        criterion.add(samples[-1])
    return _sampled(warmup, samples, unmet, budget)


def sample_interleaved(
    takes: Sequence[Callable[[], float]],
    criteria: Sequence[StoppingCriterion],
    clock: Clock,
    budget: float,
    rng: Random,
) -> list[Sampled]:
    """Warm up each of several passes, then sample them in turns until all criteria are met.

    A block runs them in an order drawn anew and then backwards (B A C C A B): the n-th samples of
    two passes lie side by side, and a drift of the machine meets all of them alike.

    Args:
        takes: each runs one pass and returns its duration in seconds.
        criteria: one for each.
        clock: seconds that have passed.
        budget: seconds after which sampling ends even if a criterion is unmet; one block is taken.
        rng: draws the orders.
    """
    warmups = [_warm_up(take, clock, budget / len(takes)) for take in takes]
    samples: list[list[float]] = [[] for _ in takes]
    order, start, shortest = list(range(len(takes))), clock(), inf
    met = dict.fromkeys(order, False)  # kept: a criterion may look only at every few samples
    while not all(met.values()):
        before = clock()
        if samples[0] and before - start + shortest > budget:
            break
        rng.shuffle(order)
        for n in (*order, *reversed(order)):
            samples[n].append(takes[n]())
            criteria[n].add(samples[n][-1])
            met[n] = met[n] or criteria[n].finished()
        shortest = min(shortest, clock() - before)
    return [
        _sampled(warmups[n], samples[n], None if met[n] else criteria[n].unmet(), budget)
        for n in range(len(takes))
    ]


def _sampled(
    warmup: list[float], samples: list[float], unmet: str | None, budget: float
) -> Sampled:
    flags = [f"stopped at the budget of {budget:g} s: {unmet}"] if unmet is not None else []
    steady = _steady(warmup)
    if not steady:
        flags.append("the warm-up did not become steady")
    return Sampled(tuple(warmup), tuple(samples), tuple(flags), unmet, steady)


def _warm_up(
    take: Callable[[], float], clock: Clock, budget: float, before: Sequence[float] = ()
) -> list[float]:
    """Seconds of the passes until two of them agree."""
    until = clock() + budget * WARMUP_SHARE - sum(before)
    passes = [*before] or [take()]
    while not _steady(passes) and len(passes) < MAX_WARMUP_PASSES and clock() < until:
        passes.append(take())
    return passes


def _steady(passes: list[float]) -> bool:
    if len(passes) < 2:
        return False
    before, last = list(pairwise(passes))[-1]
    return abs(last - before) <= STEADY * max(before, last)
