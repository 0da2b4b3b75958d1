"""What `harness compare` and `harness gate` have found, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.judge.regression.verdict import Findings
from harness.records.record import finite


@dataclass(frozen=True)
class Report:
    """Two versions of a suite's cases held against each other."""

    suite: str  # its name
    before: str  # what the version before is, in words
    after: str  # the same of the version after
    found: Findings
    rule: str  # what the verdicts mean, with the limits in force
    notes: tuple[str, ...]  # sentences for the reader
    conditions: Mapping[str, Any]  # plain data: what was compared, and with which limits

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units, effects as shares, infinite ones `None`."""
        data: dict[str, Any] = finite(
            {
                "schema": 1,
                **self.conditions,
                "exit_code": self.found.exit_code,
                **self.found.overview(),
                "notes": list(self.notes),
                "comparisons": self.found.rows(),
            }
        )
        return data
