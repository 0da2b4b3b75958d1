"""When a ratio is called a difference: surely enough, and large enough to matter."""

from typing import Literal

from harness.judge.statistics.significance import Ratio

ChangeVerdict = Literal[
    "same", "faster", "slower", "less", "more", "unclear", "new", "gone", "failed"
]
"""`faster` and `slower` are said of seconds, `less` and `more` of everything else."""

ALPHA = 0.01
"""Share of false calls among calls; where nothing differs, the probability of any call."""

MIN_EFFECT = 0.02
"""Differences smaller than this are nobody's regression."""

LEAST_REPLICATES = 3
"""Processes a side below which a measured metric gets no verdict: two have a spread of one degree
of freedom, and what two processes agree on by chance is not known."""


def called(
    ratio: Ratio,
    p_adjusted: float,
    alpha: float,
    least: float,
    same_within: float | None = None,
    *,
    seconds: bool = True,
) -> ChangeVerdict:
    """What a test says of a ratio: a difference, none that matters, or neither.

    Args:
        least: effect that a difference has to reach.
        same_within: effect that the interval of what is the same stays below; `least` if absent.
    """
    if p_adjusted < alpha and ratio.ratio >= 1 + least:
        return "slower" if seconds else "more"
    if p_adjusted < alpha and ratio.ratio <= 1 / (1 + least):
        return "faster" if seconds else "less"
    upper = 1 + (least if same_within is None else same_within)
    return "same" if 1 / upper < ratio.low and ratio.high < upper else "unclear"
