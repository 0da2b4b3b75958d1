"""The sampling loop: warm up until steady, then sample until a criterion or the budget says stop.

Nothing here reads a clock of its own or knows a device, so tests run it on a fake clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from harness.measure.stopping import MAX_TIME, StoppingCriterion

# Steady: two neighbouring warm-up passes differ by less than 5 %. This project's own choice: the
# first pass of a module is typically 1.3 to 10 times slower (page faults, kernel selection).
STEADY = 0.05
MAX_WARMUP_PASSES = 20
WARMUP_SHARE = 0.25  # of the budget; a slow module gets its one pass in any case


@dataclass(frozen=True)
class Sampled:
    """What sampling gave.

    Attributes:
        warmup: seconds of each warm-up pass.
        samples: seconds of each measured pass, none dropped.
        flags: what a reader must know, one sentence each.
        unmet: what the criterion lacked when the budget ended the sampling; `None` if it was met.
        steady: whether the last two passes of the warm-up agreed.
    """

    warmup: tuple[float, ...]
    samples: tuple[float, ...]
    flags: tuple[str, ...] = field(default=())
    unmet: str | None = None
    steady: bool = True


def sample_until(
    take: Callable[[], float],
    criterion: StoppingCriterion,
    clock: Callable[[], float],
    budget: float = MAX_TIME,
) -> Sampled:
    """Warm up, then take samples.

    Args:
        take: runs one pass and returns its duration in seconds.
        criterion: says when the samples suffice.
        clock: seconds that have passed, overhead between samples included.
        budget: seconds after which sampling ends even if the criterion is unmet; at least one
            sample is taken.
    """
    start = clock()
    warmup = _warm_up(take, clock, start + budget * WARMUP_SHARE)
    start = clock()
    samples: list[float] = []
    flags: list[str] = []
    unmet: str | None = None
    shortest = inf  # kept, since a fast pass gives more samples than a search of them could bear
    while not samples or not criterion.finished():
        if samples and clock() - start + shortest > budget:
            unmet = criterion.unmet()
            flags.append(f"stopped at the budget of {budget:g} s: {unmet}")
            break
        samples.append(take())
        shortest = min(shortest, samples[-1])
        criterion.add(samples[-1])
    if not _steady(warmup):
        flags.append("the warm-up did not become steady")
    return Sampled(tuple(warmup), tuple(samples), tuple(flags), unmet, _steady(warmup))


def _warm_up(take: Callable[[], float], clock: Callable[[], float], until: float) -> list[float]:
    passes = [take()]
    while not _steady(passes) and len(passes) < MAX_WARMUP_PASSES and clock() < until:
        passes.append(take())
    return passes


def _steady(passes: list[float]) -> bool:
    if len(passes) < 2:
        return False
    before, last = list(pairwise(passes))[-1]
    return abs(last - before) <= STEADY * max(before, last)
