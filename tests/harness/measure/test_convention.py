"""Conventions: three counters, one printed number."""

import pytest
from made_jobs import made_job

from harness.measure.convention import CONVENTIONS, operations
from harness.measure.operations import measure_operations
from harness.suite.presentation import ConventionSpec

ROW = {
    "conv_macs": 1000,
    "transposed_conv_macs": 40,
    "matmul_macs": 200,
    "elementwise_ops": {
        "bias": 1, "batch_norm": 10, "group_norm": 11, "relu": 300, "pool": 4, "mul": 5,
        "softmax": 7, "add": 9,
    },
    "elementwise_ops_once": {
        "bias": 1, "batch_norm": 10, "group_norm": 11, "relu": 100, "pool": 4, "mul": 5,
        "softmax": 7, "add": 9,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected", "unit"),
    [
        ("flops", 2 * 1200, 1e9),
        ("macs", 1200, 1e9),
        # 1 bias + 2 per normalised element + ReLU counted once + pooling + scaling
        ("torchstat", 1200 + 1 + 2 * (10 + 11) + 100 + 4 + 5, 1e9),
        # transposed convolutions four times, no scaling
        ("toolbox", 1200 + 3 * 40 + 1 + 2 * (10 + 11) + 100 + 4, 1e9),
        ("gibi_macs", 1200, 2**30),
    ],
)
def test_value_and_unit(name, expected, unit):
    convention = CONVENTIONS[name]
    assert operations(ROW, convention) == expected
    assert convention.unit == unit
    assert convention.name == name


def test_every_convention_is_tested():
    assert set(CONVENTIONS) == {"flops", "macs", "torchstat", "toolbox", "gibi_macs"}


def test_repeats_count_where_a_convention_counts_them():
    weights = {"elementwise": {"relu": 1.0}, "conv": 0.0, "matmul": 0.0}
    assert operations(ROW, ConventionSpec(name="all", **weights)) == 300
    assert operations(ROW, ConventionSpec(name="once", repeats=False, **weights)) == 100


def test_row_without_counters_has_no_operations():
    assert operations({"params": 3}, CONVENTIONS["flops"]) is None


def test_row_without_elementwise_counters_counts_the_products():
    assert operations({"conv_macs": 5, "matmul_macs": 0}, CONVENTIONS["torchstat"]) == 5


def test_squeeze_excitation_as_torchstat_prints_it():
    """SRNet Table 3: 0.00947 G at 512 x 96 x 96, nearly all of it pooling and scaling."""
    row = measure_operations(made_job("se", (1, 512, 96, 96)))
    value = operations(row, CONVENTIONS["torchstat"])
    assert value / 1e9 == pytest.approx(0.00947, rel=0.001)
