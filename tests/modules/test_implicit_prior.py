"""A Context Prior Layer and its loss without the prior map, against those that hold it."""

import copy

import pytest
import torch

from context_modules import implicit_prior as module
from context_modules.affinity_loss import AffinityLoss
from context_modules.context_prior import ContextPriorLayer
from context_modules.fused_affinity_loss import FusedAffinityLoss

SIZE = (5, 7)
NEAR = {"rtol": 0, "atol": 1e-12}


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def both_kernels(branches="both", form="published", *, train=False):
    torch.manual_seed(0)
    layer = ContextPriorLayer(
        3, input_size=SIZE, out_channels=5, context_channels=4, kernel_size=3, branches=branches,
        form=form,
    )  # fmt: skip
    for buffer in layer.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    explicit = layer.double().train(train)
    fused = copy.deepcopy(explicit)
    fused.kernel = "fused"
    return explicit, fused


def same_gradients(explicit, fused):
    for (name, one), other in zip(explicit.named_parameters(), fused.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, **NEAR, msg=name)


@pytest.fixture(params=[50, 500, 10**6])
def block(request, monkeypatch):
    """A row, a few that do not divide the map, and all rows at a time."""
    monkeypatch.setattr(module, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("branches", ["both", "intra", "inter"])
@pytest.mark.parametrize("form", ["published", "exact"])
def test_the_layer_and_its_gradients(branches, form, train):
    explicit, fused = both_kernels(branches, form, train=train)
    inputs = [random_map(2, 3, *SIZE).requires_grad_() for _ in range(2)]
    expected, actual = explicit(inputs[0]), fused(inputs[1])
    torch.testing.assert_close(actual, expected, **NEAR)
    for out in (expected, actual):
        out.backward(random_map(*expected.shape, seed=2))
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, **NEAR)
    same_gradients(explicit, fused)
    for (name, one), other in zip(explicit.named_buffers(), fused.named_buffers(), strict=True):
        torch.testing.assert_close(other[1], one, **NEAR, msg=name)


def labels_with_void():
    labels = torch.randint(3, (2, *SIZE), generator=torch.Generator().manual_seed(3))
    labels[0, 1:3] = 255
    labels[1, 0, 0] = 7  # a class of one pixel
    return labels


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    "arguments",
    [{}, {"diagonal": False}, {"global_weight": 0.3, "unary_weight": 2.0}, {"form": "released"}],
)
@pytest.mark.parametrize("labels", [labels_with_void(), torch.full((2, *SIZE), 255)])
def test_the_loss_and_its_gradients(arguments, labels):
    explicit, fused = both_kernels(train=True)
    x = random_map(2, 3, *SIZE)
    _, prior = explicit.forward_with_prior(x)
    _, implicit = fused.implicit_forward(x)
    expected = AffinityLoss(**arguments)(prior, labels)
    actual = FusedAffinityLoss(**arguments)(implicit, labels)
    torch.testing.assert_close(actual, expected, **NEAR)
    for loss in (expected, actual):
        loss.backward()
    torch.testing.assert_close(
        fused.predict_prior[0].weight.grad, explicit.predict_prior[0].weight.grad, **NEAR
    )
    first = "aggregate.reduce.0.weight"
    torch.testing.assert_close(
        fused.get_parameter(first).grad, explicit.get_parameter(first).grad, **NEAR
    )


def test_a_map_is_taken_as_the_other_loss_takes_it():
    explicit, _ = both_kernels()
    _, prior = explicit.forward_with_prior(random_map(2, 3, *SIZE))
    labels = labels_with_void()
    assert torch.equal(FusedAffinityLoss()(prior, labels), AffinityLoss()(prior, labels))


def test_labels_of_another_map_are_refused():
    _, fused = both_kernels()
    _, implicit = fused.implicit_forward(random_map(2, 3, *SIZE))
    with pytest.raises(ValueError, match="downsample_labels"):
        FusedAffinityLoss()(implicit, torch.zeros(2, 3, 3, dtype=torch.long))


def test_statistics_are_of_float32_where_the_pass_is_of_half_precision():
    _, layer = both_kernels(train=True)
    layer.float()
    norm = layer.predict_prior[1]
    norm.momentum = 1.0  # what it remembers is what this batch has
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, prior = layer.implicit_forward(random_map(4, 3, *SIZE).float())
    assert out.isfinite().all()
    rows = prior.features.double().flatten(0, 1)
    expected = rows @ layer.predict_prior[0].weight.double().flatten(1).T
    torch.testing.assert_close(norm.running_var.double(), expected.var(dim=0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        norm.running_mean.double(), expected.mean(dim=0), rtol=1e-4, atol=1e-6
    )
