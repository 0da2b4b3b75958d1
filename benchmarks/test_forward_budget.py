"""Seconds and peak resident set of the two heaviest forwards of the papers, on this machine's CPU.

Run by `make benchmark`; no part of the tests, since a time depends on the machine. What is asserted
holds on any: the output is finite and the memory stays below what a dense N x N attention takes.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.case import Case, Job
from harness.measure.memory import measure_resident
from harness.measure.subject import real_subject

MIB = 2**20
# GGCF section 4.3: six heads at 256 x 128 x 256. RANet Table 3: the head at 97 x 97, on 512
# channels, with the regions that an image of the mean size has.
CASES = {
    "graph_guided": (Case("graph_guided", {}, ((1, 256, 128, 256),)), 4 * (128 * 256) ** 2),
    "region_attention": (
        Case("region_attention", {"max_regions": 24}, ((1, 512, 97, 97),)),
        # Five N x N maps of float32, of which the printed 1893 MiB consist.
        5 * 4 * (97 * 97) ** 2,
    ),
}


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", CASES)
def test_forward(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Prints the median of three passes and the growth of the resident set in a first."""
    case, dense_bytes = CASES[name]
    job = Job("benchmark", name, case, ("resident",), 600.0)
    # A fresh process: what an earlier benchmark left in the allocator would hide or add pages.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        peak = fresh.submit(measure_resident, job).result()["resident_peak_bytes"]
    subject = real_subject(case, seed=0)
    out = benchmark.pedantic(subject.forward, rounds=3, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert torch.isfinite(out).all()
    benchmark.extra_info["resident_peak_bytes"] = peak
    with capsys.disabled():
        size = "x".join(map(str, case.inputs[0]))
        shown = f"{peak / MIB:.0f} MiB" if isinstance(peak, int) else "not known here"
        seconds = f"{benchmark.stats.stats.median:.2f} s" if benchmark.stats else "not timed"
        print(f"\n{name} {size}: {seconds}, peak of the resident set {shown}")
    if isinstance(peak, int):
        assert 0 < peak < dense_bytes
