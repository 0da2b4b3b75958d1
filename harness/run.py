"""A run as people use it: rows with the printed figures beside them, tables, plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.environment import LIBRARIES
from harness.measure import STATIC
from harness.present.part import Context
from harness.present.replicates import combine
from harness.present.roofs import with_roofs
from harness.present.table import Table, make
from harness.present.tally import Tally, count
from harness.present.verdict import annotate
from harness.present.write import write_plots, write_tables
from harness.records.record import Record
from harness.records.run_directory import RunDirectory
from harness.roofline.calibration import DEFAULT_FOLDER
from harness.suite.suite import Suite


@dataclass(frozen=True)
class Run:
    """The records of a suite with what the suite asks to see of them.

    Attributes:
        suite: what was measured.
        directory: where it is kept.
        records: one per finished case, in the suite's order.
    """

    suite: Suite
    directory: RunDirectory
    records: Sequence[Record]

    def rows(self) -> list[dict[str, Any]]:
        """Flat rows with stored names, `reported` figures and verdicts, in the suite's order."""
        return [row for part in self.suite.parts() for row in self.part_rows(part)]

    def part_rows(self, part: Suite) -> list[dict[str, Any]]:
        """The rows of one included suite."""
        rows = combine([r.row(part.convention) for r in self.records if r.suite == part.name])
        return annotate(with_roofs(rows, self._calibrations, self._threads), part)

    def tables(self, part: Suite) -> list[Table]:
        """The tables that one included suite asks for."""
        rows = self.part_rows(part)
        return [make(spec, part, rows, self.context) for spec in part.tables] if rows else []

    def tally(self) -> Tally:
        """How many printed figures are reproduced, differ, or cannot be reproduced."""
        return count(self.rows())

    def write(self) -> None:
        """Write `tables/` and `plots/` of every part into the run directory."""
        for part in self.suite.parts():
            rows = self.part_rows(part)
            if rows:
                write_tables(part, rows, self.directory.path, self.context)
                write_plots(part, rows, self.directory.path, self.context)

    @property
    def _environment(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.directory.description()["environment"]
        return found

    @property
    def _threads(self) -> int | None:
        """Of the cases that leave the number to PyTorch."""
        threads: int | None = self._environment.get("threads")
        return threads

    @property
    def _calibrations(self) -> tuple[Path, ...]:
        # Runs lie in <root>/<suite>/<time>: calibrations beside that root belong to them.
        return (DEFAULT_FOLDER, self.directory.path.parent.parent.parent / DEFAULT_FOLDER.name)

    @property
    def context(self) -> Context:
        """Machine and versions, as `run.json` has them."""
        environment = self._environment
        machine = {
            name: value
            for name, value in environment["machine"].items()
            if value not in (None, [], "")
        }
        machine["threads"] = environment["threads"]
        versions = {"python": environment["python"]}
        versions |= {n: v for n, v in environment["libraries"].items() if n in LIBRARIES and v}
        git = environment.get("git")
        if git:
            versions["commit"] = git["commit"][:12] + (" (dirty)" if git.get("dirty") else "")
        # Conditions of the machine bear on what was timed, not on what was counted.
        timed = any(not set(record.metrics) <= set(STATIC) for record in self.records)
        warnings = tuple(environment.get("warnings", ())) if timed else ()
        return Context(machine=machine, versions=versions, warnings=warnings)
