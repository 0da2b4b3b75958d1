"""Elementwise work by kind: one step per output element; per input element where it shrinks."""

import pytest
import torch
from counted import count, count_training
from torch import nn
from torch.nn import functional as F

SHAPE = (2, 4, 6, 6)
ELEMENTS = 2 * 4 * 6 * 6

KINDS = {
    "batch norm, eval": (nn.BatchNorm2d(4).eval(), {"batch_norm": ELEMENTS}),
    "group norm": (nn.GroupNorm(2, 4), {"group_norm": ELEMENTS}),
    "layer norm": (nn.LayerNorm(6), {"layer_norm": ELEMENTS}),
    "relu": (nn.ReLU(), {"relu": ELEMENTS}),
    "relu6": (nn.ReLU6(), {"relu": ELEMENTS}),
    "relu6, function": (F.relu6, {"relu": ELEMENTS}),
    "relu6, limits": (nn.Hardtanh(0, 6), {"relu": ELEMENTS}),
    "sigmoid": (nn.Sigmoid(), {"activation": ELEMENTS}),
    "softmax": (nn.Softmax(1), {"softmax": ELEMENTS}),
    "average pooling": (nn.AvgPool2d(2), {"pool": ELEMENTS}),
    "max pooling": (nn.MaxPool2d(2), {"pool": ELEMENTS}),
    "adaptive pooling to one bin": (nn.AdaptiveAvgPool2d(1), {"pool": ELEMENTS}),
    "adaptive pooling to 2 x 3": (nn.AdaptiveAvgPool2d((2, 3)), {"pool": ELEMENTS}),
    "adaptive max pooling": (nn.AdaptiveMaxPool2d(1), {"pool": ELEMENTS}),
    "bilinear": (
        lambda x: F.interpolate(x, size=(9, 7), mode="bilinear"),
        {"interpolate": 8 * 9 * 7},
    ),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), {"interpolate": 4 * ELEMENTS}),
    "nearest in three axes": (
        lambda x: F.interpolate(x[None], scale_factor=2),
        {"interpolate": 8 * ELEMENTS},
    ),
    "sort": (lambda x: x.sort(-1), {"sort": ELEMENTS}),
    "topk": (lambda x: x.topk(2, dim=1), {"sort": ELEMENTS}),
    "sum over channels": (lambda x: x.sum(1), {"reduce": ELEMENTS}),
    "mean over channels": (lambda x: x.mean(1), {"reduce": ELEMENTS}),
    "unfold to columns": (lambda x: F.unfold(x, 3), {"copy": 2 * 4 * 9 * 16}),
    "concatenation": (lambda x: torch.cat([x, x], 1), {"copy": 2 * ELEMENTS}),
    "zero padding": (lambda x: F.pad(x, (1, 1, 1, 1)), {"copy": 8 * 64}),
    "scaling": (lambda x: x * 2, {"mul": ELEMENTS}),
    "residual": (lambda x: x + x, {"add": ELEMENTS}),
    "exponential": (torch.exp, {"pointwise": ELEMENTS}),
}


@pytest.mark.parametrize(("work", "expected"), KINDS.values(), ids=KINDS)
def test_kind_and_elements(work, expected):
    x = torch.randn(SHAPE)
    tally = count(lambda: work(x))
    assert tally.elementwise == expected
    assert tally.conv_macs == tally.matmul_macs == 0
    assert tally.coverage == 1.0
    assert not tally.uncounted


def test_batch_norm_in_training_counts_its_elements():
    x = torch.randn(SHAPE)
    layer = nn.BatchNorm2d(4, track_running_stats=False)
    assert count(lambda: layer(x)).elementwise == {"batch_norm": ELEMENTS}


def test_a_norm_written_out_is_counted_as_the_layer():
    x, layer = torch.randn(SHAPE), nn.RMSNorm(6)

    def written_out():
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * layer.weight

    assert count(written_out).elementwise == count(lambda: layer(x)).elementwise


def marked(x):
    with torch.profiler.record_function("a name"):
        return x.view(-1)


FREE = {
    "pieces that a scripted layer takes": lambda x: (x.unsafe_split(2, 1), x.unsafe_chunk(2, 1)),
    "a mark of the profiler": marked,
    "views": lambda x: x.view(2, 4, 36).transpose(1, 2)[:, ::2].unsqueeze(0).expand(3, -1, -1, -1),
    "windows": lambda x: x.unfold(2, 3, 1).permute(0, 2, 3, 1, 4),
    "in-place views": lambda x: x.transpose_(0, 1).unsqueeze_(0).squeeze_().detach_(),
    "parts": lambda x: (x.chunk(2, 1), x.split([1, 3], 1), x.unbind(0)),
    "allocation": lambda x: (torch.empty_like(x), x.new_zeros(3), torch.arange(5)),
}


@pytest.mark.parametrize("work", FREE.values(), ids=FREE)
def test_views_and_allocations_are_free(work):
    tally = count(lambda: work(torch.randn(SHAPE)))
    assert not tally.elementwise
    assert not tally.uncounted
    assert tally.elements == 0
    assert tally.coverage == 1.0


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.ReLU(), "relu"),
        (nn.Softmax(1), "softmax"),
        (nn.Sigmoid(), "activation"),
        (nn.MaxPool2d(2), "pool"),
        (nn.GroupNorm(2, 4), "group_norm"),
        (nn.BatchNorm2d(4), "batch_norm"),
    ],
    ids=str,
)
def test_backward_counts_its_kind_once_more(layer, kind):
    x = torch.randn(SHAPE, requires_grad=True)
    tally = count_training(layer, x)
    assert tally.elementwise[kind] == 2 * ELEMENTS
    assert not tally.uncounted
