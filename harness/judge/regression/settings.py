"""How a gate decides, and how much it is tried: what its command has as defaults."""

import math
from dataclasses import dataclass

from harness.judge.statistics.decision import ALPHA, MIN_EFFECT

USUAL_BUDGET = 600.0
"""Seconds."""

PROCESS_SECONDS = 0.5
"""Of samples in each process. Processes differ from each other, however long each one samples, so
that time is better spent on more of them."""

LOOKS = 5
"""Looks at which a difference can be found; a case twice as noisy needs four times as many pairs,
which is two looks more."""

GRIDS = 1000
"""Grids of equal versions of each noise in a self-test, and as many with a slow case."""

REAL_GRIDS = 20
"""The same of real processes, of which each takes some milliseconds."""


@dataclass(frozen=True)
class Settings:
    """How a gate decides."""

    looks: int = LOOKS  # at which a difference can be found
    budget: float = USUAL_BUDGET  # seconds after which no further pair begins
    # probability of any false verdict `faster` or `slower` where nothing differs, all looks
    # together
    alpha: float = ALPHA
    min_effect: float = MIN_EFFECT  # differences smaller than this are nobody's regression
    seed: int = 0  # of the coins that say which version runs first

    def __post_init__(self) -> None:
        if not (self.budget > 0 and 0 < self.alpha < 1 and 0 <= self.min_effect < math.inf):
            raise ValueError("budget is positive, alpha a probability, min_effect a share")
        if self.looks < 1:
            raise ValueError("looks is at least 1")
