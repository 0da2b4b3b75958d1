"""How rows of one run differ in time: each against the fastest, or against a row that is named.

A ratio has an interval, and a verdict, where both rows have several processes. The n-th processes
of all cases run in one round, so that they are pairs: what the machine did in that round met both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Any

from harness.instantiate import is_of_session
from harness.judge.statistics.decision import (
    ALPHA,
    LEAST_REPLICATES,
    MIN_EFFECT,
    ChangeVerdict,
    called,
)
from harness.judge.statistics.significance import TRIM, Ratio, adjusted, welch, yuen
from harness.records.quantities.derived import INPUT, shape_text, sweep_name
from harness.records.quantities.quantity import Row, supported

TICK = 1e-9
"""Seconds that a pass takes at least, so that there is a ratio where a clock saw nothing."""

_LEAST_TRIMMED = 10
"""Pairs from which on some are cut at the ends; of fewer the degrees of freedom are worth more."""

SAME, UNTOLD = "=", "~"
"""Marks of a ratio whose row is as fast as the other, and of one that cannot be told apart."""


@dataclass(frozen=True)
class Relative:
    """How long one takes, over what another takes."""

    ratio: float  # above 1 where it takes longer
    low: float | None  # lower end of its 95 % interval; `None` where too few processes ran
    high: float | None  # upper end
    verdict: ChangeVerdict  # `slower`, `faster`, `same` (within 2 %) or `unclear`

    @property
    def mark(self) -> str:
        """What stands beside a ratio that is no plain difference; nothing where none was tested."""
        if self.low is None:
            return ""
        return {"same": SAME, "unclear": UNTOLD}.get(self.verdict, "")

    @property
    def interval(self) -> str:
        """`(1.18 to 1.29)`; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"({factor_text(self.low)} to {factor_text(self.high)})"

    def __str__(self) -> str:
        """`1.23 (1.18 to 1.29)`; of single processes with the digits that they support."""
        if not self.interval:
            return supported(self.ratio, None, None)
        return f"{factor_text(self.ratio)} {self.interval}"


