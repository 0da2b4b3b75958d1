"""Tables of a comparison: what has changed, and what has not."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judge.regression.compare import Report
from harness.judge.regression.observed import CaseId, CaseMetric, Observed
from harness.judge.regression.verdict import Comparison, Verdict
from harness.present.formats import ABSENT, Cell, Column, Table, escape_markdown
from harness.present.formats import markdown as markdown_of_table
from harness.records.quantities.quantity import Unit, fixed, percent, supported, unit
from harness.records.quantities.registry import CASE, METRICS, Metric

_URGENCY: tuple[Verdict, ...] = (
    "failed", "slower", "more", "unclear", "faster", "less", "new", "gone", "same",
)  # fmt: skip
_UNITS: Mapping[str, tuple[str, ...]] = {
    "seconds": ("us", "ms", "s"),
    "energy": ("mJ", "J", "kJ"),
    "bytes": ("B", "KiB", "MiB", "GiB"),
    "count": ("1", "k", "M", "G"),
    "operations": ("1", "k", "M", "G", "T"),
}
_DECIMALS = 3

# A person reads these once per case, not once per metric.
_OF_A_CASE = ("new", "gone")


@dataclass(frozen=True)
class _Line:
    """One row: a comparison, and how its metric is called."""

    key: CaseMetric
    metric: str
    found: Comparison


def changes(report: Report, *, reasons: bool = True) -> Table:
    """Everything but `same`: regressions first.

    Args:
        report: of two runs.
        reasons: whether the last column says why.
    """
    return _table("Changes", _changed(report), _suites(report) > 1, reasons=reasons)


def reasons(report: Report) -> list[str]:
    """Why the verdicts of `changes` are as they are, for where a column is too narrow."""
    return [
        f"{', '.join(filter(None, (line.key.label, line.metric)))}: {line.found.reason}"
        for line in _changed(report)
        if line.found.reason
    ]


def unchanged(report: Report) -> Table:
    """Everything that is the same."""
    lines = [
        _Line(key, METRICS[key.metric].head, each)
        for key, each in report.comparisons.items()
        if each.verdict == "same"
    ]
    return _table("Same", lines, _suites(report) > 1, reasons=False)


def _changed(report: Report) -> list[_Line]:
    lines = _merged(report)
    return sorted(
        lines, key=lambda line: (not line.found.regression, _URGENCY.index(line.found.verdict))
    )


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
    values = [each for each in (found.value_a, found.value_b) if each is not None]
    shown = _unit(metric, max(values))
    if metric.is_measured:
        return f"{_measured(value, shown, found)} {shown.name}"
    texts = {fixed(shown.scale(each), _DECIMALS) for each in values}
    if len(texts) < len({*values}):
        shown = unit(_UNITS[metric.dimension][0], metric.dimension)  # that unit hides what differs
    text = fixed(shown.scale(value), 0 if shown.factor == 1 else _DECIMALS)
    return text if shown.name == "1" else f"{text} {shown.name}"


def _unit(metric: Metric, value: float) -> Unit:
    """The largest unit in which a value is at least 1."""
    units = [unit(name, metric.dimension) for name in _UNITS[metric.dimension]]
    return next((each for each in reversed(units) if value >= each.factor), units[0])


def _measured(value: float, shown: Unit, found: Comparison) -> str:
    """With no more digits than the interval of the ratio supports."""
    if found.p is None or found.effect is None or found.low is None or found.high is None:
        return supported(shown.scale(value), None, None)
    if found.effect <= -1:
        return supported(shown.scale(value), None, None)
    low, high = (value * (1 + end) / (1 + found.effect) for end in (found.low, found.high))
    return supported(shown.scale(value), shown.scale(low), shown.scale(high))


def _effect(found: Comparison) -> str:
    if found.effect is None:
        return ABSENT
    if math.isinf(found.effect):
        return "from 0"
    text = percent(found.effect, 1)
    hidden = text == percent(0, 1) and found.verdict in ("less", "more")
    return f"{100 * found.effect:+.1g}" if hidden else text


def _interval(found: Comparison) -> str:
    if found.p is None or found.low is None or found.high is None:
        return ABSENT
    return f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def _processes(found: Comparison) -> str:
    if not found.replicates_a and not found.replicates_b:
        return ABSENT
    return f"{found.replicates_a} / {found.replicates_b}"


# A comparison as the comment of a pull request.

LONGEST = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""

MOST_CHANGES = 200
"""Rows; further ones are counted."""


def markdown(report: Report) -> str:
    """Summary, what has changed, what has not (folded), notes; within the length of a comment."""
    parts = [
        f"# Benchmarks of {escape_markdown(report.b.suite)}: {summary(report)}",
        _sides(report),
    ]
    rest = ["\n".join(f"- {escape_markdown(note)}" for note in (*report.notes, rule(report)))]
    table = changes(report)
    if table.lines:
        parts.append(_cut(table))
    room = LONGEST - sum(map(len, (*parts, *rest)))
    return "\n\n".join((*parts, *_folded(unchanged(report), room), *rest)) + "\n"


def summary(report: Report) -> str:
    """The verdicts in one line."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items())
    number = len(report.regressions)
    if not number:
        return f"no regression ({counts})"
    return f"{number} regression{'s' if number > 1 else ''} ({counts})"


def rule(report: Report) -> str:
    """What the verdicts mean, with the limits in force."""
    limits = report.limits
    floors = ", ".join(f"{name} {floor:.1%}" for name, floor in limits.noise_floor.items())
    return (
        "faster, slower, less, more: adjusted p < "
        f"{limits.alpha:g} (Welch's t on logarithms of per-process medians, Benjamini-Hochberg "
        f"over the grid) and at least {limits.min_effect:.1%}"
        + (f" and the noise floor ({floors})" if floors else "")
        + "; same: the whole interval within that; exact metrics: compared exactly"
    )


def _sides(report: Report) -> str:
    return f"Before: {_side(report.a)}\\\nAfter: {_side(report.b)}"


def _side(run: Observed) -> str:
    commit = f"commit {run.commit}, " if run.commit else ""
    path = str(run.path).replace("`", "'")
    return f"{commit}machine {run.machine_key}, {run.found} processes, `{path}`"


def _cut(table: Table) -> str:
    number = len(table.lines)
    if number <= MOST_CHANGES:
        return markdown_of_table(table).rstrip()
    columns = tuple(_shortened(column) for column in table.columns)
    text = markdown_of_table(replace(table, columns=columns)).rstrip()
    return f"{text}\n\n{number - MOST_CHANGES} further rows: `harness compare --json`"


def _shortened(column: Column) -> Column:
    return replace(column, cells=column.cells[:MOST_CHANGES])


def _folded(table: Table, room: int) -> list[str]:
    number = len(table.lines)
    if not number:
        return []
    body = markdown_of_table(table).rstrip()
    text = f"<details><summary>{number} the same</summary>\n\n{body}\n\n</details>"
    return [text] if len(text) <= room else [f"{number} the same."]
