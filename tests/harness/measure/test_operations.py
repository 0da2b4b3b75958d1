"""Operations of a case: fake or real, inference or training, layer by layer."""

import pytest
import torch
from counted import follow
from hypothesis import given, settings
from hypothesis import strategies as st
from made_jobs import made_job
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from context_modules.layers import ConvBNReLU
from context_modules.self_attention import SelfAttention
from harness.measure.operations import (
    OperatorCounter,
    Tally,
    algorithmic_macs,
    layer_costs,
    measure_operations,
)

ELEMENTS = 2 * 16 * 16


def test_non_local_block_as_printed():
    """The non-local block 512 -> 64 / 64 / 512 at 97 x 97: 108.152 GFLOPs."""
    job = made_job(
        "self_attention",
        (1, 512, 97, 97),
        key_channels=64,
        value_channels=512,
        query_convs=1,
        output_transform="none",
    )
    figures = measure_operations(job)
    assert round(figures["flops"] / 1e9, 3) == 108.152
    n = 97 * 97
    assert figures["matmul_macs"] == n * n * (64 + 512)
    assert figures["conv_macs"] == n * 512 * (64 + 64 + 512)


def test_shared_relu_counts_once_where_hooks_would_see_it_once():
    figures = measure_operations(made_job("SharedReLU"))
    assert figures["elementwise_ops"]["relu"] == ELEMENTS * (3 + 8 + 4)
    assert figures["elementwise_ops_once"]["relu"] == ELEMENTS * 4
    assert figures["elementwise_ops_once"]["bias"] == figures["elementwise_ops"]["bias"]


def test_transposed_convolutions_are_a_part_of_the_convolutions():
    figures = measure_operations(made_job("UpAndDown", (1, 3, 8, 8)))
    up = 64 * 3 * 5 * 4  # each of 64 input pixels meets the 2 x 2 kernel once
    assert figures["transposed_conv_macs"] == up
    assert figures["conv_macs"] == up + 256 * 5 * 3


def test_sums_of_outputs():
    """Outputs of layers, a repeated one's last; and what the module makes between its layers."""
    figures = measure_operations(made_job("SharedReLU"))
    assert figures["module_output_bytes"] == 4 * ELEMENTS * (8 + 4 + 4)
    assert figures["functional_output_bytes"] == 4 * ELEMENTS * 3


@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("Branching", "DataDependentOutputException"),
        ("RealOnly", "no fake impl registered"),
    ],
)
def test_module_that_needs_values_is_counted_on_real_tensors(module, cause):
    figures = measure_operations(made_job(module))
    assert figures["conv_macs"] == ELEMENTS * 3 * 4
    (warning,) = figures["warnings"]
    assert warning.startswith("counted on real tensors")
    assert cause in warning


def test_a_constructor_that_needs_values_costs_nothing():
    figures = measure_operations(made_job("ReadsInConstructor"))
    assert figures["conv_macs"] == ELEMENTS * 3 * 4
    assert "warnings" not in figures


def test_shape_that_depends_on_values_is_counted_on_real_tensors():
    figures = measure_operations(made_job("Selecting"))
    assert "DynamicOutputShapeException" in figures["warnings"][0]
    assert figures["elementwise_ops"]["reduce"] == ELEMENTS * 3


def test_fake_tensors_give_no_warning():
    assert "warnings" not in measure_operations(made_job("SharedReLU"))


def test_error_of_the_module_is_not_taken_for_a_need_of_values():
    with pytest.raises(ValueError, match="64 x 64"):
        measure_operations(made_job("OneSize"))


def test_training_counts_forward_and_both_gradients():
    inference = measure_operations(made_job("Tied"))
    training = measure_operations(made_job("Tied", pass_="training"))
    assert inference["conv_macs"] == 2 * ELEMENTS * 9
    assert training["conv_macs"] == 3 * inference["conv_macs"]


def test_checkpoint_counts_its_second_forward():
    training = measure_operations(made_job("Checkpointed", pass_="training"))
    assert training["conv_macs"] == 4 * ELEMENTS * 3 * 4


def test_closed_form_of_a_module_is_reported_for_inference():
    class Declares(nn.Module):
        def algorithmic_macs(self, shape):
            return shape[1] * 10

    assert algorithmic_macs(Declares(), (1, 7, 3, 3)) == 70
    assert algorithmic_macs(nn.ReLU(), (1, 7, 3, 3)) is None


