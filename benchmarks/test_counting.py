"""What counting costs, as a ratio of CPU seconds to a peer that does less, within one run.

Two peers on the twelve modules of OCNet's Table 4: PyTorch's `FlopCounterMode` on fake tensors (it
gives products alone, of one pass; no parameters by layer, no traffic, no live peak, no training),
and fvcore on real tensors at the printed size, which is what people run. And the commands that
measure nothing, against a bare `import torch`. A turn of each, one after the other, in a fresh
process each time: what else the machine does falls on both.
"""

import os
import statistics
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = int(os.environ.get("HARNESS_ROUNDS", "3"))

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


def cpu_seconds(code: str) -> float:
    """Of a fresh process; what it prepares before is left out."""
    timed = f"{PREPARED}\nstart = time.process_time()\n{code}\nprint(time.process_time() - start)"
    return float(_python("-c", timed).splitlines()[-1])


def _python(*arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout


def command_seconds(*arguments: str) -> float:
    """CPU seconds of a process and of all below it."""
    before = os.times()
    _python(*arguments)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


@pytest.mark.parametrize(
    ("peer", "least"), [(COUNTER, 0.2), (FVCORE, 5.0)], ids=["FlopCounterMode", "fvcore"]
)
def test_counting_beside_a_peer(benchmark: BenchmarkFixture, peer: str, least: float) -> None:
    """Times that the peer takes longer than params, operations and both live peaks together."""

    def ratios() -> list[float]:
        return [cpu_seconds(peer) / cpu_seconds(OURS) for _ in range(ROUNDS)]

    found = benchmark.pedantic(ratios, rounds=1, iterations=1)
    median = statistics.median(found)
    benchmark.extra_info["ratios"] = found
    print(f"\nthe peer takes {median:.1f} times as long ({min(found):.1f} to {max(found):.1f})")
    assert median >= least


@pytest.mark.parametrize(
    ("command", "most"),
    [
        (("--help",), 0.5),
        (("list",), 0.5),
        (("validate", "ocnet_table4"), 1.0),
        (("show", "interlaced"), 4.0),
    ],
    ids=["help", "list", "validate", "show"],
)
def test_commands_beside_the_import_of_torch(
    benchmark: BenchmarkFixture, command: tuple[str, ...], most: float
) -> None:
    """Times as long as a process that imports torch and does nothing."""

    def ratios() -> list[float]:
        return [
            command_seconds("-m", "harness", *command) / command_seconds("-c", "import torch")
            for _ in range(ROUNDS)
        ]

    found = benchmark.pedantic(ratios, rounds=1, iterations=1)
    median = statistics.median(found)
    benchmark.extra_info["ratios"] = found
    print(
        f"\n{' '.join(command)}: {median:.2f} of an import ({min(found):.2f} to {max(found):.2f})"
    )
    assert median <= most
