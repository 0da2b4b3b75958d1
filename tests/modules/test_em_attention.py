import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.em_attention import EMAU, expectation, maximization


def reference_iterations(features, bases, iterations):
    """A_E and A_M of the paper for one image, sum by sum: (N, C), (K, C) -> (N, K), (K, C)."""
    positions, count = features.shape[0], bases.shape[0]
    for _ in range(iterations):
        kernel = torch.stack(
            [
                torch.stack([torch.exp(features[n] @ bases[k]) for k in range(count)])
                for n in range(positions)
            ]
        )
        z = kernel / kernel.sum(1, keepdim=True)
        means = [
            sum(z[n, k] * features[n] for n in range(positions)) / z[:, k].sum()
            for k in range(count)
        ]
        bases = torch.stack([mean / mean.norm() for mean in means])
    return z, bases


def unit(channels=6, **arguments):
    torch.manual_seed(0)
    return EMAU(channels, num_bases=4, **arguments).double()


@pytest.mark.parametrize("iterations", [1, 3])
def test_is_the_papers_equations(iterations):
    block = unit(iterations=iterations).eval()
    x = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    expected = torch.empty_like(x)
    embedded = block.embed(x)
    for b in range(2):
        z, bases = reference_iterations(embedded[b].flatten(1).T, block.bases, iterations)
        reconstructed = (z @ bases).T.reshape(1, 6, 3, 4)
        expected[b] = (x[b] + block.project(reconstructed.clamp(min=0))[0]).clamp(min=0)
    torch.testing.assert_close(block(x), expected)


@settings(deadline=None, max_examples=20)
@given(
    positions=st.integers(1, 12),
    bases=st.integers(1, 6),
    channels=st.integers(1, 6),
    scale=st.floats(0.01, 100.0),
    seed=st.integers(0, 2**16),
)
def test_responsibilities_sum_to_one_and_bases_have_unit_length(
    positions, bases, channels, scale, seed
):
    torch.manual_seed(seed)
    block = EMAU(channels, num_bases=bases).double()
    features = scale * torch.randn(2, positions, channels, dtype=torch.float64)
    responsibilities, found = block.expectation_maximization(features)
    assert responsibilities.shape == (2, positions, bases)
    assert (responsibilities >= 0).all()
    torch.testing.assert_close(
        responsibilities.sum(2), torch.ones(2, positions, dtype=torch.float64)
    )
    # A base that no position belongs to may vanish; every other has unit length.
    taken = responsibilities.sum(1) > 1e-6
    lengths = found.norm(dim=2)
    torch.testing.assert_close(lengths[taken], torch.ones_like(lengths[taken]))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**16), st.floats(0.1, 10.0))
def test_every_iteration_raises_the_likelihood(seed, scale):
    # With unit bases A_M maximises sum z_nk x_n^T mu_k exactly, so that the guarantee of EM holds.
    torch.manual_seed(seed)
    features = scale * torch.randn(1, 30, 5, dtype=torch.float64)
    bases = torch.nn.functional.normalize(torch.randn(1, 4, 5, dtype=torch.float64), dim=2)

    def likelihood():
        return torch.logsumexp(features @ bases.transpose(1, 2), dim=2).sum()

    before = likelihood()
    for _ in range(5):
        bases = maximization(features, expectation(features, bases))
        after = likelihood()
        assert after >= before - 1e-9 * before.abs()
        before = after


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_bases_follow_the_moving_average_in_training_only(momentum):
    block = unit(momentum=momentum)
    x = torch.randn(3, 6, 4, 5, dtype=torch.float64)
    start = block.bases.clone()
    _, found = block.expectation_maximization(block.embed(x).flatten(2).transpose(1, 2))
    assert torch.equal(block.bases, start)

    block.eval()(x)
    assert torch.equal(block.bases, start)

    block.train()(x)
    expected = momentum * start + (1 - momentum) * found.mean(0)
    torch.testing.assert_close(block.bases, expected)
    assert "bases" in block.state_dict()
    assert "bases" not in dict(block.named_parameters())


