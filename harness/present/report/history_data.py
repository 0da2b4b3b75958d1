"""The data of a history's page: every point with its interval, in few bytes, for its script."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from harness.judge.regression.history import Change, History
from harness.judge.regression.series import Series
from harness.messages import printable
from harness.records.stored_runs import StoredRun

_DIGITS = 5
"""Significant digits of the smallest value of a measured series: more than a time repeats to."""

Suspects = Mapping[str, Sequence[tuple[str, str]]]
"""Commits with their subjects, by the range between two points."""


def history_data(
    history: History, changes: Sequence[Change], subjects: Mapping[str, str], suspects: Suspects
) -> dict[str, Any]:
    """Plain data of a page, shorter than `History.as_json` says the same.

    Whole numbers in steps of a series' unit stand for measured values; what seldom changes
    (versions, exact metrics) is a list of places where it does, `[place, value]`.

    Args:
        changes: all of them, in the order in which the page lists them.
        subjects: of the commits that were measured.
        suspects: of the changes whose commits git knows.
    """
    runs = history.measured
    places = {id(run): place for place, run in enumerate(runs)}
    numbers = {id(change): number for number, change in enumerate(changes)}
    return {
        "runs": {
            "commit": [run.commit or "" for run in runs],
            "at": [run.started_at[:16].replace("T", " ") for run in runs],
            "name": [printable(run.path.name) for run in runs],
            "dirty": [place for place, run in enumerate(runs) if run.dirty],
            "said": [
                [at, printable(run.said.text)] for at, run in enumerate(runs) if run.said.text
            ],
            "subject": [
                [at, printable(subjects[run.commit])]
                for at, run in enumerate(runs)
                if run.commit and subjects.get(run.commit)
            ],
            "setting": _settings(runs),
        },
        "series": [
            _series(each, places, [numbers[id(change)] for change in history.of(each)])
            for each in history.series
        ],
        "changes": [_change(change) for change in changes],
        "suspects": {
            where: [[commit, printable(subject)] for commit, subject in found]
            for where, found in suspects.items()
        },
    }


def _settings(runs: Sequence[StoredRun]) -> dict[str, list[list[Any]]]:
    """Machine and versions, by name: where they change, and to what."""
    every = [{"machine": run.machine, **run.setting} for run in runs]
    names = dict.fromkeys(name for each in every for name in each)
    return {
        printable(name): _turns([printable(each.get(name, "")) for each in every])
        for name in names
        if any(each.get(name) for each in every)
    }


def _turns(values: Iterable[Any]) -> list[list[Any]]:
    """Where a list changes, and to what."""
    found: list[list[Any]] = []
    for place, value in enumerate(values):
        if not found or found[-1][1] != value:
            found.append([place, value])
    return found


def _series(series: Series, places: Mapping[int, int], changes: Sequence[int]) -> dict[str, Any]:
    at = [places[id(point.run)] for point in series.points]
    processes = [point.processes for point in series.points]
    made: dict[str, Any] = {
        "unit": "" if series.unit.name == "1" else series.unit.name,
        "step": 1 / series.unit.factor,
        "at": [at[0], *(after - before for before, after in pairwise(at))],
        "processes": _turns(processes),
        "changes": list(changes),
    }
    if set(made["at"][1:]) <= {1}:  # a value in each run
        made["at"] = at[:1]
        made["length"] = len(at)
    if not series.metric.is_measured:
        return made | {"exact": _turns(series.values)}
    smallest = min(abs(value) for value in series.values)
    step = 10.0 ** (math.floor(math.log10(smallest)) - _DIGITS + 1)
    made["step"] = float(f"{step / series.unit.factor:.6g}")
    made["values"] = [round(value / step) for value in series.values]
    if any(point.low is not None for point in series.points):
        made["below"], made["above"] = (
            [
                None
                if end is None or not math.isfinite(end)
                else round(abs(point.value - end) / step)
                for point, end in zip(series.points, ends, strict=True)
            ]
            for ends in ([p.low for p in series.points], [p.high for p in series.points])
        )
    return made


def _change(change: Change) -> dict[str, Any]:
    return {
        "index": change.index,
        "change": change.change if change.before else None,
        "interval": change.interval,
        "worse": change.worse,
        "where": change.where,
        "besides": [printable(each) for each in change.besides],
    }
