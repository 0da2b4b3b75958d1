import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from context_modules.efficient_attention import EfficientAttention, EfficientAttentionHead


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@torch.no_grad()
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_the_quadratic_order_of_its_product(heads):
    """(softmax(Q) softmax(K)^T) V: the N x N table that the paper's order of products avoids."""
    torch.manual_seed(0)
    module = EfficientAttention(6, key_channels=4, value_channels=8, heads=heads).double()
    x = random_map(2, 6, 3, 5)
    query, key, value = (
        layer(x).flatten(2).chunk(heads, dim=1)
        for layer in (module.query, module.key, module.value)
    )
    contexts = []
    for q, k, v in zip(query, key, value, strict=True):
        table = q.softmax(1).transpose(1, 2) @ k.softmax(2)  # (B, N, N)
        torch.testing.assert_close(table.sum(-1), torch.ones(2, 15).double())
        contexts.append(v @ table.transpose(1, 2))
    context = torch.cat(contexts, 1).view(2, 8, 3, 5)
    torch.testing.assert_close(module(x), module.output(context) + x)


@torch.no_grad()
def test_is_linear_in_the_positions():
    module = EfficientAttention(8)

    def flops(side):
        with FlopCounterMode(display=False) as counter:
            module(torch.zeros(1, 8, side, side))
        return counter.get_total_flops()

    assert flops(16) == 4 * flops(8)


@torch.no_grad()
def test_head_is_reduction_and_attention():
    torch.manual_seed(0)
    module = EfficientAttentionHead(6, out_channels=4).double().eval()
    x = random_map(2, 6, 5, 4)
    torch.testing.assert_close(module(x), module.context(module.reduce(x)))
