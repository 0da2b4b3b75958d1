import pytest
import torch

from context_modules.aspp import ASPP


def influences(module, height, width, row, column):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, height, width, generator=generator, dtype=torch.float64)
    x.requires_grad_()
    y = module(x)[0, :, row, column]
    (gradient,) = torch.autograd.grad(y @ torch.linspace(1, 2, len(y), dtype=y.dtype), x)
    return set(map(tuple, gradient[0].abs().amax(0).nonzero().tolist()))


def positive(module):
    """No ReLU cuts a path: weights above zero, inputs shifted up by the batch norms."""
    for key, tensor in module.state_dict().items():
        if key.endswith(("running_mean", "num_batches_tracked")):
            continue
        generator = torch.Generator().manual_seed(len(key))
        tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    for name, parameter in module.named_parameters():
        if name.endswith("1.bias"):
            parameter.data += 100
    return module.double().eval()


@pytest.mark.parametrize("rates", [(2, 3), (1, 4, 5)])
def test_sees_the_dilated_taps(rates):
    module = positive(ASPP(4, out_channels=3, branch_channels=2, rates=rates, image_pooling=False))
    offsets = {(0, 0)} | {(r * a, r * b) for r in rates for a in (-1, 0, 1) for b in (-1, 0, 1)}
    expected = {(5 + a, 3 + b) for a, b in offsets if 0 <= 5 + a < 11 and 0 <= 3 + b < 9}
    assert influences(module, 11, 9, 5, 3) == expected


def test_image_pooling_sees_everything():
    module = positive(ASPP(4, out_channels=3, branch_channels=2, rates=(2,)))
    assert influences(module, 6, 5, 1, 1) == {(i, j) for i in range(6) for j in range(5)}


@torch.no_grad()
def test_image_level_is_the_mean_everywhere():
    torch.manual_seed(0)
    module = ASPP(4, branch_channels=2, rates=(1,)).double().eval()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    mean = module.image(x.mean((-2, -1), keepdim=True)).expand(-1, -1, 5, 6)
    local = module.atrous(x)
    torch.testing.assert_close(module(x), module.fuse(torch.cat([mean, *local], 1)))


def test_image_pooling_is_a_branch():
    with_pooling, without = (
        sum(p.numel() for p in ASPP(8, branch_channels=4, image_pooling=flag).parameters())
        for flag in (True, False)
    )
    assert with_pooling - without == 8 * 4 + 2 * 4 + 4 * 256
