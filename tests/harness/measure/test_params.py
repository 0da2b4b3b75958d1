"""Parameters: each tensor once, buffers apart, bytes in the case's dtype."""

import pytest
from made_jobs import made_job
from torch import nn

from harness.measure.operations import count_params, measure_params


def test_shared_weight_counts_once_and_buffers_apart():
    figures = measure_params(made_job("Tied"))
    params = 3 * 3 + 2 * 3  # the one weight; scale and shift of the norm
    assert figures == {
        "params": params,
        "frozen_params": 0,
        "param_bytes": 4 * params,
        "buffer_bytes": 2 * 3 * 4 + 8,  # running mean and variance, batches seen
    }


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4), ("bfloat16", 2)])
def test_bytes_follow_the_dtype(dtype, size):
    figures = measure_params(made_job("SharedReLU", dtype=dtype))
    assert figures["params"] == (3 * 8 + 8) + (8 * 4 + 4)
    assert figures["param_bytes"] == size * figures["params"]


def test_frozen_parameters_count_and_are_told_apart():
    module = nn.Sequential(nn.Linear(3, 2).requires_grad_(False), nn.Linear(2, 5))
    figures = count_params(module)
    assert (figures["params"], figures["frozen_params"]) == (8 + 15, 8)


def test_module_that_reads_values_in_its_constructor():
    """`[rate.item() for rate in torch.linspace(...)]` cannot run on fake tensors."""
    assert measure_params(made_job("ReadsInConstructor"))["params"] == 3 * 4 + 4


def test_module_that_is_too_large_for_memory():
    """Counted on fake tensors: this convolution alone would take 144 GB."""
    figures = measure_params(made_job("base_oc", (1, 2**23, 4, 4)))
    assert figures["params"] > 2**23 * 512 * 9
