"""Convolutions against multiply-accumulates by hand: B * H' * W' * C' * (C / groups) * k * k."""

import pytest
import torch
from counted import count, count_training
from torch import nn

# layer, input shape, MACs, output elements
CASES = {
    "1x1": (nn.Conv2d(8, 3, 1), (2, 8, 5, 7), 2 * 5 * 7 * 3 * 8, 2 * 5 * 7 * 3),
    "3x3, same size": (nn.Conv2d(4, 6, 3, padding=1), (1, 4, 5, 7), 5 * 7 * 6 * 4 * 9, 5 * 7 * 6),
    "stride 2": (nn.Conv2d(4, 6, 3, 2, 1), (1, 4, 9, 7), 5 * 4 * 6 * 4 * 9, 5 * 4 * 6),
    "dilation 2, no padding": (
        nn.Conv2d(4, 6, 3, dilation=2),
        (1, 4, 9, 7),
        5 * 3 * 6 * 4 * 9,
        5 * 3 * 6,
    ),
    "two groups": (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5), 9 * 6 * 2 * 9, 9 * 6),
    "depthwise": (
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        (3, 4, 5, 5),
        3 * 25 * 4 * 9,
        3 * 25 * 4,
    ),
    "k x 1": (nn.Conv2d(4, 4, (5, 1)), (1, 4, 6, 3), 2 * 3 * 4 * 4 * 5, 2 * 3 * 4),
    "one dimension": (nn.Conv1d(4, 6, 3), (2, 4, 9), 2 * 7 * 6 * 4 * 3, 2 * 7 * 6),
    "three dimensions": (nn.Conv3d(2, 3, 2), (1, 2, 3, 3, 3), 8 * 3 * 2 * 8, 8 * 3),
}
# Each input element meets each weight of its group once.
TRANSPOSED = {
    "transposed": (nn.ConvTranspose2d(4, 6, 3, 2), (1, 4, 5, 5), 25 * 4 * 6 * 9, 121 * 6),
    "transposed, two groups": (
        nn.ConvTranspose2d(4, 6, 3, 2, groups=2),
        (2, 4, 5, 5),
        2 * 25 * 4 * 3 * 9,
        2 * 121 * 6,
    ),
}

ALL = CASES | TRANSPOSED


@pytest.mark.parametrize(("layer", "shape", "macs", "outputs"), ALL.values(), ids=ALL)
def test_macs_and_bias(layer, shape, macs, outputs):
    tally = count(lambda: layer(torch.randn(shape)))
    assert tally.conv_macs == macs
    assert tally.matmul_macs == 0
    assert tally.elementwise == {"bias": outputs}
    assert tally.coverage == 1.0


def test_no_bias_no_additions():
    layer = nn.Conv2d(4, 6, 1, bias=False)
    assert not count(lambda: layer(torch.randn(1, 4, 3, 3))).elementwise


@pytest.mark.parametrize(("layer", "shape", "macs", "outputs"), ALL.values(), ids=ALL)
def test_each_gradient_costs_what_the_forward_costs(layer, shape, macs, outputs):
    """Groups included: PyTorch's own rule counts the weight's gradient `groups` times."""
    both = count_training(layer, torch.randn(shape, requires_grad=True))
    assert both.conv_macs == 3 * macs
    first_layer = count_training(layer, torch.randn(shape))
    assert first_layer.conv_macs == 2 * macs


def test_frozen_weight_leaves_the_gradient_of_the_input():
    layer = nn.Conv2d(4, 6, 3).requires_grad_(False)
    tally = count_training(layer, torch.randn(1, 4, 5, 5, requires_grad=True))
    assert tally.conv_macs == 2 * (9 * 6 * 4 * 9)


def test_a_convolution_over_time_first():
    x, weight, bias = torch.randn(9, 2, 4), torch.randn(3, 4, 5), torch.randn(5)
    tally = count(lambda: torch.conv_tbc(x, weight, bias))
    assert (tally.conv_macs, tally.elementwise["bias"]) == (7 * 2 * 5 * 3 * 4, 7 * 2 * 5)
