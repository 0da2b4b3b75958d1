"""The history as a page: what became worse and better first, then every case over commits."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.environment.git import subjects, subjects_between
from harness.judge.regression.history import SHORT, Change, History
from harness.judge.regression.series import EVERY_MACHINE
from harness.present.formats import ABSENT, Cell, Column, Table
from harness.present.report.document import render, script_json
from harness.present.report.history_data import Suspects, history_data
from harness.present.report.tables import Grid, grid
from harness.records.quantities.quantity import percent, with_unit

_MOST_RANGES = 200
"""Ranges of commits that git is asked for, those of the largest changes: a process each."""

_MOST_SUSPECTS = 30
"""Commits that are told of one range."""


@dataclass(frozen=True)
class ShownSeries:
    """A series as the page names it, before its script draws it."""

    anchor: str  # its id
    name: str  # of the case, with machine and threads where it was measured under several
    suite: str
    metric: str  # with its unit
    said: str  # what it was last, in how many runs


@dataclass(frozen=True)
class HistoryPage:
    """What the page shows, in its order."""

    facts: tuple[tuple[str, str, str], ...]  # what is counted, how many, and of which kind
    changes: tuple[Grid, ...]  # worse, better, and those of which nobody can say
    series: tuple[ShownSeries, ...]
    rule: str  # which changes are told
    warnings: tuple[str, ...]


def history_html(history: History, repository: Path | None = None) -> str:
    """A history as one HTML file; the same records and commits give the same file.

    Args:
        repository: the checkout that is asked for the commits between two points; the current
            directory if absent.

    Raises:
        MissingJinjaError: Jinja is not installed.
    """
    folder = repository or Path.cwd()
    changes = sorted(history.changes, key=_size, reverse=True)
    suspects = _suspects(changes, folder)
    commits = dict.fromkeys(run.commit for run in history.measured if run.commit)
    data = history_data(history, changes, subjects(commits, folder), suspects)
    names = dict.fromkeys(series.suite for series in history.series)
    return render(
        "history.html",
        ", ".join(names),
        "history",
        scripts=("page.js", "paint.js", "history.js"),
        styles=("page.css", "history.css"),
        page=_page(history, changes, suspects),
        history_json=script_json(data),
    )


def _size(change: Change) -> float:
    """How many times larger or smaller a value became, as a logarithm; of zero endless."""
    low, high = sorted((abs(change.before), abs(change.after)))
    return math.log(high / low) if low else math.inf


def _suspects(changes: Iterable[Change], folder: Path) -> Suspects:
    ranges: dict[str, tuple[str, str]] = {}
    for change in changes:
        if change.commits and change.commits[0] != change.commits[1]:
            ranges.setdefault(change.where, change.commits)
    found = {
        where: subjects_between(*commits, folder, _MOST_SUSPECTS)
        for where, commits in list(ranges.items())[:_MOST_RANGES]
    }
    return {where: each for where, each in found.items() if each}


def _page(history: History, changes: Sequence[Change], suspects: Suspects) -> HistoryPage:
    anchors = {id(each): f"series-{number}" for number, each in enumerate(history.series, 1)}
    kinds = (
        (True, "worse", "Regressions"),
        (False, "better", "Improvements"),
        (None, "other", "Changes of what is neither better nor worse"),
    )
    members = {worse: [each for each in changes if each.worse is worse] for worse, _, _ in kinds}
    grids = tuple(
        grid(
            Table(title, _change_columns(history, members[worse], suspects), ()),
            name,
            targets=[anchors[id(each.series)] for each in members[worse]],
        )
        for worse, name, title in kinds
        if members[worse]
    )
    commits = {run.commit for run in history.measured if run.commit}
    cases = {(each.suite, each.case_key, each.label) for each in history.series}
    facts = (
        ("Regressions", len(members[True]), "bad" if members[True] else ""),
        ("Improvements", len(members[False]), "good" if members[False] else ""),
        ("Cases", len(cases), ""),
        ("Series", len(history.series), ""),
        ("Runs", history.runs, ""),
        ("Commits", len(commits), ""),
    )
    limits = history.limits
    rule = (
        f"Measured metrics change where E-divisive with means finds it, with p times the number of "
        f"runs below {limits.max_p:g} and by at least {limits.min_change:.1%}; exact ones wherever "
        f"two runs differ. Before and after are means since the change before and until the next; "
        f"the interval is that of their ratio, by Welch's test at 95 %."
    )
    return HistoryPage(
        tuple((what, f"{number:,}", kind) for what, number, kind in facts),
        grids,
        tuple(_shown(history, number) for number in range(len(history.series))),
        rule,
        history.warnings,
    )


def _shown(history: History, number: int) -> ShownSeries:
    series = history.series[number]
    last, unit = series.points[-1], series.unit
    runs = "1 run" if len(series.points) == 1 else f"{len(series.points):,} runs"
    changed = len(history.of(series))
    changes = ["1 change" if changed == 1 else f"{changed:,} changes"] if changed else []
    where = [] if series.machine_key == EVERY_MACHINE else [f"machine {series.machine_key}"]
    return ShownSeries(
        f"series-{number + 1}",
        history.name_of(series),
        series.suite,
        with_unit(series.metric.head, unit.name),
        "; ".join([f"last {_value(unit.scale(last.value))}, {runs}", *changes, *where]),
    )


def _value(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"


def _change_columns(
    history: History, changes: Sequence[Change], suspects: Suspects
) -> tuple[Column, ...]:
    several = len({each.suite for each in history.series}) > 1
    metrics = len({each.metric.name for each in history.series}) > 1
    return (
        _texts("Case", [history.name_of(each.series) for each in changes]),
        *([_texts("Suite", [each.series.suite for each in changes])] if several else []),
        *([_texts("Metric", [each.series.metric.head for each in changes])] if metrics else []),
        _numbers(
            "Change (%)",
            [
                (each.change, percent(each.change, 1)) if each.before else (None, "from 0")
                for each in changes
            ],
        ),
        _texts("Interval (%)", [_interval(each) for each in changes], "right"),
        _numbers("Before", [(each.before, _level(each, each.before)) for each in changes]),
        _numbers("After", [(each.after, _level(each, each.after)) for each in changes]),
        _texts("Since", [each.first.run.started_at[:10] for each in changes], "right"),
        _texts("Between commits", [each.where for each in changes]),
        _texts("Suspects", [_suspected(each, suspects) for each in changes]),
    )


def _texts(head: str, values: Iterable[str], align: Literal["left", "right"] = "left") -> Column:
    cells = tuple(Cell(each or ABSENT, each or None) for each in values)
    return Column(head, cells, align, "")


def _numbers(head: str, values: Iterable[tuple[float | None, str]]) -> Column:
    return Column(head, tuple(Cell(text, raw) for raw, text in values), "right", "")


def _level(change: Change, value: float) -> str:
    unit = change.series.unit
    return f"{_value(unit.scale(value))} {'' if unit.name == '1' else unit.name}".strip()


def _interval(change: Change) -> str:
    if change.interval is None:
        return ""
    return " to ".join(percent(end, 1) for end in change.interval)


def _suspected(change: Change, suspects: Suspects) -> str:
    """What may be the cause: other versions first, then commits, the newest first."""
    commits = suspects.get(change.where, ())
    told = [f"{commit[:SHORT]} {subject}" for commit, subject in commits]
    if len(told) == _MOST_SUSPECTS:
        told.append("and older ones")
    said = change.first.run.said.text
    return "; ".join([*change.besides, *([said] if said else []), *told])
