"""What counting costs, as a ratio of CPU seconds to a peer that does less, within one run.

Two peers on the twelve modules of OCNet's Table 4: PyTorch's `FlopCounterMode` on fake tensors (it
gives products alone, of one pass; no parameters by layer, no traffic, no live peak, no training),
and fvcore on real tensors at the printed size, which is what people run. And the commands that
measure nothing, against a bare `import torch`. A turn of each, one after the other, in a fresh
process each time: what else the machine does falls on both.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Keep
from cpu_ratios import cpu_seconds, import_of_torch, ratios
from pytest_benchmark.fixture import BenchmarkFixture

PREPARED = """
import warnings
warnings.simplefilter("ignore")
import time, torch
import harness.engines.process.preload
from dataclasses import replace
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode
from harness import validate
from harness.measure.memory import measure_memory
from harness.measure.operations import measure_operations, measure_params
from harness.measure.subject import fake_subject, real_subject
torch.set_num_threads(1)
metrics = ("params", "flops", "memory")
jobs = [replace(job, metrics=metrics) for job in validate("ocnet_table4").all_jobs()]
"""
OURS = "[measure_params(job) | measure_operations(job) | measure_memory(job) for job in jobs]"
COUNTER = """
for job in jobs:
    with fake_subject(job.case) as subject, FlopCounterMode(display=False):
        subject.forward()
"""
FVCORE = """
for job in jobs:
    subject = real_subject(job.case, 0)
    with torch.no_grad():
        FlopCountAnalysis(subject.module, subject.inputs).unsupported_ops_warnings(False).total()
"""


def counted_seconds(code: str) -> float:
    """CPU seconds of a fresh process; what it prepares before is left out."""
    timed = f"{PREPARED}\nstart = time.process_time()\n{code}\nprint(time.process_time() - start)"
    done = subprocess.run(
        [sys.executable, "-c", timed],
        check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "peer", "most"),
    [("FlopCounterMode", COUNTER, 5.0), ("fvcore", FVCORE, 0.2)],
    ids=["FlopCounterMode", "fvcore"],
)
def test_counting_beside_a_peer(
    benchmark: BenchmarkFixture, keep: Keep, name: str, peer: str, most: float
) -> None:
    """Params, operations and both live peaks of Table 4, over what the peer takes for its count."""
    found = benchmark.pedantic(
        ratios,
        args=(lambda: counted_seconds(OURS), lambda: counted_seconds(peer)),
        rounds=1,
        iterations=1,
    )
    assert keep("counting Table 4", name, found) <= most


def elapsed(*arguments: str) -> float:
    """Elapsed seconds of a Python process, whatever it starts."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def test_a_static_table_beside_fvcore(
    benchmark: BenchmarkFixture, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole command with all its metrics, over fvcore's operations of the same modules."""
    monkeypatch.chdir(tmp_path)  # where the run is written
    run = ("-m", "harness", "run", "ocnet_table4", "--metrics", "static", "--quiet")
    fvcore = ("-c", f"{PREPARED}\n{FVCORE}".replace("torch.set_num_threads(1)", ""))  # all cores
    elapsed(*run)  # second witnesses are kept
    found = benchmark.pedantic(
        ratios,
        args=(lambda: elapsed(*run), lambda: elapsed(*fvcore)),
        rounds=1,
        iterations=1,
    )
    assert keep("harness run ocnet_table4 --metrics static (elapsed)", "fvcore", found) <= 0.25


@pytest.mark.parametrize(
    ("command", "most"),
    [
        (("--help",), 0.5),
        (("list",), 0.5),
        (("validate", "ocnet_table4"), 1.0),
        # It counts on fake tensors, of which PyTorch imports its compiler: twice an import.
        (("show", "interlaced"), 3.0),
    ],
    ids=["help", "list", "validate", "show"],
)
def test_commands_beside_the_import_of_torch(
    benchmark: BenchmarkFixture, keep: Keep, command: tuple[str, ...], most: float
) -> None:
    """CPU seconds of a command over those of a process that imports torch and does nothing."""
    found = benchmark.pedantic(
        ratios,
        args=(lambda: cpu_seconds("-m", "harness", *command), import_of_torch),
        rounds=1,
        iterations=1,
    )
    assert keep(f"harness {' '.join(command)}", "import torch", found) <= most


def test_planning_ten_thousand_cases(
    benchmark: BenchmarkFixture, keep: Keep, tmp_path: Path
) -> None:
    """CPU seconds of the plan of a grid of 10,000 static cases over those of an import of torch."""
    numbers = list(range(1, 101))
    suite = tmp_path / "large.yaml"
    case = {"label": "{key_channels} {value_channels}", "module": "self_attention"}
    grid = {"key_channels": numbers, "value_channels": numbers}
    described = {"suite": "large", "measure": ["params", "flops", "memory"]}
    described |= {"input": [1, 64, 32, 32], "cases": [case | {"grid": grid}]}
    suite.write_text(json.dumps(described))
    plan = ("-m", "harness", "plan", str(suite), "--metrics", "static", "--budget", "0")
    found = benchmark.pedantic(
        ratios, args=(lambda: cpu_seconds(*plan), import_of_torch), rounds=1, iterations=1
    )
    assert keep("harness plan of 10,000 cases", "import torch", found) <= 3.0
