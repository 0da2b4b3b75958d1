"""Live peak: sequences whose storages can be summed by hand, on fake and on real tensors."""

import contextlib
import gc
from dataclasses import replace

import pytest
import torch
from made_jobs import made_job
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.measure.memory import LivePeak, live_peak, measure_memory
from harness.measure.subject import fake_subject, real_subject

SIDE = 32
MAP = SIDE * SIDE * 4  # bytes


@pytest.fixture(params=["fake", "real"])
def x(request):
    """A matrix that no peak counts."""
    with FakeTensorMode() if request.param == "fake" else contextlib.nullcontext():
        yield torch.randn(SIDE, SIDE)


def followed(work, *ignored):
    """Peak and bytes still alive after everything that `work` made is gone."""
    with LivePeak(ignored) as mode, torch.no_grad():
        work()
    gc.collect()
    return mode.peak_bytes, mode.live_bytes


def test_deletions_in_a_chain_lower_the_peak(x):
    def kept():
        a = x @ x
        b = a @ x
        return b @ a

    def deleted():
        a = x @ x
        b = a @ x
        del a
        return b @ x

    assert followed(kept, x) == (3 * MAP, 0)
    assert followed(deleted, x) == (2 * MAP, 0)


def test_input_that_is_not_ignored_counts_once_it_is_returned(x):
    assert followed(lambda: x.add_(1)) == (MAP, MAP)
    assert followed(lambda: x.add_(1), x) == (0, 0)


def test_in_place_work_needs_no_storage(x):
    assert followed(lambda: (x + 1).relu_().mul_(2), x) == (MAP, 0)
    assert followed(lambda: (x + 1).relu().mul(2), x) == (2 * MAP, 0)


def test_views_share_their_storage(x):
    def work():
        y = x + 1
        return y.view(-1), y.t(), y[3:5], y.expand(7, SIDE, SIDE)

    assert followed(work, x) == (MAP, 0)


def test_view_keeps_the_whole_storage_alive(x):
    def work():
        row = (x + 1)[0]
        return row, x + 2

    assert followed(work, x) == (2 * MAP, 0)


def test_resize_is_seen(x):
    def work():
        y = x + 1
        y.resize_(3, SIDE, SIDE)
        return y

    assert followed(work, x) == (3 * MAP, 0)


def test_several_outputs_count(x):
    """Values of 4 bytes and indices of 8."""
    assert followed(x.sort, x) == (3 * MAP, 0)


def test_live_bytes_follow_what_is_held(x):
    with LivePeak([x]) as mode:
        a = x + 1
        b = a + 1
        assert mode.live_bytes == 2 * MAP
        del a
        assert mode.live_bytes == MAP
        del b
        assert mode.live_bytes == 0


def test_two_views_of_an_ignored_tensor_cost_nothing(x):
    assert followed(lambda: (x.t(), x[1:]), x) == (0, 0)


def test_training_peak_holds_activations_and_gradients(x):
    weight = torch.randn_like(x).requires_grad_()

    def step():
        # Output, its sum and the sum's gradient (4 bytes each), that gradient written out for the
        # product, and the gradient of the weight.
        y = x @ weight
        y.sum().backward()
        return y

    with LivePeak((x, weight)) as mode:
        step()
    assert mode.peak_bytes == 3 * MAP + 2 * 4
    assert mode.live_bytes == MAP
    weight.grad = None
    assert mode.live_bytes == 0


def test_what_only_pytorch_holds_is_written_into(x):
    """The bias of a linear layer, where the layer adds it apart; not a sum that a user writes."""
    y, bias = torch.ones_like(x)[None].transpose(0, 1), torch.ones_like(x[0])
    linear = torch.nn.functional.linear
    assert followed(lambda: linear(y, x, bias), x, y, bias) == (MAP, 0)
    assert followed(lambda: y @ x + bias, x, y, bias) == (2 * MAP, 0)


def test_gradients_that_meet_are_added_in_place(x):
    def step():
        y = x * 2
        (y.sin() + y.cos()).sum().backward()

    x.requires_grad_()
    with LivePeak((x,)) as mode:
        step()
    # y, its sine and cosine, their sum: then the two gradients of y in place of those.
    assert mode.peak_bytes <= 4 * MAP + 2 * 4


def test_sparse_tensors_count_their_indices_and_values():
    eye = torch.eye(SIDE)
    peak, left = followed(eye.to_sparse, eye)
    assert peak >= SIDE * (2 * 8 + 4)
    assert left == 0
    assert measure_memory(made_job("Sparse"))["live_peak_bytes"] > 0


@pytest.mark.parametrize("pass_", ["inference", "training"])
@pytest.mark.parametrize("module", ["ppm", "base_oc", "danet", "efficient_attention", "SharedReLU"])
def test_prediction_equals_a_real_pass(module, pass_):
    shape = (2, 3, 16, 16) if module[0].isupper() else (1, 32, 15, 9)
    job = made_job(module, shape, pass_=pass_)
    with fake_subject(job.case, job.search_path) as fake:
        predicted = live_peak(fake)
    assert predicted == live_peak(real_subject(job.case, 0, job.search_path))
    assert predicted > 0


def test_what_kernels_of_the_cpu_take_within_an_operator_is_not_foretold_of_a_gpu():
    """Upsampling a map whose channels lie apart copies it and its result on the CPU alone."""
    job = made_job("ppm", (1, 8, 12, 12))
    upsampled = {}
    for device in ("cpu", "cuda"):
        case = replace(job.case, device=device)
        with fake_subject(case) as subject:
            layer = nn.Upsample(scale_factor=2, mode="bilinear")
            upsampled[device] = live_peak(replace(subject, module=layer))
    x, out = 8 * 12 * 12 * 4, 8 * 24 * 24 * 4
    assert upsampled == {"cpu": out + x + out, "cuda": out}


def test_measured_memory_of_a_convolution():
    """The output in inference; output and gradients of input and parameters in training."""
    figures = measure_memory(made_job("Branching", (1, 3, 16, 16)))
    out, x = 4 * 256 * 4, 3 * 256 * 4
    assert figures["input_bytes"] == x
    # x * x while its sum is taken is smaller than the convolution's output.
    assert figures["live_peak_bytes"] == max(out, x + 4)
    assert figures["live_peak_training_bytes"] >= out + x + (3 * 4 + 4) * 4


def test_half_precision_halves_inputs_and_peak():
    full = measure_memory(made_job("ppm", (1, 32, 12, 12)))
    half = measure_memory(made_job("ppm", (1, 32, 12, 12), dtype="bfloat16"))
    assert 2 * half["input_bytes"] == full["input_bytes"]
    assert 2 * half["live_peak_bytes"] == full["live_peak_bytes"]


def test_no_backward_is_a_warning_in_inference_and_an_error_in_training():
    figures = measure_memory(made_job("Indices"))
    assert figures["live_peak_training_bytes"] is None
    assert figures["live_peak_bytes"] == 2 * 256 * 8
    assert "nothing to train" in figures["warnings"][0]
    with pytest.raises(TypeError, match="nothing to train"):
        measure_memory(made_job("Indices", pass_="training"))


def test_peak_of_a_module_alone_is_the_largest_sum_of_its_steps():
    # At the second layer: the first output, the second output.
    module = nn.Sequential(nn.Linear(8, 64), nn.Linear(64, 16)).requires_grad_(False)
    x = torch.randn(10, 8)
    assert followed(lambda: module(x), x, *module.parameters()) == (10 * (64 + 16) * 4, 0)
