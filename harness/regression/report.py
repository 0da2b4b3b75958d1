"""What comparing two runs gave, for people and for programs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from harness.records.record import finite
from harness.regression.limits import Limits
from harness.regression.observed import Observed
from harness.regression.replicates import CaseMetric
from harness.regression.verdict import Comparison, Verdict
from harness.statistics.welch import CONFIDENCE

SCHEMA = 1
SAME, REGRESSION, UNCLEAR = 0, 1, 3
"""Exit codes; 2 is a mistake of the user's, as everywhere."""


@dataclass(frozen=True)
class Report:
    """Verdicts of a comparison.

    Attributes:
        a: run before.
        b: run after.
        comparisons: in the order of b's cases.
        limits: that the verdicts were made with.
        notes: sentences about the two runs.
    """

    a: Observed
    b: Observed
    comparisons: Mapping[CaseMetric, Comparison]
    limits: Limits
    notes: tuple[str, ...] = ()

    @property
    def same_machine(self) -> bool:
        """Whether measured metrics could be compared."""
        return self.a.machine_key == self.b.machine_key

    @property
    def regressions(self) -> tuple[CaseMetric, ...]:
        """What b has made worse."""
        return tuple(key for key, each in self.comparisons.items() if each.regression)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How often each verdict was given; those never given are left out."""
        found = Counter(each.verdict for each in self.comparisons.values())
        return {verdict: found[verdict] for verdict in get_args(Verdict) if found[verdict]}

    @property
    def exit_code(self) -> int:
        """1 with a regression, 3 where only something is unclear, else 0."""
        if self.regressions:
            return REGRESSION
        return UNCLEAR if "unclear" in self.counts else SAME

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units, effects as shares, infinite ones `None`."""
        data: dict[str, Any] = finite(
            {
                "schema": SCHEMA,
                "a": _run(self.a),
                "b": _run(self.b),
                "same_machine": self.same_machine,
                "limits": asdict(self.limits) | {"confidence": CONFIDENCE},
                "exit_code": self.exit_code,
                "counts": self.counts,
                "notes": list(self.notes),
                "comparisons": [
                    asdict(key) | asdict(each) for key, each in self.comparisons.items()
                ],
            }
        )
        return data


def _run(run: Observed) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "suite": run.suite,
        "machine_key": run.machine_key,
        "commit": run.commit,
        "processes": run.found,
    }
