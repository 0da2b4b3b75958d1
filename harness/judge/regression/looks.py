"""When a gate looks, what each look costs, and how far a case is from a verdict."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from harness.judge.statistics.significance import CONFIDENCE, Ratio, share_of_look


@dataclass(frozen=True)
class Look:
    """A number of pairs at which verdicts are sought."""

    pairs: int  # of a case
    share: float  # of alpha that a difference found here may cost


def planned(alpha: float, cases: int, looks: int) -> tuple[Look, ...]:
    """The looks of a case, in their order.

    Each has its `share_of_look` of alpha, so that all together stay within it, however many there
    are.

    n pairs have 2^n draws, so that no p value is below 2 / 2^n, and Benjamini-Hochberg lets the
    only slow case of a grid through at alpha / cases. The first look at a difference comes when
    there are that many draws, each later one at twice the pairs. Before it is one that can say
    `same` alone, where the interval has both ends: equal versions on a quiet machine are done then.

    Args:
        alpha: probability of any false alarm in the grid.
        cases: of the grid.
        looks: at which a difference can be found.
    """
    same = fewest_pairs(1 - CONFIDENCE)
    shares = [share_of_look(number) for number in range(looks)]
    first = max(fewest_pairs(alpha * shares[0] / max(cases, 1)), same)
    differing = tuple(Look(first * 2**k, share) for k, share in enumerate(shares))
    return (Look(same, 0.0), *differing) if same < first else differing


def pairs_needed(ratio: Ratio, pairs: int, min_effect: float, p: float) -> float:
    """Pairs that would settle a case, if what has been seen of it goes on.

    An interval narrows with the root of the pairs. Below `min_effect` it has to fit between the
    effect and that; above, the effect has to be as many standard errors from 0 as p asks for.

    Args:
        ratio: seen so far, with its interval.
        pairs: that have shown it.
        p: what a difference has to reach.

    Returns:
        A number, infinite where the effect is just `min_effect` or has no interval yet.
    """
    if not (ratio.low > 0 and ratio.high < math.inf):
        return math.inf
    half = math.log(ratio.high / ratio.low) / 2
    effect, least = abs(math.log(ratio.ratio)), math.log1p(min_effect)
    if effect < least:
        return pairs * (half / (least - effect)) ** 2
    usual, asked = (NormalDist().inv_cdf(1 - q / 2) for q in (1 - CONFIDENCE, p))
    return pairs * (half / effect * asked / usual) ** 2 if effect else math.inf


def fewest_pairs(p: float) -> int:
    """Pairs from which on the draw has outcomes enough for a two-sided p value as small as this.

    Args:
        p: in (0, 1].
    """
    return max(1, math.ceil(1 - math.log2(p)))
