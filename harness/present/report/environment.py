"""What the runs of a report were measured with and on, run beside run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.present.report.grid import Grid, plain
from harness.present.report.source import ReportedRun

_DROPPED = ("warnings",)  # they have a place of their own


def environment(runs: Sequence[ReportedRun], names: Sequence[str]) -> Grid:
    """One line per property, one column per run; where runs differ, the line says so."""
    columns = [dict(_properties(run)) for run in runs]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    several = len(runs) > 1
    heads = ["Property", *(f"Run {name}" if several else "Value" for name in names)]
    lines = []
    for key in keys:
        values = [column.get(key) for column in columns]
        differ = ["differs" if len(set(values)) > 1 else None] if several else []
        lines.append([key, *values, *differ])
    return plain("environment-table", "Environment", [*heads, *["Runs"] * several], lines)


def _properties(run: ReportedRun) -> Iterator[tuple[str, str]]:
    """Properties by their path in `run.json`: `machine cpu`, `libraries torch`."""
    yield "started", str(run.description.get("started_at") or "")
    command = run.description.get("command")
    if isinstance(command, (list, tuple)):
        command = " ".join(map(str, command))
    if command:
        yield "command", str(command)
    for name, value in run.environment.items():
        if name not in _DROPPED:
            yield from _flat(name.replace("_", " "), value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(f"{name} {str(key).replace('_', ' ')}", each)
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        for number, each in enumerate(value):
            yield from _flat(f"{name} {number}", each)
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif value not in (None, "", [], ()):
        yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
