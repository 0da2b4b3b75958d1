import math

import pytest
import torch

from context_modules.compact_generalized import CGNL, CompactGeneralizedNonLocal


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(module, x, kernel, groups):
    """Attention over the table between all positions and channels of a group."""
    theta, phi, g = (
        layer(x).reshape(x.shape[0], groups, -1) for layer in (module.theta, module.phi, module.g)
    )
    table = kernel(theta.unsqueeze(-1) * phi.unsqueeze(-2))  # (B, groups, entries, entries)
    y = (table @ g.unsqueeze(-1)).reshape(x.shape[0], -1, *x.shape[-2:])
    return module.norm(module.z(y)) + x


@torch.no_grad()
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("channels", [8, 4])
def test_dot_equals_the_dense_table(groups, channels):
    torch.manual_seed(0)
    module = CompactGeneralizedNonLocal(8, channels=channels, groups=groups).double()
    x = random_map(2, 8, 3, 5)
    torch.testing.assert_close(module(x), dense(module, x, lambda product: product, groups))


@torch.no_grad()
@pytest.mark.parametrize("groups", [1, 2])
def test_scaled_divides_by_the_root_of_the_number_of_entries(groups):
    torch.manual_seed(0)
    module = CompactGeneralizedNonLocal(8, groups=groups, scaled=True).double()
    x = random_map(2, 8, 3, 5)
    length = 8 // groups * 15
    expected = dense(module, x, lambda product: product / math.sqrt(length), groups)
    torch.testing.assert_close(module(x), expected)
    head = CGNL(4, out_channels=8, groups=groups, scaled=True)
    assert head.context.scaled


@torch.no_grad()
def test_rbf_series_converges_to_its_kernel():
    gamma = 0.3
    torch.manual_seed(0)
    module = CompactGeneralizedNonLocal(4, affinity="rbf", order=12, gamma=gamma).double()
    x = random_map(2, 4, 3, 2)

    def kernel(product):
        return math.exp(-2 * gamma) * (2 * gamma * product).exp()

    torch.testing.assert_close(module(x), dense(module, x, kernel, 1))
    short = CompactGeneralizedNonLocal(4, affinity="rbf", order=1, gamma=gamma).double()
    short.load_state_dict(module.state_dict())
    first = math.exp(-2 * gamma)
    expected = dense(module, x, lambda product: first * (1 + 2 * gamma * product), 1)
    torch.testing.assert_close(short(x), expected)


def test_output_groups():
    def weights(**arguments):
        return CompactGeneralizedNonLocal(8, **arguments).z.weight.shape[:2]

    assert weights() == (8, 8)
    assert weights(groups=2) == (8, 4)
    assert weights(output_groups=8) == (8, 1)
    assert weights(channels=4, output_groups=1) == (8, 4)


@torch.no_grad()
def test_head_equals_its_row():
    torch.manual_seed(0)
    module = CGNL(6, out_channels=8, output_groups=8).double().eval()
    x = random_map(2, 6, 5, 4)
    torch.testing.assert_close(module(x), module.fuse(module.context(module.reduce(x))))