@pytest.mark.parametrize("module", ["SharedReLU", "danet", "base_oc"])
def test_layers_sum_to_the_total(module):
    shape = (2, 3, 16, 16) if module[0].isupper() else (1, 64, 16, 16)
    job = made_job(module, shape)
    total = Tally()
    for layer in layer_costs(job):
        total.merge(layer.tally)
    figures = measure_operations(job)
    assert (total.conv_macs, total.matmul_macs) == (figures["conv_macs"], figures["matmul_macs"])
    assert dict(total.elementwise) == figures["elementwise_ops"]


def test_layers_name_calls_shapes_and_own_work():
    job = made_job("SharedReLU")
    layers = {layer.path: layer for layer in layer_costs(job)}
    assert list(layers) == ["", "relu", "first", "second"]
    assert layers["relu"].calls == 3
    assert layers["relu"].output == (2, 4, 16, 16)
    assert layers["first"].tally.conv_macs == ELEMENTS * 3 * 8
    assert layers["first"].params == 3 * 8 + 8
    assert dict(layers[""].tally.elementwise) == {"copy": ELEMENTS * 3}
    assert sum(layer.params for layer in layers.values()) == 32 + 36


def test_layers_of_a_module_that_needs_values():
    job = made_job("Branching")
    layers = {layer.path: layer for layer in layer_costs(job)}
    assert layers["conv"].tally.conv_macs == ELEMENTS * 3 * 4


def test_work_of_a_parent_stays_with_the_parent_after_its_child():
    class Parent(nn.Module):
        def __init__(self):
            super().__init__()
            self.child = nn.Linear(4, 4, bias=False)

        def forward(self, x):
            return self.child(x) @ x.mT

    calls = follow(Parent(), torch.randn(3, 4)).calls
    assert calls[""][0].matmul_macs == 3 * 4 * 3
    assert calls["child"][0].matmul_macs == 3 * 4 * 4


def test_hooks_are_removed():
    module = nn.Sequential(nn.ReLU())
    follow(module, torch.randn(3))
    assert not module[0]._forward_hooks
    assert not module[0]._forward_pre_hooks


@st.composite
def stacks(draw):
    """A few random layers and the shape of an input that they take."""
    channels = width = draw(st.integers(1, 6))
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        out = draw(st.integers(1, 6))
        kind = draw(st.sampled_from(["conv", "grouped", "transposed", "cbr", "attention", "up"]))
        if kind == "conv":
            stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
            layers.append(nn.Conv2d(width, out, 3, stride, dilation, dilation))
        elif kind == "grouped":
            out = width
            layers.append(nn.Conv2d(width, out, 3, padding=1, groups=width, bias=False))
        elif kind == "transposed":
            layers.append(nn.ConvTranspose2d(width, out, 2, draw(st.integers(1, 2))))
        elif kind == "cbr":
            layers.append(ConvBNReLU(width, out, 1))
        elif kind == "attention":
            out = width
            arguments = {"key_channels": 2, "value_channels": 3, "out_channels": width}
            layers.append(SelfAttention(width, **arguments))
        else:
            out = width
            layers.append(
                nn.Upsample(scale_factor=2, mode=draw(st.sampled_from(["nearest", "bilinear"])))
            )
        width = out
    shape = (draw(st.integers(1, 2)), channels, draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    return layers, shape


def tally_of(layers, shape, *, gradients):
    counter = OperatorCounter()
    module = nn.Sequential(*layers).train(gradients)
    module.zero_grad()  # an earlier run's gradients would be added to
    x = torch.randn(shape, requires_grad=gradients)
    with torch.set_grad_enabled(gradients), counter:
        out = module(x)
        if gradients:
            out.sum().backward()
    return counter.total()


@given(stacks(), st.booleans())
@settings(deadline=None, max_examples=40)
def test_fake_and_real_tensors_give_equal_counts(stack, gradients):
    layers, shape = stack
    real = tally_of(layers, shape, gradients=gradients)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = tally_of(layers, shape, gradients=gradients)
    if gradients:
        # PyTorch predicts other strides for some gradients with an axis of one element, and so
        # another number of copies to make them contiguous; the work is the same.
        for tally in (fake, real):
            tally.elementwise.pop("copy", None)
            tally.covered_elements = tally.elements = tally.functional_output_bytes = 0
    assert fake == real
