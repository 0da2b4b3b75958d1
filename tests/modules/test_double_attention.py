import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.double_attention import DoubleAttention

TABLE_3 = {"feature_channels": 256, "descriptors": 256, "norm": True, "gamma": True}


def relation_form(block, x, over=1):
    """phi [softmax(theta)^T softmax(rho)]: the same product with an N x N matrix in the middle."""
    features, attention, vectors = (
        convolve(x).flatten(2) for convolve in (block.phi, block.theta, block.rho)
    )
    attention = attention.exp() / attention.exp().sum(2, keepdim=True)  # over positions
    vectors = vectors.exp() / vectors.exp().sum(over, keepdim=True)  # 1: over descriptors
    relation = torch.einsum("bni,bnj->bij", attention, vectors)
    return torch.einsum("bmi,bij->bmj", features, relation).reshape(x.shape[0], -1, *x.shape[2:])


@settings(deadline=None, max_examples=20)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    norm=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_equals_attention_with_a_relation_matrix(size, widths, norm, seed):
    torch.manual_seed(seed)
    block = DoubleAttention(6, feature_channels=widths[0], descriptors=widths[1], norm=norm)
    block = block.double().eval()
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    torch.testing.assert_close(block.distribute(x, block.gather(x)), relation_form(block, x))
    torch.testing.assert_close(block(x), x + block.expand(relation_form(block, x)))


def test_distribution_over_positions():
    torch.manual_seed(0)
    block = DoubleAttention(6, distribution="positions").double()
    x = torch.randn(2, 6, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(block(x), x + block.expand(relation_form(block, x, over=2)))
    with pytest.raises(ValueError, match="distribution"):
        DoubleAttention(8, distribution="channels")


def test_both_attentions_are_averages():
    block = DoubleAttention(8, feature_channels=3, descriptors=4)
    torch.nn.init.zeros_(block.phi.weight)
    with torch.no_grad():
        block.phi.bias.copy_(torch.tensor([1.0, -2.0, 0.5]))
    x = torch.randn(2, 8, 5, 3)
    gathered = block.gather(x)
    constant = block.phi.bias[None, :, None]
    torch.testing.assert_close(gathered, constant.expand(2, 3, 4))
    torch.testing.assert_close(
        block.distribute(x, gathered), constant[..., None].expand(2, 3, 5, 3)
    )


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**16))
def test_is_equivariant_to_the_order_of_positions(seed):
    torch.manual_seed(seed)
    block = DoubleAttention(8).double()
    x = torch.randn(1, 8, 3, 5, dtype=torch.float64)
    order = torch.randperm(15)

    def shuffle(maps):
        return maps.flatten(2)[:, :, order].reshape(maps.shape)

    torch.testing.assert_close(block(shuffle(x)), shuffle(block(x)))


def test_gamma_starts_as_the_identity_and_weighs_the_block():
    torch.manual_seed(0)
    block = DoubleAttention(8, gamma=True).double()
    x = torch.randn(2, 8, 4, 3, dtype=torch.float64)
    assert torch.equal(block(x), x)
    with torch.no_grad():
        block.gamma.fill_(2.5)
    torch.testing.assert_close(block(x), x + 2.5 * block.expand(relation_form(block, x)))


@pytest.mark.parametrize("norm", [False, True])
def test_gradients(norm):
    torch.manual_seed(1)
    block = DoubleAttention(4, feature_channels=2, descriptors=3, norm=norm, gamma=True).double()
    torch.nn.init.ones_(block.gamma)
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(9, 5), (4, 8)])
@pytest.mark.parametrize("norm", [False, True])
def test_trains_in_every_type_and_size(dtype, size, norm):
    torch.manual_seed(0)
    block = DoubleAttention(16, norm=norm).to(dtype)
    x = torch.randn(2, 16, *size, dtype=dtype, requires_grad=True)
    out = block(x)
    assert out.shape == x.shape
    assert out.dtype == dtype
    out.square().mean().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_costs_of_srnet_table_3():
    with FakeTensorMode(), torch.no_grad():
        block = DoubleAttention(512, **TABLE_3).eval()
        with FlopCounterMode(display=False) as counter:
            block(torch.empty(1, 512, 96, 96))
    positions = 96 * 96
    assert counter.get_total_flops() == 2 * positions * (4 * 512 * 256 + 2 * 256 * 256)
    assert sum(p.numel() for p in block.parameters()) == 4 * 512 * 256 + 2 * (3 * 256 + 512) + 1


def test_defaults_to_a_quarter_of_the_channels():
    block = DoubleAttention(32)
    assert block.gather(torch.randn(1, 32, 2, 2)).shape == (1, 8, 8)


@pytest.mark.parametrize("arguments", [{"feature_channels": 0}, {"descriptors": -1}])
def test_names_a_wrong_width(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        DoubleAttention(8, **arguments)


def test_refuses_too_few_channels_for_the_default():
    with pytest.raises(ValueError, match="feature_channels"):
        DoubleAttention(3)
