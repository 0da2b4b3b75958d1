"""A comparison as the comment of a pull request."""

from dataclasses import replace

from harness.present.cells import Column, Table
from harness.present.markdown import escape
from harness.present.markdown import markdown as markdown_of_table
from harness.regression.observed import Observed
from harness.regression.report import Report
from harness.regression.tables import changes, unchanged

LONGEST = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""

MOST_CHANGES = 200
"""Rows; further ones are counted."""


def markdown(report: Report) -> str:
    """Summary, what has changed, what has not (folded), notes; within the length of a comment."""
    parts = [f"# Benchmarks of {escape(report.b.suite)}: {summary(report)}", _sides(report)]
    rest = ["\n".join(f"- {escape(note)}" for note in (*report.notes, rule(report)))]
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
