import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.squeeze_excitation import SqueezeExcitation


@pytest.mark.parametrize("bias", [False, True])
def test_is_the_papers_equations(bias):
    torch.manual_seed(0)
    block = SqueezeExcitation(12, reduction=4, bias=bias).double()
    x = torch.randn(2, 12, 5, 7, dtype=torch.float64)
    expected = torch.empty_like(x)
    w1, w2 = block.reduce.weight, block.expand.weight
    b1 = block.reduce.bias if bias else torch.zeros(3, dtype=torch.float64)
    b2 = block.expand.bias if bias else torch.zeros(12, dtype=torch.float64)
    for b in range(2):
        z = torch.stack([x[b, c].sum() / 35 for c in range(12)])  # Eq. 2
        s = 1 / (1 + torch.exp(-(w2 @ (w1 @ z + b1).clamp(min=0) + b2)))  # Eq. 3
        for c in range(12):
            expected[b, c] = s[c] * x[b, c]  # Eq. 4
    torch.testing.assert_close(block(x), expected)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**16))
def test_knows_no_positions(height, width, seed):
    torch.manual_seed(seed)
    block = SqueezeExcitation(8, reduction=2).double()
    x = torch.randn(2, 8, height, width, dtype=torch.float64)
    order = torch.randperm(height * width)

    def shuffle(maps):
        return maps.flatten(2)[:, :, order].reshape(maps.shape)

    torch.testing.assert_close(block(shuffle(x)), shuffle(block(x)))


def test_an_indifferent_gate_halves_the_map():
    block = SqueezeExcitation(8, reduction=2)
    torch.nn.init.zeros_(block.expand.weight)
    x = torch.randn(1, 8, 3, 3)
    torch.testing.assert_close(block(x), x / 2)


def test_gradients():
    torch.manual_seed(0)
    block = SqueezeExcitation(6, reduction=2, bias=True).double()
    x = torch.randn(2, 6, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(9, 5), (4, 8), (1, 1)])
def test_trains_in_every_type_and_size(dtype, size):
    torch.manual_seed(0)
    block = SqueezeExcitation(32).to(dtype)
    x = torch.randn(2, 32, *size, dtype=dtype, requires_grad=True)
    out = block(x)
    assert out.shape == x.shape
    assert out.dtype == dtype
    out.square().mean().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_costs_of_srnet_table_3():
    with FakeTensorMode(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        block = SqueezeExcitation(512)
        block(torch.empty(1, 512, 96, 96))
    assert counter.get_total_flops() == 2 * 2 * 512 * 32
    assert sum(p.numel() for p in block.parameters()) == 2 * 512 * 32
    assert sum(p.numel() for p in SqueezeExcitation(512, bias=True).parameters()) == 33_312


@pytest.mark.parametrize("reduction", [0, -1, 9])
def test_refuses_a_bottleneck_without_channels(reduction):
    with pytest.raises(ValueError, match="reduction"):
        SqueezeExcitation(8, reduction=reduction)
