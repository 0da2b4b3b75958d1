"""A share of trials, with the interval that it is known to."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from harness.judge.statistics.significance import CONFIDENCE

_SELDOM = 0.001
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """Between 0 and 1; not a number of nothing."""
        return self.hits / self.total if self.total else math.nan

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the probability behind it."""
        return self._end(-1)

    @property
    def high(self) -> float:
        """Upper end."""
        return self._end(1)

    @property
    def rest(self) -> "Share":
        """Those that are no hits."""
        return Share(self.total - self.hits, self.total)

    def exceeds(self, probability: float) -> bool:
        """Whether chance gives so many hits less than once in a thousand at a probability."""
        n, p = self.total, probability
        logs = (
            # Binomial, by logarithms: the powers themselves would under- and overflow.
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(p) + (n - k) * math.log1p(-p)
            for k in range(self.hits)
        )  # fmt: skip
        return 1 - math.fsum(map(math.exp, logs)) < _SELDOM

    def _end(self, sign: int) -> float:
        """The interval of Wilson 1927, which holds its level for rare hits as well:

        (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n); 0 to 1 of nothing.
        """
        if not self.total:
            return (1 + sign) / 2
        n, p = self.total, self.share
        half = _Z * math.sqrt(p * (1 - p) / n + (_Z / (2 * n)) ** 2)
        return min(max((p + _Z**2 / (2 * n) + sign * half) / (1 + _Z**2 / n), 0.0), 1.0)
