"""Bytes moved by operators, against what their definition must read and write."""

import pytest
import torch
from made_jobs import made_job
from torch import nn

from harness.measure.operations import OperatorCounter, measure_operations


def moved(run, *tensors):
    counter = OperatorCounter()
    with torch.no_grad(), counter:
        run(*tensors)
    return counter.total().bytes_moved


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("run", "tensors", "expected"),
    [
        (lambda a, b: a + b, (zeros(8, 16), zeros(8, 16)), 3 * 128 * 4),
        (lambda a: a + a, (zeros(8, 16),), 2 * 128 * 4),  # one tensor is read once
        (lambda a: a.relu_(), (zeros(8, 16),), 2 * 128 * 4),
        (lambda a, b: a.copy_(b), (zeros(128), zeros(128)), 2 * 128 * 4),
        (lambda a, b: a @ b, (zeros(8, 16), zeros(16, 4)), (128 + 64 + 32) * 4),
        (lambda a, b: a @ b, (zeros(8, 16, dtype=torch.bfloat16),
                              zeros(16, 4, dtype=torch.bfloat16)), (128 + 64 + 32) * 2),
        # Broadcast: what is stored is read, not what it stands for.
        (lambda a, b: a * b.expand(8, 16), (zeros(8, 16), zeros(8, 1)), (128 + 8 + 128) * 4),
        (lambda a: a.view(16, 8).transpose(0, 1)[2:], (zeros(8, 16),), 0),
        (torch.empty_like, (zeros(8, 16),), 0),
        # Selecting two of a thousand rows reads two.
        (lambda a, i: a.index_select(0, i), (zeros(1000, 4), torch.tensor([3, 5])), 16 * 4 + 16),
        (lambda a: a.sum(), (zeros(128),), 129 * 4),
        (lambda a: torch.cat([a, a]), (zeros(128),), (128 + 256) * 4),
    ],
)  # fmt: skip
def test_what_is_read_and_written(run, tensors, expected):
    assert moved(run, *tensors) == expected


def test_a_convolution_reads_input_and_weights_and_writes_its_output():
    layer = nn.Conv2d(3, 5, 3, padding=1)
    x = zeros(2, 3, 7, 9)
    parameters = sum(p.numel() for p in layer.parameters())
    assert moved(layer, x) == (x.numel() + parameters + 2 * 5 * 7 * 9) * 4


def test_fused_attention_moves_less_than_explicit_attention():
    q, k, v = (zeros(1, 2, 64, 8) for _ in range(3))
    fused = moved(torch.nn.functional.scaled_dot_product_attention, q, k, v)
    explicit = moved(lambda q, k, v: (q @ k.transpose(-1, -2)).softmax(-1) @ v, q, k, v)
    least = 4 * q.numel() * 4
    assert least <= fused < least + 2 * 64 * 4 + 64  # and the statistics of its softmax
    assert explicit >= least + 4 * 2 * 64 * 64 * 4  # the relation, written and read twice


def test_the_row_of_a_case_has_them_and_they_follow_the_data_type():
    job = made_job("self_attention", (1, 16, 8, 8))
    figures = measure_operations(job)
    assert isinstance(figures["bytes_moved"], int)
    # Inputs are read and outputs written at least once.
    assert figures["bytes_moved"] > 2 * 16 * 64 * 4
    wide = measure_operations(made_job("self_attention", (1, 16, 8, 8), dtype="float64"))
    assert wide["bytes_moved"] == 2 * figures["bytes_moved"]