def factor_text(ratio: float) -> str:
    """A ratio with three digits, at most two of them behind the point."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.3g}"


def sentence(base: str, name: str, found: Relative) -> str:
    """One against a faster one, in words: `base is 1.23 times as fast as name (1.18 to 1.29)`."""
    if found.verdict == "slower":
        return f"{base} is {factor_text(found.ratio)} times as fast as {name} {found.interval}"
    if found.verdict == "same":
        return f"{base} and {name} differ by less than 2 % {found.interval}"
    if found.low is None or found.high is None:
        return f"{base} and {name} ran in too few processes to be told apart"
    if found.low > 1 or found.high < 1:
        return f"{base} and {name} differ, but perhaps by less than 2 % {found.interval}"
    return f"{base} and {name} cannot be told apart {found.interval}"


def against(
    base: str, times: Mapping[str, Sequence[float]], *, paired: bool = True
) -> dict[str, Relative]:
    """Each of several against one of them.

    Pairs are tested by Yuen's test on the logarithms of their ratios, without a cut below ten
    pairs, all else by Welch's. A verdict takes p < 0.01 (Benjamini-Hochberg over all that are
    tested) and a difference of 2 %.

    Args:
        base: name of the one.
        times: seconds by name, each of a process (or a pass) of its own.
        paired: whether the n-th of one and of another, which has as many, ran side by side.
    """
    of_base = [max(each, TICK) for each in times[base]]
    others = {
        name: [max(x, TICK) for x in each] for name, each in times.items() if name != base and each
    }
    tested = {
        name: _ratio(of_base, each, paired=paired)
        for name, each in others.items()
        if min(len(each), len(of_base)) >= LEAST_REPLICATES
    }
    p_values = dict(zip(tested, adjusted([ratio.p for ratio in tested.values()]), strict=True))
    found = {}
    for name, each in others.items():
        if (ratio := tested.get(name)) is None:
            found[name] = Relative(median(each) / median(of_base), None, None, "unclear")
            continue
        verdict = called(ratio, p_values[name], ALPHA, MIN_EFFECT)
        found[name] = Relative(ratio.ratio, ratio.low, ratio.high, verdict)
    return found


def _ratio(base: Sequence[float], other: Sequence[float], *, paired: bool) -> Ratio:
    if not paired or len(base) != len(other):
        return welch(base, other)
    trim = TRIM if len(base) >= _LEAST_TRIMMED else 0.0
    return yuen([log(y / x) for x, y in zip(base, other, strict=True)], trim)


# Rows. Only those of one input and one pass do the same work.

RELATIVE = "relative"

_FIELDS = (RELATIVE, "relative_low", "relative_high", "relative_verdict", "relative_to")


def with_relative(rows: Sequence[Row], to: str | None = None) -> list[dict[str, Any]]:
    """Rows with their time over that of the fastest row, or of a named one.

    Without a name each row is held against the fastest of those that have its input and pass. With
    one, against the row of that label; where several inputs were measured, against the row of its
    own input whose label is the name and the input, if there is one.

    Args:
        rows: of one suite, replicates joined.
        to: label of the row that is 1.

    Returns:
        Copies; those that can be compared with `relative`, `relative_low`, `relative_high`,
        `relative_verdict` (`None` of the row that is 1) and `relative_to`, its label.
    """
    made = [{name: row[name] for name in row if name not in _FIELDS} for row in rows]
    timed = [row for row in made if row.get("status") == "ok" and row.get("latency_seconds")]
    named = next((row for row in timed if row["label"] == to), None)
    for group in _groups(timed):
        base = named
        if to is None and len(group) > 1:
            base = min(group, key=lambda row: float(row["latency_seconds"]))
        elif to is not None:
            base = next((row for row in group if sweep_name(row, INPUT) == to), named)
        if base is not None:
            _hold_against(base, group)
    return made


def _groups(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(repr((row.get("input"), row.get("pass"))), []).append(row)
    return list(found.values())


def _hold_against(base: Row, group: Sequence[dict[str, Any]]) -> None:
    label = str(base["label"])
    times = {str(row["label"]): times_of(row) for row in (base, *group)}
    # Where the processes of a case take turns, those of another ran at another time.
    paired = not any(row.get("turns") for row in (base, *group))
    found = against(label, times, paired=paired)
    for row in group:
        each = found.get(str(row["label"]))
        row |= {
            RELATIVE: each.ratio if each else 1.0,
            "relative_low": each.low if each else None,
            "relative_high": each.high if each else None,
            "relative_verdict": each.verdict if each else None,
            "relative_to": label,
        }


def times_of(row: Row) -> Sequence[float]:
    """Seconds of each process of a row; of a single process its median.

    What ran in the session had one process, however often it ran.
    """
    if is_of_session(str(row.get("module"))):
        return [row["latency_seconds"]]
    return row.get("latency_processes_seconds") or [row["latency_seconds"]]


def relative_of(row: Row) -> Relative | None:
    """What `with_relative` has found of a row; `None` of one that is 1 or was not compared."""
    if row.get("relative_verdict") is None:
        return None
    return Relative(*(row[name] for name in _FIELDS[:4]))


def conclusions(rows: Sequence[Row]) -> list[str]:
    """Which row is the fastest and by how much, or how rows stand to the named one; in sentences.

    Args:
        rows: as `with_relative` gives them.
    """
    compared: dict[tuple[str, str], list[tuple[str, Relative]]] = {}
    for row in rows:
        if (found := relative_of(row)) is not None:
            size = shape_text(row.get("input"))
            compared.setdefault((str(row["relative_to"]), size), []).append((row["label"], found))
    several = len({size for _, size in compared}) > 1
    return [
        (f"{size}: " if several else "") + _conclusion(base, others)
        for (base, size), others in compared.items()
    ]


def _conclusion(base: str, others: Sequence[tuple[str, Relative]]) -> str:
    order = sorted(others, key=lambda each: each[1].ratio)
    first, nearest = order[0]
    if any(each.low is None for _, each in order):
        if nearest.ratio >= 1:
            said = f"{base} took the least time, {first} {nearest} times as much"
        else:
            said = f"{first} took the least time, {nearest} times that of {base}"
        return f"{said}, in too few processes to know whether that holds."
    same = [name for name, each in order if each.verdict == "same"]
    untold = [name for name, each in order if each.verdict == "unclear"]
    faster = [pair for pair in order if pair[1].verdict == "faster"]
    slower = [pair for pair in order if pair[1].verdict == "slower"]
    words = []
    if faster:
        name, found = faster[0]
        of = f", the fastest of {len(faster)}," if len(faster) > 1 else ""
        words.append(f"{name}{of} takes {found} times as long as {base}")
    if same:
        words.append(f"{base} is within 2 % of {_few(same)}")
    if untold:
        words.append(f"{base} and {_few(untold)} are not surely different")
    if slower:
        name, found = slower[0]
        what = f"the next, {name}" if len(order) > 1 else name
        factor = factor_text(found.ratio)
        words.append(f"{base} is {factor} times {found.interval} as fast as {what}")
    return "; ".join(words) + "."


def _few(names: Sequence[str]) -> str:
    shown = names if len(names) <= _FEW else [*names[: _FEW - 1], f"{len(names) - _FEW + 1} more"]
    return ", ".join(shown)


_FEW = 6
