"""What every exporter starts from: a run's rows, their metrics, and where they come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.messages import HarnessError
from harness.present.rows import combine
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import METRICS
from harness.records.record import Record
from harness.records.run_directory import RunDirectory


class ExportError(HarnessError):
    """A run cannot be written in a format."""


@dataclass(frozen=True)
class Exported:
    """A run to export."""

    path: Path  # of the run directory
    suite: str  # that was run
    rows: Sequence[Row]  # one per case, failed ones included, stored names and SI base units
    environment: Mapping[str, Any]  # of `run.json`
    started_at: str  # UTC, ISO 8601

    @property
    def commit(self) -> str | None:
        """Of the checkout that was measured."""
        git = self.environment.get("git")
        return git.get("commit") if git else None

    def measured(self) -> list[Row]:
        """Rows that ended well."""
        return [row for row in self.rows if row.get("status") == "ok"]


def read_run(path: Path) -> Exported:
    """A run directory, or the latest run of a suite's folder.

    Raises:
        ExportError: it has no records.
        RunDirectoryError: there is no run, or it cannot be read.
    """
    directory = RunDirectory.open(path)
    records = directory.records()
    if not records:
        raise ExportError(f"{directory.path}: no case of this run has ended; nothing to export")
    description = directory.description()
    suite = description.get("suite") or {}
    conventions = _conventions(suite)
    rows = combine([r.row(conventions.get(r.suite, "flops")) for r in _last(records)])
    return Exported(
        directory.path,
        str(suite.get("suite") or records[-1].suite),
        rows,
        description.get("environment") or {},
        str(description.get("started_at") or ""),
    )


def _last(records: Sequence[Record]) -> list[Record]:
    """A case measured again (`--resume`) counts as it was last."""
    return list({(r.suite, r.label, r.case_key, r.replicate): r for r in records}.values())


def _conventions(suite: Mapping[str, Any]) -> dict[str, str]:
    """What each included suite calls FLOPs."""
    found = {str(suite.get("suite")): str(suite.get("convention") or "flops")}
    for part in suite.get("included") or ():
        found |= _conventions(part)
    return found


def unique_name(row: Row) -> str:
    """`suite/label`, unique in a run."""
    return f"{row['suite']}/{row['label']}"


@dataclass(frozen=True)
class TrackedFigure:
    """A metric of a row, as trackers of benchmarks follow it; smaller is better."""

    metric: str  # its stored name
    head: str  # how tables call it
    dimension: str  # of its unit: `seconds`, `bytes`, `count`, `operations`, `energy`
    value: float  # SI base unit
    low: float | None = None  # lower end of its 95 % interval; `None` where there is none
    high: float | None = None  # upper end


def figures(row: Row) -> Iterator[TrackedFigure]:
    """Every metric that a row has, in the order of the registry's `METRICS`."""
    for metric in METRICS.values():
        value = metric.read(row)
        if value is None:
            continue
        low = high = None
        if metric.name == "latency_seconds":
            low, high = row.get("latency_low_seconds"), row.get("latency_high_seconds")
        yield TrackedFigure(metric.name, metric.head, metric.dimension, value, low, high)
