"""Tables of a comparison and of a gate."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from harness.judge.regression.observed import CaseId, CaseMetric
from harness.judge.regression.verdict import Finding, Report
from harness.judge.statistics.decision import ChangeVerdict
from harness.measure.metric import Unit, unit, unit_of_size
from harness.messages import one_line
from harness.present.formats import ABSENT, Cell, Column, Table, escape, markdown
from harness.records.quantities.quantity import fixed, percent, supported
from harness.records.quantities.registry import CASE

_URGENCY: tuple[ChangeVerdict, ...] = (
    "failed", "slower", "more", "unclear", "faster", "less", "new", "gone", "same",
)  # fmt: skip
_MILLISECONDS = unit("ms", "seconds")
_DECIMALS = 3
_AT_THE_LEFT = ("Suite", "Case", "Metric", "Verdict", "Why")  # others are numbers


@dataclass(frozen=True)
class _Line:
    """One row: a finding, and how its metric is called."""

    key: CaseMetric
    metric: str
    found: Finding


_TextsByHead = dict[str, Callable[[_Line], str]]
"""Cells of a row by the heads of their columns."""


def changes(report: Report, *, reasons: bool = True) -> Table:
    """Everything but `same`: regressions first.

    Args:
        reasons: whether the last column says why.
    """
    last: _TextsByHead = {"Why": lambda line: line.found.reason} if reasons else {}
    lines = _changed_lines(report)
    several = any(max(line.found.replicates_a, line.found.replicates_b) > 1 for line in lines)
    notes = (MEANS,) if several else ()
    return _table_of("Changes", lines, _columns_of_runs() | last, report, notes)


def unchanged(report: Report) -> Table:
    """Everything that is the same."""
    lines = [
        _Line(key, key.quantity.head, each)
        for key, each in report.found.comparisons.items()
        if each.verdict == "same"
    ]
    return _table_of("Same", lines, _columns_of_runs(), report)


def gate_table(report: Report) -> Table:
    """One row per case, regressions first."""
    lines = _urgent_first(_Line(key, "", found) for key, found in report.found.comparisons.items())
    name = _MILLISECONDS.name
    heads: _TextsByHead = {
        "Case": lambda line: line.key.label,
        f"Before ({name})": lambda line: _in_milliseconds(line.found.value_a, line.found),
        f"After ({name})": lambda line: _in_milliseconds(line.found.value_b, line.found),
        "Change (%)": _effect_text,
        "95 % interval (%)": _interval_text,
        "Pairs": lambda line: str(line.found.replicates_b or ABSENT),
        "Verdict": lambda line: line.found.verdict,
    }
    explained = [f"{line.key.label}: {line.found.reason}" for line in lines if line.found.reason]
    title = f"{report.suite}: {report.after} against {report.before}"
    notes = (*explained, *report.notes, _OF_PAIRS, report.rule)
    return _table_of(title, lines, heads, report, notes)


_OF_PAIRS = (
    "the change is that of the pairs, their middle; before and after are geometric means over all "
    "processes, which a burst moves"
)


MEANS = (
    "before and after are geometric means over the processes, whose ratio is the change; the table "
    "of a run shows their median"
)
"""Said where there are several processes, whose median is another number."""

QUOTE = "'"  # in place of a backquote, which begins and ends a path


def _columns_of_runs() -> _TextsByHead:
    return {
        "Case": lambda line: line.key.label,
        "Metric": lambda line: line.metric or ABSENT,
        "Before": lambda line: _value(line.key, line.found.value_a, line.found),
        "After": lambda line: _value(line.key, line.found.value_b, line.found),
        "Change (%)": _effect_text,
        "95 % interval (%)": _interval_text,
        "Processes": lambda line: (
            f"{line.found.replicates_a} / {line.found.replicates_b}"
            if line.found.replicates_a or line.found.replicates_b
            else ABSENT
        ),
        "Verdict": lambda line: line.found.verdict,
    }


def _table_of(
    title: str,
    lines: Sequence[_Line],
    texts: _TextsByHead,
    report: Report,
    footnotes: Sequence[str] = (),
) -> Table:
    if len({key.suite for key in report.found.comparisons}) > 1:
        texts = {"Suite": lambda line: line.key.suite, **texts}
    columns = (_text_column(head, map(text, lines)) for head, text in texts.items())
    return Table(title, tuple(columns), tuple(footnotes))


def _text_column(head: str, texts: Iterable[str]) -> Column:
    cells = tuple(Cell(text, text) for text in texts)
    return Column(head, cells, "left" if head in _AT_THE_LEFT else "right", head.lower())


def _urgent_first(lines: Iterable[_Line]) -> list[_Line]:
    return sorted(
        lines, key=lambda line: (not line.found.regression, _URGENCY.index(line.found.verdict))
    )


def _changed_lines(report: Report) -> list[_Line]:
    """Everything but `same`; all metrics of a case that is new or gone are one row.

    A person reads these once per case, not once per metric.
    """
    lines: list[_Line] = []
    rows: dict[tuple[CaseId, str, str], int] = {}
    for key, found in report.found.comparisons.items():
        if found.verdict == "same":
            continue
        head = "" if key.metric == CASE else key.quantity.head
        group = (key.case, found.verdict, found.reason)
        if found.verdict in ("new", "gone") and group in rows:
            before = lines[rows[group]]
            together = Finding(found.verdict, reason=found.reason)
            lines[rows[group]] = _Line(before.key, f"{before.metric}, {head}", together)
        else:
            rows[group] = len(lines)
            lines.append(_Line(key, head, found))
    return _urgent_first(lines)


def _value(key: CaseMetric, value: float | None, found: Finding) -> str:
    if value is None:
        return ABSENT
    metric = key.quantity
    values = [each for each in (found.value_a, found.value_b) if each is not None]
    if key.own is not None and metric.unit is not None:  # as it was declared
        shown, decimals = unit(metric.unit, metric.dimension), metric.decimals
    else:  # the largest unit in which the larger value is at least 1
        shown = unit_of_size(max(values, key=abs), metric.dimension)
        if not metric.is_measured and (
            len({fixed(shown.scale(each), _DECIMALS) for each in values}) < len({*values})
        ):
            shown = unit_of_size(0, metric.dimension)  # that unit hides what differs
        decimals = 0 if shown.factor == 1 else _DECIMALS
    if metric.is_measured:
        return f"{_with_interval(value, shown, found)} {shown.name}"
    text = fixed(shown.scale(value), decimals)
    return text if shown.name == "1" else f"{text} {shown.name}"


def _in_milliseconds(value: float | None, found: Finding) -> str:
    return ABSENT if value is None else _with_interval(value, _MILLISECONDS, found)


def _with_interval(value: float, shown: Unit, found: Finding) -> str:
    """With no more digits than the interval of the ratio supports."""
    if found.effect is None or found.low is None or found.high is None or found.effect <= -1:
        return supported(shown.scale(value), None, None)
    low, high = (value * (1 + end) / (1 + found.effect) for end in (found.low, found.high))
    return supported(shown.scale(value), shown.scale(low), shown.scale(high))


_FROM_0 = "from 0"


def _effect_text(line: _Line) -> str:
    found = line.found
    if found.effect is None:
        return ABSENT
    if math.isinf(found.effect):
        return _FROM_0
    text = percent(found.effect, 1)
    hidden = text == percent(0, 1) and found.verdict in ("less", "more")
    return f"{100 * found.effect:+.1g}" if hidden else text


def _interval_text(line: _Line) -> str:
    found = line.found
    if found.p is None or found.low is None or found.high is None:
        return ABSENT
    return f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def why_changed(report: Report) -> list[str]:
    """Why the verdicts of `changes` are as they are, for where a column is too narrow."""
    return [
        f"{', '.join(filter(None, (line.key.label, line.metric)))}: {line.found.reason}"
        for line in _changed_lines(report)
        if line.found.reason
    ]


def counted(report: Report) -> str:
    """The verdicts in one line."""
    found = report.found
    counts = ", ".join(f"{number} {verdict}" for verdict, number in found.counts.items())
    number = len(found.regressions)
    said = f"{number or 'no'} regression{'s' if number > 1 else ''}"
    return f"{said} ({counts})"


def outcome(report: Report) -> str:
    """What a gate lets pass or not, in one line; regressions by name."""
    found, number = report.found, len(report.found.comparisons)
    if found.regressions:
        worse = []
        for key in found.regressions:
            effect = found.comparisons[key].effect
            said = "failed" if effect is None else f"{percent(effect, 1)} %"
            worse.append(f"{key.label} ({said})")
        return f"failed: {len(worse)} of {number} cases worse: {', '.join(worse)}"
    if found.undecided:
        names = ", ".join(key.label for key in found.undecided)
        return f"undecided: {len(found.undecided)} of {number} cases: {names}"
    return f"passed: none of {number} cases worse"


LONGEST_COMMENT = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""

_MOST_CHANGES = 200  # rows; further ones are counted


def comment(report: Report) -> str:
    """Verdict, what it cannot be read without, what has changed, what was compared, the rest.

    What has not changed is folded; all of it is within the length of a comment.
    """
    parts = [f"# Benchmarks of {escape(report.suite)}: {counted(report)}"]
    parts += [f"**{escape(caveat)}.**" for caveat in report.caveats]
    table, same = changes(report), unchanged(report)
    further = len(table.lines) - _MOST_CHANGES
    if table.lines:
        cut = [replace(each, cells=each.cells[:_MOST_CHANGES]) for each in table.columns]
        parts.append(markdown(replace(table, columns=tuple(cut))).rstrip())
    if further > 0:
        parts[-1] += f"\n\n{further} further rows: `harness compare --json`"
    parts.append(_both_runs(report))
    notes = (note for note in report.notes if note not in report.caveats)
    rest = "\n".join(f"- {escape(note)}" for note in (*notes, report.rule))
    if number := len(same.lines):
        body = markdown(same).rstrip()
        folded = f"<details><summary>{number} the same</summary>\n\n{body}\n\n</details>"
        room = LONGEST_COMMENT - sum(map(len, (*parts, rest)))
        parts.append(folded if len(folded) <= room else f"{number} the same.")
    return "\n\n".join((*parts, rest)) + "\n"


def _both_runs(report: Report) -> str:
    """What was compared, as a table in Markdown; what differs of the machine is bold."""
    a, b = (report.conditions[side] for side in ("a", "b"))
    of_machine = {
        "Machine": (a["machine"], b["machine"]),
        "Driver": (a["setting"].get("driver"), b["setting"].get("driver")),
        "PyTorch": (a["setting"].get("torch"), b["setting"].get("torch")),
    }
    lines: list[tuple[str, ...]] = [("", "Before", "After"), (":--", ":--", ":--")]
    lines.append(("Commit", *(escape(each["commit"] or ABSENT) for each in (a, b))))
    for head, (before, after) in of_machine.items():
        if before or after:
            old, new = (escape(each or ABSENT) for each in (before, after))
            lines.append((head, old, new if before == after else f"**{new}**"))
    lines.append(("Processes", *(str(each["processes"]) for each in (a, b))))
    lines.append(("Run", *(_code(each["path"]) for each in (a, b))))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """Between backquotes in a cell, of which it has none itself."""
    return f"`{one_line(text).replace('`', QUOTE)}`".replace("|", "\\|")


_NAMED = 3  # regressions in one line; further ones are counted


def in_one_line(report: Report) -> str:
    """Verdict, the regressions (or what is unclear) by name, and the caveats."""
    keys = report.found.regressions or report.found.undecided
    named = [_in_words(key, report.found.comparisons[key]) for key in keys[:_NAMED]]
    if further := len(keys) - len(named):
        named.append(f"and {further} more")
    said = f"{report.suite}: {counted(report)}"
    if named:
        said += f": {'; '.join(named)}"
    return one_line(". ".join((said, *report.caveats)))


def _in_words(key: CaseMetric, found: Finding) -> str:
    if found.verdict == "failed":
        return f"{key.label} failed, {found.reason}"
    line = _Line(key, key.quantity.head, found)
    effect, interval = _effect_text(line), _interval_text(line)
    words = [f"{key.label}, {line.metric}"]
    if effect != ABSENT:
        words.append(effect if effect == _FROM_0 else f"{effect} %")
    if interval != ABSENT:
        words.append(f"({interval})")
    return " ".join(words)
