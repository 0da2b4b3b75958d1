"""Replicates: one number per fresh process, by case and metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Replicates = Sequence[float]
"""One value per process: for latencies the median of its samples.

Samples within one process share its memory layout and its moment of the machine's mood. They say
how steady that process was, not what another process of the same code will give; testing them as if
they were independent calls equal code different far too often (Kalibera and Jones 2013, section 6).
"""


class CaseId(NamedTuple):
    """A case as a suite lists it.

    Attributes:
        suite: name of the suite.
        label: of the case there.
        key: hash of what is measured.
    """

    suite: str
    label: str
    key: str


@dataclass(frozen=True, order=True)
class CaseMetric:
    """One thing that is compared.

    Attributes:
        suite: name of the suite that lists the case.
        label: of the case there.
        case_key: hash of what is measured.
        metric: name of `harness.regression.metrics.METRICS`.
    """

    suite: str
    label: str
    case_key: str
    metric: str = "latency_seconds"

    @property
    def case(self) -> CaseId:
        """The case without the metric."""
        return CaseId(self.suite, self.label, self.case_key)
