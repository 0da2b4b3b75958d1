"""Table of a self-test of the gate."""

from collections.abc import Callable

from harness.judge.regression.selftest import (
    LEAST_POWER,
    MOST_FALSE_ALARMS,
    REAL,
    SLOW_DOWN,
    TriedNoise,
    Verified,
)
from harness.judge.statistics.share import Share
from harness.present.formats import ABSENT, Cell, Column, Table

_Shown = Callable[[TriedNoise], Share]


def self_test_table(verified: Verified) -> Table:
    """A row for each noise: false alarms and what was found, by the gate and by other rules."""
    lines, slow = verified.noises, f"{SLOW_DOWN:.0%} found (%)"
    names = tuple(Cell(line.noise, line.noise) for line in lines)
    columns = [Column("Noise", names, "left", "noise")]
    for place, rule in enumerate(lines[0].rules if lines else ()):
        columns += [
            _column(rule.name, "alarms (%)", lines, _false_alarms(place)),
            _column(rule.name, slow, lines, _found(place)),
        ]
    return Table("Self-test of the gate", tuple(columns), _footnotes(verified))


def _false_alarms(place: int) -> _Shown:
    return lambda line: line.rules[place].false_alarms


def _found(place: int) -> _Shown:
    return lambda line: line.rules[place].found


def _column(group: str, sub: str, lines: tuple[TriedNoise, ...], shown: _Shown) -> Column:
    cells = tuple(Cell(rate(shown(line)), shown(line).share) for line in lines)
    head = f"{group}: {sub}"
    return Column(head, cells, "right", head.lower(), group, sub)


def rate(share: Share) -> str:
    """In per cent, with its interval: `0.4 (0.2–1.0)`."""
    if not share.total:
        return ABSENT
    digits = 1 if share.high < 0.1 else 0
    middle, low, high = (f"{100 * x:.{digits}f}" for x in (share.share, share.low, share.high))
    return f"{middle} ({low}–{high})"


def _footnotes(verified: Verified) -> tuple[str, ...]:
    own = [line for line in verified.noises if not line.passed]
    missed = _together([line.missed for line in verified.noises])
    worst = max(verified.noises, key=lambda line: line.missed.share, default=None)
    said = f": under {', '.join(line.noise for line in own)}" if own else ""
    return (
        "alarms: grids of ten equal cases in which a rule calls any of them different; "
        f"found: one case of ten is {SLOW_DOWN:.0%} slower and called so; in brackets 95 % "
        "intervals; mean:5% (pytest-benchmark) and Mann-Whitney (p < 0.05) judge single runs",
        f"asked of the gate: at most {MOST_FALSE_ALARMS:.0%} of grids with a false alarm, and at "
        f"least {LEAST_POWER:.0%} found where neighbours in time or most processes are alike: "
        + (f"not reached{said}" if own else _reached(verified)),
        f"the gate says `same` of a case that is {SLOW_DOWN:.0%} slower in {rate(missed)} %"
        + (f", at most in {rate(worst.missed)} % under {worst.noise}" if worst else ""),
        f"{verified.seconds:.0f} s"
        + (
            ""
            if REAL in {line.noise for line in verified.noises}
            else "; no real processes in so few grids"
        ),
    )


def _reached(verified: Verified) -> str:
    """What so many grids show."""
    most = max((line.rules[0].false_alarms.high for line in verified.noises), default=1.0)
    if most > _SHOWN:
        return f"nothing speaks against it, but so few grids would miss {most:.0%}: raise --grids"
    return "reached"


_SHOWN = 2 * MOST_FALSE_ALARMS
"""Upper end of an interval from which on a promise is not shown."""


def _together(shares: list[Share]) -> Share:
    return Share(sum(each.hits for each in shares), sum(each.total for each in shares))
