import pytest
import torch

from context_modules.dual_attention import ChannelAttention, DANet, PositionAttention


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@torch.no_grad()
def test_position_attention_equals_its_equations():
    torch.manual_seed(0)
    module = PositionAttention(8, key_channels=3).double()
    module.gamma.fill_(0.7)
    x = random_map(1, 8, 3, 4)
    b, c, d = (layer(x)[0].flatten(1) for layer in (module.query, module.key, module.value))
    expected = x[0].flatten(1).clone()
    for j in range(12):
        logits = torch.stack([b[:, j] @ c[:, i] for i in range(12)])
        weights = logits.exp() / logits.exp().sum()  # Eq. 1, not scaled
        expected[:, j] += 0.7 * sum(weights[i] * d[:, i] for i in range(12))  # Eq. 2
    torch.testing.assert_close(module(x)[0].flatten(1), expected)


@torch.no_grad()
@pytest.mark.parametrize(("affinity", "sign"), [("similarity", 1.0), ("dissimilarity", -1.0)])
def test_channel_attention_equals_its_equations(affinity, sign):
    module = ChannelAttention(5, affinity=affinity).double()
    module.gamma.fill_(-1.3)
    x = random_map(1, 5, 2, 3)
    a = x[0].flatten(1)
    expected = a.clone()
    for j in range(5):
        logits = sign * torch.stack([a[i] @ a[j] for i in range(5)])
        weights = logits.exp() / logits.exp().sum()  # Eq. 3
        expected[j] += -1.3 * sum(weights[i] * a[i] for i in range(5))  # Eq. 4
    torch.testing.assert_close(module(x)[0].flatten(1), expected)


@torch.no_grad()
@pytest.mark.parametrize("module", [PositionAttention(8), ChannelAttention(8)])
def test_starts_as_the_identity(module):
    x = random_map(2, 8, 4, 5)
    torch.testing.assert_close(module.double()(x), x, rtol=0, atol=0)


@torch.no_grad()
def test_head_sums_its_branches():
    torch.manual_seed(0)
    module = DANet(6, out_channels=8).double().eval()
    x = random_map(2, 6, 5, 4)
    torch.testing.assert_close(module(x), module.position(x) + module.channel(x))
    assert module.position[1].query.out_channels == 1  # an eighth


@torch.no_grad()
def test_channel_attention_survives_large_maps():
    torch.manual_seed(0)
    module = ChannelAttention(4)
    module.gamma.fill_(1.0)
    assert module(100 * torch.randn(1, 4, 30, 30)).isfinite().all()
