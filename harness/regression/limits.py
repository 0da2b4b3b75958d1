"""What makes a difference between two runs a verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.regression.verdict import ALPHA, MIN_EFFECT


@dataclass(frozen=True)
class Limits:
    """See `harness.regression.verdict.decide`.

    Attributes:
        alpha: share of false calls among calls.
        min_effect: smallest difference of interest.
        noise_floor: of each metric, from runs of equal code on this machine.
    """

    alpha: float = ALPHA
    min_effect: float = MIN_EFFECT
    noise_floor: Mapping[str, float] = field(default_factory=dict)


DEFAULT_LIMITS = Limits()
