"""The non-local block against Wang et al.'s equations, and the costs printed for it."""

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from context_modules.non_local import NonLocal

SRNET = {"transform": "cbr", "residual": "scaled"}
CCNET = {
    "key_channels": 64, "value_channels": 512, "output_transform": "none", "residual": "scaled",
}  # fmt: skip


def block(in_channels: int = 6, **arguments) -> NonLocal:
    """In eval mode and away from the identity at which it starts."""
    torch.manual_seed(0)
    module = NonLocal(in_channels, **arguments).double().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.running_mean, -1, 1)
    if module.gamma is not None:
        nn.init.constant_(module.gamma, 0.7)
    return module


def plain(module: NonLocal, x: Tensor, keys: Tensor, *, scale: float, gamma: float) -> Tensor:
    """Eq. 1 and 6, one position after the other."""
    theta, phi, g = module.query(x), module.key(keys), module.value(keys)
    y = torch.empty(x.shape[0], g.shape[1], *x.shape[2:], dtype=x.dtype)
    for b in range(x.shape[0]):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                f = torch.exp(scale * torch.einsum("c,chw->hw", theta[b, :, i, j], phi[b]))
                y[b, :, i, j] = torch.einsum("hw,chw->c", f, g[b]) / f.sum()
    return gamma * module.output(y) + x


@pytest.mark.parametrize("kernel", ["explicit", "fused"])
@pytest.mark.parametrize(
    ("arguments", "scale", "gamma"),
    [({}, 1, 1), ({"scaled": True}, 3**-0.5, 1), (SRNET, 1, 0.7)],
)
def test_equals_the_equations(arguments, scale, gamma, kernel):
    module = block(**arguments, kernel=kernel)
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(module, x, x, scale=scale, gamma=gamma))


def test_half_resolution_takes_keys_and_values_from_the_pooled_map():
    module = block(key_stride=2)
    x = torch.randn(1, 6, 7, 9, dtype=torch.float64)
    expected = plain(module, x, F.max_pool2d(x, 2), scale=1, gamma=1)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("arguments", [{}, SRNET, {"residual": "scaled"}])
def test_starts_as_the_identity(arguments):
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(NonLocal(6, **arguments)(x), x)


def test_permuted_positions_give_permuted_outputs():
    module = block()
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    order = torch.randperm(35)

    def permute(z: Tensor) -> Tensor:
        return z.flatten(2)[:, :, order].unflatten(2, (5, 7))

    torch.testing.assert_close(module(permute(x)), permute(module(x)))


@pytest.mark.parametrize("arguments", [{}, SRNET, {"key_stride": 2}])
def test_gradcheck(arguments):
    module = block(4, **arguments)
    x = torch.randn(1, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("arguments", [{}, SRNET, {"key_stride": 2}])
def test_trains_on_odd_sizes_and_large_logits(arguments, dtype):
    torch.manual_seed(0)
    module = NonLocal(8, **arguments).to(dtype)
    x = (30 * torch.randn(2, 8, 9, 7)).to(dtype).requires_grad_()
    y = module(x)
    y.float().square().mean().backward()
    assert y.dtype == dtype
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize(
    ("arguments", "side", "conv", "matmul", "parameters"),
    [
        (SRNET, 96, 4.832, 43.487, 0.527),  # SRNet, Table 3, +NL
        (CCNET, 97, 3.083, 50.993, 0.328),  # 2 * (3.083 + 50.993) = 108.152 GFLOP
    ],
)
def test_printed_costs(arguments, side, conv, matmul, parameters):
    with FakeTensorMode(), torch.no_grad():
        module = NonLocal(512, **arguments).eval()
        x = torch.empty(1, 512, side, side)
        with FlopCounterMode(display=False) as counter:
            module(x)
    counts = {str(op): flops / 2e9 for op, flops in counter.get_flop_counts()["Global"].items()}
    assert counts.pop("aten.convolution") == pytest.approx(conv, abs=1e-3)
    assert sum(counts.values()) == pytest.approx(matmul, abs=1e-3)
    assert sum(p.numel() for p in module.parameters()) / 1e6 == pytest.approx(parameters, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"key_channels": 0}, "key_channels"),
        ({"output_transform": "none"}, "value_channels"),
        ({"transform": "linear"}, "linear"),
        ({"key_stride": 0}, "key_stride"),
        ({"residual": "gated"}, "residual"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        NonLocal(8, **arguments)
