"""The formats that a run can be exported to, by name: a file of this folder and a row each."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

from harness.present.exporters.exported import Exported


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
