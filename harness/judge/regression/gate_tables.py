"""Tables of a gate and of its self-test."""

from collections.abc import Sequence

from harness.judge.regression.gate import Settings
from harness.judge.regression.selftest import (
    LEAST_POWER,
    MOST_FALSE_ALARMS,
    SLOW_DOWNS,
    Rate,
    Verified,
)
from harness.judge.regression.session import GateReport
from harness.judge.regression.verdict import Comparison
from harness.measure.metric import unit
from harness.present.formats import ABSENT, Cell, Column, Table
from harness.records.quantities.quantity import percent, supported

_UNIT = unit("ms", "seconds")

_WORST = ("failed", "slower", "unclear", "faster", "new", "same")


def gate_table(report: GateReport) -> Table:
    """One row per case, regressions first."""
    rows = sorted(
        report.gated.comparisons.items(),
        key=lambda row: (not row[1].regression, _WORST.index(row[1].verdict)),
    )
    all_found = [each for _, each in rows]
    columns = [
        _column("Case", [key.label for key, _ in rows]),
        _column(
            f"Before ({_UNIT.name})",
            [_latency(each, each.value_a) for each in all_found],
            right=True,
        ),
        _column(
            f"After ({_UNIT.name})",
            [_latency(each, each.value_b) for each in all_found],
            right=True,
        ),
        _column("Change (%)", [_effect(each) for each in all_found], right=True),
        _column("95 % interval (%)", [_interval(each) for each in all_found], right=True),
        _column("Pairs", [str(each.replicates_b or ABSENT) for each in all_found], right=True),
        _column("Verdict", [each.verdict for each in all_found]),
    ]
    if len({key.suite for key, _ in rows}) > 1:
        columns.insert(0, _column("Suite", [key.suite for key, _ in rows]))
    title = f"{report.suite}: {report.after} against {report.before}"
    reasons = [f"{key.label}: {found.reason}" for key, found in rows if found.reason]
    footnotes = (*reasons, *report.notes, rule(report.settings, report.gated.floor))
    return Table(title, tuple(columns), footnotes)


def summary(report: GateReport) -> str:
    """The outcome in one line; regressions by name."""
    gated = report.gated
    number = len(gated.comparisons)
    if gated.regressions:
        names = ", ".join(
            f"{key.label} ({_word(gated.comparisons[key])})" for key in gated.regressions
        )
        return f"failed: {len(gated.regressions)} of {number} cases worse: {names}"
    if gated.undecided:
        names = ", ".join(key.label for key in gated.undecided)
        return f"undecided: {len(gated.undecided)} of {number} cases: {names}"
    return f"passed: none of {number} cases worse"


def rule(settings: Settings, floor: float) -> str:
    """What the verdicts mean."""
    return (
        f"faster, slower: p < {settings.alpha:g} over all {len(settings.looks)} possible looks "
        "(Yuen's test on logarithms of paired per-process medians, Benjamini-Hochberg over the "
        f"grid) and at least {settings.min_effect:.1%} and the noise floor of A/A pairs "
        f"({floor:.1%} at the last look); same: the whole interval within {settings.min_effect:.1%}"
    )


def self_test_table(verified: Verified) -> Table:
    """Each rule with its false alarms and the slow-downs that it finds."""
    rules = verified.rules
    heads = [f"{slow_down:.0%} slow-downs found" for slow_down in SLOW_DOWNS]
    columns = [
        _column("Rule", [each.name for each in rules]),
        _column("False alarms", [_rate(each.false_alarms) for each in rules], right=True),
        *(
            _column(head, [_rate(each.found[i]) for each in rules], right=True)
            for i, head in enumerate(heads)
        ),
    ]
    asked = ", ".join(
        f"{least:.0%} of {slow_down:.0%} slow-downs"
        for least, slow_down in zip(LEAST_POWER, SLOW_DOWNS, strict=True)
    )
    footnotes = (
        f"asked of the gate: at most {MOST_FALSE_ALARMS:.0%} false alarms, at least {asked}: "
        + ("reached" if verified.passed else "not reached"),
        f"{_rate(verified.called_same)} of the pairs of equal versions are called same; the others "
        "are unclear, or the alarms",
        f"{verified.processes} processes in {verified.seconds:.0f} s, beside a noisy neighbour",
    )
    return Table("Self-test of the gate", tuple(columns), footnotes)


def _rate(rate: Rate) -> str:
    return f"{rate.share:.1%} ({rate.hits} of {rate.total})" if rate.total else ABSENT


def _word(found: Comparison) -> str:
    if found.effect is None:
        return found.verdict
    return f"{percent(found.effect, 1)} %"


def _latency(found: Comparison, value: float | None) -> str:
    if value is None:
        return ABSENT
    scale = _UNIT.scale
    if found.effect is None or found.low is None or found.high is None:
        return supported(scale(value), None, None)
    low, high = (value * (1 + end) / (1 + found.effect) for end in (found.low, found.high))
    return supported(scale(value), scale(low), scale(high))


def _effect(found: Comparison) -> str:
    return ABSENT if found.effect is None else percent(found.effect, 1)


def _interval(found: Comparison) -> str:
    if found.low is None or found.high is None:
        return ABSENT
    return f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def _column(head: str, texts: Sequence[str], *, right: bool = False) -> Column:
    cells = tuple(Cell(text, text) for text in texts)
    return Column(head, cells, "right" if right else "left", head.lower())
