"""What every exporter starts from: a run's rows and their metrics; and the exporters by name."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.judge.verdict import annotate
from harness.measure.metric import Dimension
from harness.messages import HarnessError
from harness.present.rows import rows_of
from harness.records.kept_run import KeptRun, described_parts
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import COMPARED, own_quantities
from harness.records.run_directory import DESCRIPTION
from harness.suite.suite import described_convention, suite_of


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
        HarnessError: there is no run, it cannot be read, or its printed figures are not here.
    """
    run = KeptRun.open(path)
    if not run.records:
        raise ExportError(f"{run.path}: no case of this run has ended; nothing to export")
    if not run.suite:
        raise ExportError(f"{run.path / DESCRIPTION}: describes no suite; nothing can be exported")
    mix = bool(run.description.get("mix_machines"))
    rows: list[Row] = []
    for part in described_parts(run.suite):
        try:
            convention = described_convention(part.get("convention"))
        except ValueError as error:
            raise ExportError(f"{run.path}: {error}") from error
        made = rows_of(run.records, part["suite"], convention, mix=mix)
        rows += annotate(made, suite_of(part)) if part.get("reference") else made
    started_at = str(run.description.get("started_at") or "")
    return Exported(run.path, run.suite_name, rows, run.environment, started_at)


def unique_name(row: Row) -> str:
    """`suite/label`, unique in a run."""
    return f"{row['suite']}/{row['label']}"


@dataclass(frozen=True)
class TrackedFigure:
    """A metric of a row, as trackers of benchmarks follow it; smaller is better."""

    metric: str  # its stored name
    head: str  # how tables call it
    dimension: Dimension  # of its unit
    value: float  # SI base unit
    low: float | None = None  # lower end of its 95 % interval; `None` where there is none
    high: float | None = None  # upper end


def figures(row: Row) -> Iterator[TrackedFigure]:
    """Every compared quantity of a row of which less is better, in the order of `COMPARED`."""
    for metric in (*COMPARED.values(), *own_quantities([row]).values()):
        value = metric.compared_number(row) if metric.direction == "min" else None
        if value is None:
            continue
        low, high = metric.bounds(row) or (None, None)
        yield TrackedFigure(metric.name, metric.head, metric.dimension, value, low, high)


@dataclass(frozen=True)
class Exporter:
    """A way to write a run into a file: the function of the same name in the file of that name."""

    name: str  # on the command line
    file: str  # of this folder; imported when it is asked for, since pandas takes half a second
    partial: bool  # leaves out cases that failed or lack what the format holds

    def write(self, run: Exported) -> str | bytes:
        """Text or bytes of the file."""
        module = importlib.import_module(f"{__package__}.{self.file}")
        written: str | bytes = getattr(module, self.file)(run)
        return written


EXPORTERS: Mapping[str, Exporter] = {
    each.name: each
    for each in (
        Exporter("pytest-benchmark", "pytest_benchmark", partial=True),
        Exporter("github-action-benchmark", "github_action", partial=True),
        Exporter("bencher", "bencher", partial=True),
        Exporter("csv", "csv", partial=False),
        Exporter("parquet", "parquet", partial=False),
    )
}

MLFLOW = "mlflow"
"""Logged to a server rather than written."""
