"""Heads of columns: short words, in as few lines as the numbers below leave room for."""

import re
from collections.abc import Sequence
from itertools import combinations, pairwise

from harness.present.latex.text import latex_text
from harness.present.latex.width import text_width

# The first that fits is replaced; what a head means stays the same.
_SHORT = (
    (r"\bParameters\b", "Params"),
    (r"\bparameters\b", "params"),
    (r"\bLive peak\b", "Peak"),
    (r"\bFLOPs \(GFLOPs\)", "FLOPs (G)"),
    (r"\bConvolution\b", "Conv."),
    (r"\bAlgorithmic\b", "Alg."),
    (r"\balgorithmic\b", "alg."),
    (r"\bExecuted\b", "Exec."),
    (r"\bPixel accuracy\b", "Pixel acc."),
    (r"\boperations\b", "ops"),
    (r"\(exponent\)", "(exp.)"),
    (r"\bProcesses\b", "Proc."),
)


def shortened(head: str) -> str:
    """A head with usual abbreviations."""
    for word, short in _SHORT:
        head = re.sub(word, short, head)
    return head


def lines_of(head: str, room: float, most: int) -> list[str]:
    """A head in the fewest lines of which none is wider than `room`, else in the narrowest.

    Args:
        room: points at 10 pt.
        most: lines.
    """
    words = head.split()
    ways = [
        _cut(words, places)
        for count in range(min(most, len(words)))
        for places in combinations(range(1, len(words)), count)
    ] or [[head]]
    fitting = [way for way in ways if lines_width(way) <= room]
    return fitting[0] if fitting else min(ways, key=lines_width)


def lines_width(lines: Sequence[str]) -> float:
    """Points of the widest line at 10 pt."""
    return max(map(text_width, lines), default=0)


def stacked(lines: Sequence[str], align: str) -> str:
    """Lines above one another, the last one on the line of the cell."""
    texts = [latex_text(line) for line in lines]
    if len(texts) == 1:
        return texts[0]
    inner = r" \\ ".join(texts)
    return rf"\begin{{tabular}}[b]{{@{{}}{align}@{{}}}}{inner}\end{{tabular}}"


def _cut(words: Sequence[str], places: Sequence[int]) -> list[str]:
    ends = [0, *places, len(words)]
    return [" ".join(words[a:b]) for a, b in pairwise(ends)]
