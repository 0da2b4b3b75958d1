"""What a report is made from: runs with the rows that their suites show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.present.part import Context, Part
from harness.present.quantity import Row
from harness.records.record import Record


@dataclass(frozen=True)
class ReportedPart:
    """One suite of a run.

    Attributes:
        part: what it asks to see.
        rows: one per case, in the suite's order, annotated with verdicts.
    """

    part: Part
    rows: Sequence[Row]


@dataclass(frozen=True)
class ReportedRun:
    """One run.

    Attributes:
        path: of its directory.
        description: what its `run.json` says.
        context: its convention, machine, versions and warnings.
        parts: its suites that have rows.
        records: as they were written, for the last lines of failed cases.
        planned: number of cases that it was to measure; fewer records if it was interrupted.
    """

    path: Path
    description: Mapping[str, Any]
    context: Context
    parts: Sequence[ReportedPart]
    records: Sequence[Record]
    planned: int

    @property
    def title(self) -> str:
        """Heading of the suite that was run."""
        return str((self.description.get("suite") or {}).get("title") or self.suite)

    @property
    def suite(self) -> str:
        """Name of the suite that was run."""
        return str((self.description.get("suite") or {}).get("suite") or self.path.parent.name)

    @property
    def environment(self) -> Mapping[str, Any]:
        """The environment of the run."""
        found: Mapping[str, Any] = self.description.get("environment") or {}
        return found
