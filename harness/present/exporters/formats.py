"""The formats that a run can be exported to, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.present.exporters.bencher import bencher
from harness.present.exporters.exported import Exported
from harness.present.exporters.github_action import github_action
from harness.present.exporters.pytest_benchmark import pytest_benchmark


@dataclass(frozen=True)
class Format:
    """A way to write a run into a file."""

    name: str  # on the command line
    write: Callable[[Exported], str | bytes]  # text or bytes of the file
    partial: bool  # leaves out cases that failed or lack what the format holds


def _csv(run: Exported) -> str:
    from harness.present.exporters.csv import csv  # pandas takes half a second to import

    return csv(run)


def _parquet(run: Exported) -> bytes:
    from harness.present.exporters.parquet import parquet

    return parquet(run)


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("pytest-benchmark", pytest_benchmark, partial=True),
        Format("github-action-benchmark", github_action, partial=True),
        Format("bencher", bencher, partial=True),
        Format("csv", _csv, partial=False),
        Format("parquet", _parquet, partial=False),
    )
}

MLFLOW = "mlflow"
"""Logged to a server rather than written."""
