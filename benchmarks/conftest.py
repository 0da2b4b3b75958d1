"""What a benchmark found: ratios to a peer in the same minutes, printed, and kept as a run.

`make benchmark` writes a run directory below `results/benchmarks`, which `harness show`,
`harness compare` and `harness history --metric ratio` read as any other: a case for each figure,
and a process of it for each turn. A ratio says more than seconds: what else a machine does falls on
both sides, and another machine mostly changes both alike.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.case import Case, Job, Outcome
from harness.environment.machine import describe_environment
from harness.records.origin import Origins
from harness.records.record import Record
from harness.records.run_directory import RunDirectory
from harness.suite.presentation import TableSpec
from harness.suite.suite import Suite

KEPT = Path(__file__).parents[1] / "results" / "benchmarks"
SUITE = "speed"
DECLARED = {
    "ratio": {
        "unit": "1", "better": "lower", "compared": "statistically", "head": "Ratio",
        "note": "to what stands behind the stroke, measured by turns with it", "metric": "ratio",
    }
}  # fmt: skip
Keep = Callable[[str, str, Sequence[float]], float]


class Benchmarked:
    """The run of this session; its directory is made with the first figure.

    A run that was interrupted holds what it found until then.
    """

    def __init__(self) -> None:
        self._environment = describe_environment(Path(__file__).parent)
        self._origins = Origins(self._environment)
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._jobs: list[Job] = []
        self._directory: RunDirectory | None = None

    def add(self, figure: str, peer: str, ratios: Sequence[float]) -> None:
        """Keep the ratios of a figure, each as what a process of its own found."""
        case = Case("benchmark", {"figure": figure, "peer": peer}, ())
        first = Job(SUITE, f"{figure} / {peer}", case, ("ratio",), 0.0, declared=DECLARED)
        jobs = [replace(first, replicate=turn) for turn in range(1, len(ratios) + 1)]
        self._jobs += jobs
        directory = self._described()
        key = self._environment["machine_key"]
        with directory.writer() as writer:
            for job, ratio in zip(jobs, ratios, strict=True):
                outcome = Outcome("ok", values={"ratio": float(ratio)})
                writer.append(Record.of(job, outcome, key, self._origins.of(job, outcome)))

    def _described(self) -> RunDirectory:
        table = TableSpec(columns=["label", "ratio"])
        suite = Suite(SUITE, "The harness beside its peers", Path(), tuple(self._jobs), (table,))
        said = {
            "schema": 1,
            "suite": suite.describe(),
            "environment": self._environment,
            "started_at": self._started_at,
            "command": "make benchmark",
        }
        if self._directory is None:
            self._directory = RunDirectory.create(KEPT, SUITE, said)
            self._directory.mark_latest()
        else:
            self._directory.describe(said)
        return self._directory


@pytest.fixture(scope="session")
def benchmarked() -> Benchmarked:
    """See `Benchmarked`."""
    return Benchmarked()


@pytest.fixture
def keep(benchmarked: Benchmarked, capsys: pytest.CaptureFixture[str]) -> Keep:
    """Print and keep the ratios of a figure; gives their median."""

    def kept(figure: str, peer: str, ratios: Sequence[float]) -> float:
        median = statistics.median(ratios)
        with capsys.disabled():
            print(f"\n{figure}: {median:.3g} of {peer} ({min(ratios):.3g} to {max(ratios):.3g})")
        benchmarked.add(figure, peer, ratios)
        return median

    return kept
