"""The history of 1,000 runs of 50 cases: CPU seconds of the command, cold and warm.

Records are as a run writes them, with 60 latency samples each: 130 MB in all.
"""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Keep
from cpu_ratios import cpu_seconds, import_of_torch, ratios
from pytest_benchmark.fixture import BenchmarkFixture

from harness.case import Case, Job, Outcome, Used
from harness.records.origin import Origin
from harness.records.record import Record

RUNS, CASES, SAMPLES = 1000, 50, 60
SLOWED, AT, BY = 7, 600, 1.04
"""The case that becomes slower, the run from which on, and the factor."""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of these tests alone."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, an hour apart, each of a commit of its own."""
    root = tmp_path_factory.mktemp("runs")
    draw = random.Random(0)
    templates = [_record(number) for number in range(CASES)]
    for number in range(RUNS):
        day, hour = divmod(number, 24)
        at = f"2026-{1 + day // 28:02}-{1 + day % 28:02}T{hour:02}:00:00+00:00"
        folder = root / "made" / f"{at[:19].replace('-', '').replace(':', '')}Z-{number:04x}"
        folder.mkdir(parents=True)
        environment = {
            "machine_key": "m", "python": "3.11.7", "threads": 2, "libraries": {"torch": "2.13.0"},
            "git": {"commit": f"{number * 7919:040x}", "dirty": False},
        }  # fmt: skip
        jobs = [{"label": each["label"], "key": each["case_key"]} for each in templates]
        suite = {"suite": "made", "jobs": jobs}
        described = {"suite": suite, "environment": environment, "started_at": at}
        (folder / "run.json").write_text(json.dumps(described, indent=2))
        with (folder / "records.jsonl").open("w") as file:
            for case, template in enumerate(templates):
                factor = BY if case == SLOWED and number >= AT else 1.0
                seconds = 0.01 * (case + 1) * factor * draw.gauss(1, 0.01)
                samples = [seconds * draw.gauss(1, 0.003) for _ in range(SAMPLES)]
                timed = {"latency_seconds": seconds, "latency_samples_seconds": samples}
                origin = template["origin"] | {"commit": environment["git"]["commit"]}
                line = {**template, "values": template["values"] | timed, "origin": origin}
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return root


def _record(number: int) -> dict[str, object]:
    case = Case("interlaced", {"key_channels": number + 1}, ((1, 512, 97, 97),))
    job = Job("made", f"case {number}", case, ("params", "flops", "latency"), 60.0)
    values = {"params": 10**6, "conv_macs": 10**10, "matmul_macs": 10**9, "coverage": 1.0}
    values |= {"elementwise_ops": {"relu": 10**6, "softmax": 10**7}, "live_peak_bytes": 10**8}
    origin = Origin(
        Used(roots=("context_modules.interlaced:InterlacedAttention",)),
        "921de82fe3fa909b",
        dirty=False,
        versions={"python": "3.11.7", "context-harness": "0.1.0", "torch": "2.13.0"},
    )
    record = Record.of(job, Outcome("ok", values=values), "m", origin)
    return dict(json.loads(record.to_line()))


def history(runs: Path, *options: str) -> tuple[str, ...]:
    """Arguments of Python for the command."""
    return ("-m", "harness", "history", "--runs", str(runs), *options)


def test_the_one_slow_down_is_found_and_nothing_else(runs: Path) -> None:
    """Cold and warm, with the same answer."""
    command = [sys.executable, *history(runs, "--json")]
    texts = [subprocess.run(command, check=True, capture_output=True).stdout for _ in range(2)]
    assert texts[0] == texts[1]
    answer = json.loads(texts[0])
    changed = [series for series in answer["series"] if series["changes"]]
    assert (answer["runs"], len(answer["series"])) == (RUNS, CASES)
    assert [series["label"] for series in changed] == [f"case {SLOWED}"]
    (change,) = changed[0]["changes"]
    assert abs(change["index"] - AT) <= 1
    assert abs(change["change"] - (BY - 1)) < 0.005


@pytest.mark.parametrize(("state", "most"), [("cold", 2.0), ("warm", 1.0)])
def test_a_thousand_runs_of_fifty_cases(  # noqa: PLR0917 - pytest calls it with names
    benchmark: BenchmarkFixture, keep: Keep, runs: Path, cache: Path, state: str, most: float
) -> None:
    """CPU seconds of the command over those of an import of torch; cold: nothing is kept yet."""
    cpu_seconds(*history(runs))

    def once() -> float:
        if state == "cold":
            shutil.rmtree(cache / "context-harness" / "history")
        return cpu_seconds(*history(runs))

    found = benchmark.pedantic(ratios, args=(once, import_of_torch), rounds=1, iterations=1)
    assert keep(f"harness history of 50,000 records, {state}", "import torch", found) <= most
