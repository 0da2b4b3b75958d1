"""What a timed table costs beyond its passes: the whole command, in elapsed seconds.

OCNet's Table 4 at the printed size, whose passes take 2 to 7 s each on two cores. Counted are the
passes that a row needs: warm-ups, of which the first is also the checked one, and samples.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from conftest import Keep
from pytest_benchmark.fixture import BenchmarkFixture

MOST = 1.4


def _run(folder: Path) -> tuple[float, float]:
    """Elapsed seconds of the command, and of the passes that its rows have kept."""
    command = [sys.executable, "-m", "harness", "run", "ocnet_table4", "--json", "--quiet"]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    elapsed = time.perf_counter() - begin
    rows = json.loads(done.stdout)
    assert {row["status"] for row in rows} == {"ok"}
    kept = ("latency_warmup_seconds", "latency_samples_seconds")
    return elapsed, sum(sum(row[name]) for row in rows for name in kept)


def test_a_timed_table(benchmark: BenchmarkFixture, keep: Keep, tmp_path: Path) -> None:
    """Imports, counting, the build of each module and the writing of tables are what is beyond."""
    elapsed, passes = benchmark.pedantic(_run, args=(tmp_path,), rounds=1, iterations=1)
    print(f"\n{elapsed:.0f} s for {passes:.0f} s of passes")
    assert keep("harness run ocnet_table4 (elapsed)", "its passes", [elapsed / passes]) <= MOST
