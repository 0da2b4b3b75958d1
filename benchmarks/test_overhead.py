"""What a case costs beyond its metrics: the process, the pipe, the record.

Prints the median over cases, and the start of the fork server apart; both come from real runs.
"""

import statistics
import time

from pytest_benchmark.fixture import BenchmarkFixture

from harness.case import Case, Job
from harness.engines.engine import Finished, Started
from harness.engines.local import LocalEngine

CASES = 15
MOST = 0.2
"""Seconds per case, in the median, that a suite may cost beyond what it measures."""


def _jobs() -> list[Job]:
    return [
        Job(
            "overhead",
            f"case {n}",
            Case("self_attention", {"key_channels": n + 1}, ((1, 8, 6, 6),)),
            ("params", "flops"),
            60.0,
        )
        for n in range(CASES)
    ]


def _run(jobs: list[Job]) -> tuple[float, list[Finished]]:
    """Seconds until the first process had started, and all results."""
    engine = LocalEngine()
    for job in jobs:
        engine.submit(job)
    start, first, finished = time.perf_counter(), None, []
    for event in engine.events():
        if isinstance(event, Started) and first is None:
            first = time.perf_counter() - start
        if isinstance(event, Finished):
            finished.append(event)
    assert first is not None
    return first, finished


def test_overhead_per_case(benchmark: BenchmarkFixture) -> None:
    """A case costs at most `MOST` beyond its metrics."""
    server, _ = _run(_jobs()[:1])
    _, finished = benchmark.pedantic(_run, args=(_jobs(),), rounds=1, iterations=1)
    assert [each.outcome.status for each in finished] == ["ok"] * CASES
    overhead = [each.outcome.elapsed - sum(each.outcome.seconds.values()) for each in finished]
    median = statistics.median(overhead)
    print(f"\nfork server: {server:.2f} s once; per case: median {median * 1e3:.0f} ms, "
          f"largest {max(overhead) * 1e3:.0f} ms beyond its metrics")  # fmt: skip
    benchmark.extra_info["overhead_seconds"] = overhead
    assert median <= MOST
