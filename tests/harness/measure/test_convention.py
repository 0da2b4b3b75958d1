"""Conventions: three counters, one printed number."""

import pytest
import torch
from made_jobs import made_job
from torch import nn

from harness.case import Case
from harness.measure.convention import CONVENTIONS, ConventionSpec, operations
from harness.measure.operations import count_operations, measure_operations
from harness.measure.subject import Subject

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
    "elementwise_ops_layers": {
        "bias": 1, "batch_norm": 10, "group_norm": 11, "relu": 200, "pool": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected", "unit"),
    [
        ("flops", 2 * 1200, 1e9),
        ("macs", 1200, 1e9),
        # 1 bias + 2 per normalised element + ReLU counted once + pooling + scaling
        ("torchstat", 1200 + 1 + 2 * (10 + 11) + 100 + 4 + 5, 1e9),
        # transposed convolutions four times, layers at every call, no functions
        ("toolbox", 1200 + 3 * 40 + 1 + 2 * (10 + 11) + 200 + 2, 1e9),
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


@pytest.mark.parametrize(("calls", "expected"), [("all", 300), ("last", 100), ("layers", 200)])
def test_calls_that_a_convention_counts(calls, expected):
    weights = {"elementwise": {"relu": 1.0}, "conv": 0.0, "matmul": 0.0}
    assert operations(ROW, ConventionSpec(name="own", calls=calls, **weights)) == expected


def test_a_row_of_before_layers_were_kept_counts_last_calls():
    row = {name: value for name, value in ROW.items() if name != "elementwise_ops_layers"}
    assert operations(row, CONVENTIONS["toolbox"]) == 1200 + 3 * 40 + 1 + 2 * 21 + 100 + 4


class OneReLU(nn.Module):
    """A 1x1 convolution, and a ReLU that is called twice: a layer, or a function."""

    def __init__(self, in_channels: int, layer: bool):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, in_channels, 1, bias=False)
        self.relu = nn.ReLU() if layer else None

    def forward(self, x):
        relu = self.relu or torch.relu
        return relu(relu(self.conv(x)))


@pytest.mark.parametrize(("layer", "expected"), [(True, 3), (False, 1)])
def test_toolboxes_hang_on_layers_and_add_up_their_calls(layer, expected):
    """As mmcv's counter: 1 x 1 x 1000 x 1000 gives 0.003 G with a ReLU layer, 0.001 with F.relu."""
    x = torch.zeros(1, 1, 10, 10)
    subject = Subject(Case("one", {}, ((1, 1, 10, 10),)), OneReLU(1, layer).eval(), (x,))
    assert operations(count_operations(subject), CONVENTIONS["toolbox"]) == expected * 100


def test_row_without_counters_has_no_operations():
    assert operations({"params": 3}, CONVENTIONS["flops"]) is None


def test_row_without_elementwise_counters_counts_the_products():
    assert operations({"conv_macs": 5, "matmul_macs": 0}, CONVENTIONS["torchstat"]) == 5


def test_squeeze_excitation_as_torchstat_prints_it():
    """SRNet Table 3: 0.00947 G at 512 x 96 x 96, nearly all of it pooling and scaling."""
    row = measure_operations(made_job("se", (1, 512, 96, 96)))
    value = operations(row, CONVENTIONS["torchstat"])
    assert value / 1e9 == pytest.approx(0.00947, rel=0.001)
