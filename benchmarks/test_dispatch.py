"""What an engine costs per case: a thousand jobs that measure nothing, on this machine and on Ray.

Here also of cases that share processes, as the catalog's static ones do.

Prints seconds per case from the first end to the last, and the start of the engine apart.
"""

import os
import time
from collections.abc import Callable

import pytest
from conftest import Keep
from cpu_ratios import import_of_torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.case import Case, Job
from harness.engines.devices import own_cores
from harness.engines.engine import Engine, Finished
from harness.engines.local import LocalEngine

CASES = int(os.environ.get("HARNESS_SMALL_CASES", "1000"))


def _jobs(count: int, *, shared: bool) -> list[Job]:
    # What hangs on a file has a process of its own.
    of_file = () if shared else (__file__,)
    case = Case("se", {}, ((1, 16, 4, 4),))
    return [Job("dispatch", f"case {n}", case, (), 60.0, depends_on=of_file) for n in range(count)]


def _run(engine: Engine, jobs: list[Job]) -> tuple[float, float]:
    """Seconds until the first case has ended, and seconds per case from there on."""
    for job in jobs:
        engine.submit(job)
    begin, ends = time.perf_counter(), []
    for event in engine.events():
        if isinstance(event, Finished):
            assert event.outcome.status == "ok", event.outcome.cause
            ends.append(time.perf_counter())
    assert len(ends) == len(jobs)
    return ends[0] - begin, (ends[-1] - ends[0]) / (len(ends) - 1)


def _local() -> Engine:
    return LocalEngine(len(own_cores()))  # as many at once as Ray takes


def _ray() -> Engine:
    pytest.importorskip("ray")
    from harness.engines.ray.engine import RayEngine

    return RayEngine("local")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No word to Ray's makers about a benchmark."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.mark.parametrize(
    ("name", "make", "shared"),
    [("local", _local, False), ("local, shared", _local, True), ("ray", _ray, False)],
    ids=["local", "shared", "ray"],
)
def test_dispatch_per_case(
    benchmark: BenchmarkFixture, keep: Keep, name: str, make: Callable[[], Engine], shared: bool
) -> None:
    """A case that measures nothing: what is left is the placing, a process and the answer."""
    jobs = _jobs(CASES, shared=shared)
    first, each = benchmark.pedantic(_run, args=(make(), jobs), rounds=1, iterations=1)
    print(f"\nfirst case after {first:.1f} s; then {each * 1e3:.1f} ms per case, {CASES} cases")
    benchmark.extra_info |= {"first_seconds": first, "seconds_per_case": each}
    keep(f"dispatch of a case, {name} (elapsed)", "import torch", [each / import_of_torch()])