def test_published_gradients_stop_at_the_iterations():
    block = unit()
    features = torch.randn(2, 8, 6, dtype=torch.float64, requires_grad=True)
    assert not any(t.requires_grad for t in block.expectation_maximization(features))

    x = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    block(x).sum().backward()
    assert not block.embed.weight.requires_grad
    assert block.embed.weight.grad is None
    assert block.project[0].weight.grad.abs().sum() > 0


def test_gradients_through_the_last_responsibilities():
    block = unit(gradient="responsibilities")
    features = torch.randn(1, 8, 6, dtype=torch.float64, requires_grad=True)
    responsibilities, bases = block.expectation_maximization(features)
    assert not bases.requires_grad
    (gradient,) = torch.autograd.grad(responsibilities.square().sum(), features)

    constant = block.bases[None]
    with torch.no_grad():
        for _ in range(2):
            constant = maximization(features, expectation(features, constant))
    (expected,) = torch.autograd.grad(expectation(features, constant).square().sum(), features)
    torch.testing.assert_close(gradient, expected)


def test_unrolled_gradients_are_those_of_the_whole_iteration():
    block = unit(gradient="unrolled")
    features = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block.expectation_maximization, features)


@pytest.mark.parametrize("gradient", ["responsibilities", "unrolled"])
def test_training_the_first_convolution(gradient):
    # The moving average changes the bases between the forward and the backward pass.
    block = unit(gradient=gradient)
    x = torch.randn(2, 6, 3, 5, dtype=torch.float64)
    block(x).square().sum().backward()
    assert block.embed.weight.grad.abs().sum() > 0


def test_gradient_of_the_unit():
    block = unit(gradient="unrolled").eval()
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, x)


def test_is_silent_under_no_grad():
    block = unit(gradient="unrolled").eval()
    with torch.no_grad():
        assert not block(torch.randn(1, 6, 2, 2, dtype=torch.float64)).requires_grad


@pytest.mark.parametrize("gradient", ["none", "responsibilities", "unrolled"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(9, 5), (4, 8)])
def test_trains_in_every_type_and_size(gradient, dtype, size):
    torch.manual_seed(0)
    block = EMAU(16, num_bases=8, gradient=gradient).to(dtype)
    x = torch.randn(2, 16, *size, dtype=dtype, requires_grad=True)
    out = block(x)
    assert out.shape == x.shape
    assert out.dtype == dtype
    out.square().mean().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in block.parameters() if p.requires_grad)
    assert block.bases.isfinite().all()


def test_a_black_image_leaves_everything_finite():
    block = EMAU(8).to(torch.bfloat16)
    torch.nn.init.zeros_(block.embed.bias)
    out = block(torch.zeros(2, 8, 3, 3, dtype=torch.bfloat16))
    assert out.isfinite().all()
    assert block.bases.isfinite().all()


def test_leaves_its_input_alone():
    block = unit()
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    before = copy.deepcopy(x)
    block(x)
    assert torch.equal(x, before)


def test_costs_of_srnet_table_3():
    with FakeTensorMode(), torch.no_grad():
        block = EMAU(512).eval()
        with FlopCounterMode(display=False) as counter:
            block(torch.empty(1, 512, 96, 96))
    positions = 96 * 96
    assert counter.get_total_flops() == 2 * positions * (2 * 512 * 512 + 7 * 64 * 512)
    assert sum(p.numel() for p in block.parameters()) == 2 * 512 * 512 + 512 + 2 * 512


@pytest.mark.parametrize(
    "arguments", [{"num_bases": 0}, {"iterations": 0}, {"momentum": 1.5}, {"gradient": "some"}]
)
def test_names_a_wrong_argument(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        EMAU(8, **arguments)
