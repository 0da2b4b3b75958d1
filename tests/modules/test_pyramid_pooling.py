import math

import pytest
import torch
from torch.nn import functional as F

from context_modules.pyramid_pooling import PyramidPooling


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def region_means(x, bins):
    """Averages over regions from floor(i * side / bins) to ceil((i + 1) * side / bins)."""
    height, width = x.shape[-2:]
    out = x.new_empty(*x.shape[:2], bins, bins)
    for i in range(bins):
        for j in range(bins):
            rows = slice(i * height // bins, math.ceil((i + 1) * height / bins))
            columns = slice(j * width // bins, math.ceil((j + 1) * width / bins))
            out[:, :, i, j] = x[:, :, rows, columns].mean((-2, -1))
    return out


@torch.no_grad()
def test_equals_its_figure():
    torch.manual_seed(0)
    module = PyramidPooling(6, out_channels=4, bins=[1, 2, 3]).double().eval()
    x = random_map(2, 6, 7, 5)
    parts = [x]
    for bins, level in zip((1, 2, 3), module.levels, strict=True):
        reduced = level(region_means(x, bins))
        parts.append(F.interpolate(reduced, (7, 5), mode="bilinear", align_corners=False))
    torch.testing.assert_close(module(x), module.fuse(torch.cat(parts, 1)))


def test_every_pixel_reaches_every_other():
    torch.manual_seed(0)
    module = PyramidPooling(4, out_channels=2).double().eval()
    for cbr in (*module.levels, module.fuse):
        cbr[1].bias.data.fill_(10.0)  # no ReLU cuts a path
    x = random_map(1, 4, 9, 8).requires_grad_()
    module(x)[0, :, 4, 4].sum().backward()
    assert (x.grad[0].abs().amax(0) > 0).all()


def test_default_widths_follow_the_paper():
    module = PyramidPooling(64)
    assert [level[0].out_channels for level in module.levels] == [16] * 4
    assert module.fuse[0].in_channels == 128
    assert module.fuse[0].kernel_size == (3, 3)


def test_trains_on_one_image():
    torch.manual_seed(0)
    module = PyramidPooling(4, out_channels=2).train()
    before = module.levels[0][1].running_mean.clone()
    module(torch.randn(1, 4, 8, 8)).sum().backward()
    # One value per channel has no variance: the statistics of the 1x1 level stay as they are.
    torch.testing.assert_close(module.levels[0][1].running_mean, before)
    assert module.levels[1][1].running_mean.abs().sum() > 0


def test_with_a_fusing_kernel_of_one_a_position_sees_others_through_pooling_alone():
    module = PyramidPooling(4, out_channels=3, bins=[2], fuse_kernel=1).double().eval()
    x = torch.randn(1, 4, 8, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        module.fuse(torch.cat([x, *module._pooled(x.detach())], 1))[0, :, 3, 3].sum(), x
    )
    assert {tuple(place) for place in gradient[0].abs().sum(0).nonzero().tolist()} <= {(3, 3)}
    assert module(x).shape == (1, 3, 8, 8)
    wide = PyramidPooling(4, out_channels=3, bins=[2]).fuse[0].kernel_size
    assert (wide, module.fuse[0].kernel_size) == ((3, 3), (1, 1))


@pytest.mark.parametrize("fuse_kernel", [0, 2])
def test_a_fusing_kernel_without_a_middle_is_refused(fuse_kernel):
    with pytest.raises(ValueError, match="odd number"):
        PyramidPooling(4, fuse_kernel=fuse_kernel)
