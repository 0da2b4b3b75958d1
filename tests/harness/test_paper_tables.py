"""The main suite reproduces OCNet's Table 4 and Figure 4: the static metrics of every row."""

from pathlib import Path

import pytest

from harness.measure.convention import CONVENTIONS, operations
from harness.measure.memory import measure_memory
from harness.measure.operations import measure_operations, measure_params
from harness.suite.loader import load

SUITES = Path(__file__).parents[2] / "suites"
MIB = 2**20

# label: parameters in millions, 2 * MACs in 1e9 (by layer arithmetic; the printed column once it is
# rounded), and the live peak with parameters, in MiB, of code that frees nothing early.
TABLE4 = {
    "PPM": (23.074, 618.580, 504.0),
    "ASPP": (15.535, 491.775, 235.3),
    "DANet": (23.925, 1110.249, 2307.3),
    "RCCA": (23.924, 804.233, 323.3),
    "CGNL": (12.586, 412.350, 272.0),
    "Efficient Attention": (9.964, 330.712, 214.3),
    "Base-OC (SA)": (10.489, 618.475, 2168.0),
    "Base-OC (ISA)": (11.540, 386.010, 252.0),
    "Pyramid-OC (SA)": (15.219, 880.040, 2186.1),
    "Pyramid-OC (ISA)": (17.85, 595.31, 650.8),
    "ASP-OC (SA)": (19.894, 656.325, 251.9),
    "ASP-OC (ISA)": (20.190, 650.553, 253.0),
}
PRINTED_GFLOPS = {
    "PPM": 619, "ASPP": 492, "DANet": 1110, "RCCA": 804, "CGNL": 412, "Efficient Attention": 331,
    "Base-OC (SA)": 619, "Base-OC (ISA)": 386, "Pyramid-OC (SA)": 880, "Pyramid-OC (ISA)": 595,
    "ASP-OC (SA)": 656, "ASP-OC (ISA)": 651,
}  # fmt: skip
# MiB: two N x N tables in float32 (the logits and their softmax), or the concatenated map with its
# parts. A 512-channel map takes 32.
UNAVOIDABLE = {
    "PPM": 256.0 + 4 * 32,
    "ASPP": 2 * 5 * 16.0,
    "DANet": 2 * 1024.0,
    "Base-OC (SA)": 2 * 1024.0,
    "Pyramid-OC (SA)": 2 * 1024.0,
    "ASP-OC (SA)": 2 * 5 * 16.0,
    "ASP-OC (ISA)": 2 * 5 * 16.0,
}


@pytest.fixture(scope="module")
def jobs():
    """Jobs of the main suite, by the suite that they come from and their label."""
    suite = load(SUITES / "efficiency.yaml")
    return {(job.suite, job.label): job for job in suite.all_jobs()}


def gflops(figures):
    return operations(figures, CONVENTIONS["flops"]) / 1e9


def test_every_row_of_table_4_is_in_the_suite(jobs):
    assert [label for suite, label in jobs if suite == "ocnet-table4"] == list(TABLE4)
    inputs = {job.case.inputs for (suite, _), job in jobs.items() if suite == "ocnet-table4"}
    assert inputs == {((1, 2048, 128, 128),)}


@pytest.mark.parametrize("label", TABLE4)
def test_parameters_and_operations_of_table_4(jobs, label):
    job = jobs["ocnet-table4", label]
    params, flops, _ = TABLE4[label]
    counted = measure_operations(job)
    assert measure_params(job)["params"] / 1e6 == pytest.approx(params, rel=1e-3)
    assert gflops(counted) == pytest.approx(flops, rel=1e-3)
    assert counted["flops"] / 1e9 == gflops(counted)
    assert counted["uncounted_ops"] == {}
    assert counted["coverage"] == 1.0
    assert "warnings" not in counted
    # Within 0.1 %, or half a unit of the last printed digit.
    assert gflops(counted) == pytest.approx(PRINTED_GFLOPS[label], rel=1e-3, abs=0.5)


@pytest.mark.parametrize("label", TABLE4)
def test_memory_of_table_4(jobs, label):
    """At most what a plain implementation keeps alive, and not below what no freeing can avoid."""
    job = jobs["ocnet-table4", label]
    figures = measure_memory(job)
    peak, params = figures["live_peak_bytes"] / MIB, measure_params(job)["param_bytes"] / MIB
    assert UNAVOIDABLE.get(label, 64.0) <= peak <= TABLE4[label][2] - params + 0.1
    assert figures["live_peak_training_bytes"] / MIB >= peak + params
    assert figures["input_bytes"] / MIB == 128.0


def test_ratios_of_figure_4(jobs):
    """ISA over SA at 512 x 128 x 128: 24.6 % of the operations, at most 10.2 % of the memory."""
    sa, isa = jobs["ocnet-figure4", "SA"], jobs["ocnet-figure4", "ISA relative to SA"]
    ratio = gflops(measure_operations(isa)) / gflops(measure_operations(sa))
    assert 0.245 * 0.99 <= ratio <= 0.248 * 1.01

    def memory(job):
        figures = measure_memory(job)
        peak, inputs = figures["live_peak_bytes"], figures["input_bytes"]
        return peak + inputs + measure_params(job)["param_bytes"]

    assert 0.08 < memory(isa) / memory(sa) <= 0.102
