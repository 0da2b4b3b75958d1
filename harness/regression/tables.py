"""Tables of a comparison: what has changed, and what has not."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.present.cells import ABSENT, Cell, Column, Table
from harness.present.numbers import fixed, percent, supported
from harness.regression.metrics import CASE, METRICS, Metric
from harness.regression.replicates import CaseId, CaseMetric
from harness.regression.report import Report
from harness.regression.verdict import Comparison, Verdict

_URGENCY: tuple[Verdict, ...] = (
    "failed", "slower", "more", "unclear", "faster", "less", "new", "gone", "same",
)  # fmt: skip
# A person reads these once per case, not once per metric.
_OF_A_CASE = ("new", "gone")


@dataclass(frozen=True)
class _Line:
    """One row: a comparison, and how its metric is called."""

    key: CaseMetric
    metric: str
    found: Comparison


def changes(report: Report) -> Table:
    """Everything but `same`: regressions first."""
    lines = _merged(report)
    lines.sort(key=lambda line: (not line.found.regression, _URGENCY.index(line.found.verdict)))
    return _table("Changes", lines, _suites(report) > 1, reasons=True)


def unchanged(report: Report) -> Table:
    """Everything that is the same."""
    lines = [
        _Line(key, METRICS[key.metric].head, each)
        for key, each in report.comparisons.items()
        if each.verdict == "same"
    ]
    return _table("Same", lines, _suites(report) > 1, reasons=False)


def _merged(report: Report) -> list[_Line]:
    lines: list[_Line] = []
    merged: dict[tuple[CaseId, Verdict, str], int] = {}
    for key, each in report.comparisons.items():
        if each.verdict == "same":
            continue
        head = "" if key.metric == CASE else METRICS[key.metric].head
        group = (key.case, each.verdict, each.reason)
        if each.verdict in _OF_A_CASE and group in merged:
            before = lines[merged[group]]
            metric = f"{before.metric}, {head}"
            found = Comparison(each.verdict, reason=each.reason)
            lines[merged[group]] = _Line(before.key, metric, found)
        else:
            merged[group] = len(lines)
            lines.append(_Line(key, head, each))
    return lines


def _suites(report: Report) -> int:
    return len({key.suite for key in report.comparisons})


def _table(title: str, lines: Sequence[_Line], suites: bool, *, reasons: bool) -> Table:
    columns = [
        _column("Case", (line.key.label for line in lines)),
        _column("Metric", (line.metric or ABSENT for line in lines)),
        _column("Before", (_value(line, line.found.value_a) for line in lines), right=True),
        _column("After", (_value(line, line.found.value_b) for line in lines), right=True),
        _column("Change (%)", (_effect(line.found) for line in lines), right=True),
        _column("95 % interval (%)", (_interval(line.found) for line in lines), right=True),
        _column("Processes", (_processes(line.found) for line in lines), right=True),
        _column("Verdict", (line.found.verdict for line in lines)),
    ]
    if suites:
        columns.insert(0, _column("Suite", (line.key.suite for line in lines)))
    if reasons:
        columns.append(_column("Why", (line.found.reason for line in lines)))
    return Table(title, tuple(columns), ())


def _column(head: str, texts: Iterable[str], *, right: bool = False) -> Column:
    cells = tuple(Cell(text, text) for text in texts)
    return Column(head, cells, "right" if right else "left", head.lower())


def _value(line: _Line, value: float | None) -> str:
    if value is None:
        return ABSENT
    metric, found = METRICS[line.key.metric], line.found
    if metric.is_measured:
        return _measured(metric, value, found)
    text = fixed(metric.unit.scale(value), 3)
    other = found.value_b if value is found.value_a else found.value_a
    if other is not None and other != value and text == fixed(metric.unit.scale(other), 3):
        return f"{value:,.0f}"  # they differ in digits that the unit hides
    return f"{text} {metric.unit.name}"


def _measured(metric: Metric, value: float, found: Comparison) -> str:
    """With no more digits than the interval of the ratio supports."""
    low = high = None
    if found.effect is not None and found.low is not None and found.high is not None:
        low, high = (value * (1 + end) / (1 + found.effect) for end in (found.low, found.high))
    scale = metric.unit.scale
    bounds = (None, None) if low is None or high is None else (scale(low), scale(high))
    return f"{supported(scale(value), *bounds)} {metric.unit.name}"


def _effect(found: Comparison) -> str:
    if found.effect is None:
        return ABSENT
    return "from 0" if math.isinf(found.effect) else percent(found.effect, 1)


def _interval(found: Comparison) -> str:
    if found.p is None or found.low is None or found.high is None:
        return ABSENT
    return f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def _processes(found: Comparison) -> str:
    if not found.replicates_a and not found.replicates_b:
        return ABSENT
    return f"{found.replicates_a} / {found.replicates_b}"
