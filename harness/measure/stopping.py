"""When enough samples have been taken: interchangeable criteria, their constants in one place.

The criteria and most constants follow NVBench (`--min-time`, `--max-noise`, `--timeout`,
`--min-samples` of its `stdrel` criterion and of its noise-convergence check); where a constant is
this project's own, the comment says so.
"""

from collections import deque
from dataclasses import dataclass, field
from math import sqrt
from typing import Protocol

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
        return super().finished() or (self._long_enough() and self._settled())

    def _settled(self) -> bool:
        if len(self.noise) < self.window or self.moments.count % NOISE_CHECK_EVERY:
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
