"""How `gate`, `compare` and `history` do under simulated noises: tables of figures that are kept.

They take long: `harness gate --self-test --json > results/noises/gate.json` and
`python docs/generate/noises.py` write them anew.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from md_table import table

from harness.judge.regression.history import ChangeLimits
from harness.judge.regression.noises import NOISES, Levels, Noise
from harness.judge.regression.observed import CaseMetric, Replicates, noise_floor
from harness.judge.regression.together import flagged, shifts
from harness.judge.regression.verdict import Finding, Limits, decide
from harness.judge.statistics.change_points import find_change_points
from harness.judge.statistics.share import Share
from harness.present.self_test import rate

KEPT = Path(__file__).parents[2] / "results" / "noises"
GATE, RUNS = KEPT / "gate.json", KEPT / "runs.json"

GRIDS = 400
"""Comparisons of equal code under each noise, as many with a slow case, and as many series."""

SLOWER = 0.05
_CASES, _PROCESSES = 10, 5
_RUN = _CASES * _PROCESSES
_NOISE_RUNS = 3
_SERIES, _STEP = 60, 40
_DIFFERENT = ("slower", "faster")
_KEYS = tuple(CaseMetric("grid", f"case {n}", str(n)) for n in range(_CASES))


HOURS = replace(NOISES[0], name=f"{NOISES[0].name}, a run's level 3 %")
"""Each run at another hour, which has a level of its own."""

_HOUR = 0.03


@dataclass(frozen=True)
class HeldAgainst:
    """How comparisons of runs did under one noise."""

    noise: str
    alarms: Share  # grids of equal code with a case called different
    unflagged: Share  # the same, leaving out cases of which it is said that most changed alike
    found: Share  # slow cases called slower
    floored_alarms: Share  # like `alarms`, with a floor from further runs of equal code
    floored_found: Share  # likewise
    changes: Share  # series of equal code with a change
    steps: Share  # steps found where they are, give or take one run


def held(noise: Noise, grids: int, seed: int = 0) -> HeldAgainst:
    """Hold `compare` and the change points of `history` against a noise."""
    equal = [_compared(noise, 0.0, (seed, number)) for number in range(grids)]
    slow = [_compared(noise, SLOWER, (seed, grids + number)) for number in range(grids)]

    def alarms(which: Callable[["_Compared"], dict[CaseMetric, Finding]]) -> Share:
        return Share(sum(any(map(_differs, which(each).values())) for each in equal), grids)

    def found(which: Callable[["_Compared"], dict[CaseMetric, Finding]]) -> Share:
        return Share(sum(which(each)[_KEYS[0]].verdict == "slower" for each in slow), grids)

    number = 0 if noise is HOURS else grids  # what a series of processes has no hours for
    flat = [_changes(noise, 0.0, (seed, place)) for place in range(number)]
    stepped = [_changes(noise, SLOWER, (seed, grids + place)) for place in range(number)]
    return HeldAgainst(
        noise.name,
        alarms=alarms(lambda each: each.plain),
        unflagged=alarms(lambda each: each.unflagged),
        found=found(lambda each: each.plain),
        floored_alarms=alarms(lambda each: each.floored),
        floored_found=found(lambda each: each.floored),
        changes=Share(sum(map(bool, flat)), number),
        steps=Share(sum(any(abs(at - _STEP) <= 1 for at in each) for each in stepped), number),
    )


def _differs(found: Finding) -> bool:
    return found.verdict in _DIFFERENT


@dataclass(frozen=True)
class _Compared:
    """Two runs, one after the other."""

    plain: dict[CaseMetric, Finding]
    floored: dict[CaseMetric, Finding]  # with a floor from runs before the first

    @property
    def unflagged(self) -> dict[CaseMetric, Finding]:
        """Those that differ, and not as most do."""
        found = flagged(self.plain, shifts(self.plain, Limits().min_effect))
        return {key: each for key, each in found.items() if not each.reason}


def _compared(noise: Noise, slower: float, seed: Sequence[int]) -> _Compared:
    """Further runs of equal code, the first run and the second, whose first case is slower."""
    draw = np.random.default_rng((crc32(noise.name.encode()), *seed))
    runs = _NOISE_RUNS + 2
    gaps = draw.integers(0, _RUN, runs)  # processes of others between two runs
    starts = np.cumsum(gaps) + _RUN * np.arange(runs)
    machine = noise.levels(draw, 2 * runs * _RUN)
    levels = machine[starts[:, None] + np.arange(_RUN)].reshape(-1, _PROCESSES, _CASES)
    if noise is HOURS:
        levels += draw.normal(0, _HOUR, (runs, 1, 1))
    levels[-1, :, 0] += math.log1p(slower)
    *others, before, after = (_run(each, noise.tick) for each in levels)
    plain = floored = decide(before, after)
    if any(map(_differs, plain.values())):  # a floor makes no difference of what is none
        floor = noise_floor([(before, other) for other in others])
        floored = decide(before, after, Limits(noise_floor=floor))
    return _Compared(plain, floored)


def _run(levels: Levels, tick: float) -> dict[CaseMetric, Replicates]:
    """Of rounds in which each case runs once."""
    seconds = np.exp(levels)
    if tick:
        seconds = np.round(seconds / tick) * tick
    return dict(zip(_KEYS, map(tuple, seconds.T.tolist()), strict=True))


def _changes(noise: Noise, step: float, seed: Sequence[int]) -> list[int]:
    """Places of changes in a series of runs, one process each; the last third is slower."""
    draw = np.random.default_rng((crc32(noise.name.encode()), *seed, 1))
    series = np.exp(noise.levels(draw, _SERIES))
    series[_STEP:] *= 1 + step
    limits = ChangeLimits()
    points = find_change_points(
        series.tolist(),
        window=limits.window,
        max_p=limits.max_p / len(series),
        min_magnitude=limits.min_change,
    )
    return [point.index for point in points]


def gate_table() -> str:
    """False alarms and power of the gate and of rules on single runs, in per cent."""
    kept = json.loads(GATE.read_text(encoding="utf-8"))["noises"]
    names = [rule["name"] for rule in kept[0]["rules"]]
    heads = [f"{name}: {what}" for name in names for what in ("alarms", "+5 % found")]
    heads.insert(2, f"{names[0]}: +5 % called same")
    rows = []
    for each in kept:
        own, *others = [(rule["false_alarms"], rule["found"]) for rule in each["rules"]]
        single = [_share(share) for rule in others for share in rule]
        rows.append((each["noise"], *map(_interval, (*own, each["missed"])), *single))
    return table(("Noise (%)", *heads), rows, numbers=True)


def runs_table() -> str:
    """The same of `compare`, of a noise floor and of change points."""
    heads = {
        "alarms": "compare: alarms",
        "unflagged": "not flagged",
        "found": "+5 % found",
        "floored_alarms": "with a floor: alarms",
        "floored_found": "+5 % found",
        "changes": "history: false changes",
        "steps": "+5 % found",
    }
    rows = []
    for each in json.loads(RUNS.read_text(encoding="utf-8")):
        shown = {name: _share(each[name]) for name in heads}
        shown |= {name: _interval(each[name]) for name in ("alarms", "unflagged")}
        rows.append((each["noise"], *shown.values()))
    return table(("Noise (%)", *heads.values()), rows, numbers=True)


def _interval(share: dict[str, int]) -> str:
    return rate(Share(**share))


def _share(share: dict[str, int]) -> str:
    return rate(Share(**share)).partition(" ")[0]


def main() -> None:
    """Write the figures of runs anew."""
    made = [asdict(held(noise, GRIDS)) for noise in (*NOISES, HOURS)]
    RUNS.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
