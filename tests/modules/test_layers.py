import pytest
import torch
from torch import nn

from context_modules.layers import (
    BatchNorm,
    ConvBNReLU,
    flatten_positions,
    pair,
    pointwise,
    positive,
    resize,
    unflatten_positions,
)


@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (1, 3, 4, 5)])
def test_batch_norm_is_the_usual_one_where_there_is_a_variance(shape):
    ours, usual = BatchNorm(3), nn.BatchNorm2d(3)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), usual(x), rtol=0, atol=0)
    torch.testing.assert_close(ours.running_var, usual.running_var, rtol=0, atol=0)
    assert ours.state_dict().keys() == usual.state_dict().keys()


def test_batch_norm_of_one_value_uses_its_statistics():
    norm = BatchNorm(3)
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    x = torch.tensor([3.0, 5.0, -1.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(norm(x).flatten(), torch.tensor([1.0, 2.0, -1.0]))
    assert norm.running_mean.tolist() == [1.0] * 3
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm2d(3)(x)


@pytest.mark.parametrize(
    ("transform", "kinds"),
    [
        ("conv", [nn.Conv2d]),
        ("conv_bias", [nn.Conv2d]),
        ("conv_bn", [nn.Conv2d, BatchNorm]),
        ("cbr", [nn.Conv2d, BatchNorm, nn.ReLU]),
    ],
)
def test_pointwise(transform, kinds):
    layer = pointwise(4, 6, transform)
    assert [type(m) for m in layer.modules() if not isinstance(m, ConvBNReLU)] == kinds
    convolution = next(m for m in layer.modules() if isinstance(m, nn.Conv2d))
    assert convolution.kernel_size == (1, 1)
    assert (convolution.bias is not None) == (transform == "conv_bias")
    assert layer(torch.zeros(1, 4, 3, 5)).shape == (1, 6, 3, 5)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (3, 12), (5, 2)])
def test_conv_bn_relu_keeps_the_size(kernel_size, dilation):
    layer = ConvBNReLU(2, 3, kernel_size, dilation=dilation)
    assert layer(torch.randn(2, 2, 7, 9)).shape == (2, 3, 7, 9)


def test_positions():
    x = torch.arange(24.0).view(1, 2, 3, 4)
    rows = flatten_positions(x)
    assert rows[0, 5].tolist() == x[0, :, 1, 1].tolist()
    torch.testing.assert_close(unflatten_positions(rows, 3, 4), x, rtol=0, atol=0)


def test_resize():
    x = torch.randn(1, 2, 3, 4)
    assert resize(x, 3, 4) is x
    assert resize(x, 6, 5).shape == (1, 2, 6, 5)
    one = torch.tensor([[[[2.0]]]])
    torch.testing.assert_close(resize(one, 3, 2), torch.full((1, 1, 3, 2), 2.0))


def test_checks_name_the_argument():
    with pytest.raises(ValueError, match="heads is 0"):
        positive(channels=3, heads=0)
    with pytest.raises(ValueError, match="groups"):
        pair("groups", [1, 2, 3])
    assert pair("groups", [4, 8]) == (4, 8)
