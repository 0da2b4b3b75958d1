"""The global context block against GCNet's Eq. 5, and its costs."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised

from context_modules.global_context import GlobalContext


def plain_transform(layers, context):
    first, norm, _, last = layers
    hidden = first.weight[:, :, 0, 0] @ context + first.bias
    hidden = (hidden - hidden.mean()) / (hidden.var(unbiased=False) + norm.eps).sqrt()
    hidden = (hidden * norm.weight.flatten() + norm.bias.flatten()).clamp(min=0)
    return last.weight[:, :, 0, 0] @ hidden + last.bias


def plain(module, x):
    out = torch.empty_like(x)
    for b, image in enumerate(x.flatten(2)):
        if module.weigh is None:
            context = image.mean(1)
        else:
            mass = [
                torch.exp(module.weigh.weight[0, :, 0, 0] @ column + module.weigh.bias[0])
                for column in image.T
            ]
            context = sum(m * column for m, column in zip(mass, image.T, strict=True)) / sum(mass)
        found = image
        if module.multiply is not None:
            found = found * plain_transform(module.multiply, context).sigmoid()[:, None]
        if module.add is not None:
            found = found + plain_transform(module.add, context)[:, None]
        out[b] = found.view(x.shape[1:])
    return out


@pytest.mark.parametrize("pooling", ["attention", "average"])
@pytest.mark.parametrize("fusion", [["add"], ["multiply"], ["add", "multiply"]])
@torch.no_grad()
def test_equals_its_equation(pooling, fusion):
    module = randomised(GlobalContext(8, reduction=2, pooling=pooling, fusion=fusion))
    x = random_map(2, 8, 3, 5)
    torch.testing.assert_close(module(x), plain(module, x))


@torch.no_grad()
def test_starts_as_the_identity_when_it_adds():
    x = random_map(2, 16, 3, 4).float()
    torch.testing.assert_close(GlobalContext(16)(x), x)


@torch.no_grad()
def test_every_position_receives_the_same():
    module = randomised(GlobalContext(8, reduction=2))
    x = random_map(1, 8, 4, 5)
    received = module(x) - x
    torch.testing.assert_close(received, received[..., :1, :1].expand_as(received))


@pytest.mark.parametrize("pooling", ["attention", "average"])
def test_gradient(pooling):
    module = randomised(GlobalContext(6, reduction=2, pooling=pooling, fusion=["multiply", "add"]))
    assert gradcheck(module, (2, 6, 2, 3))


@pytest.mark.parametrize(("fusion", "transforms"), [(["add"], 1), (["add", "multiply"], 2)])
def test_costs_by_layer_arithmetic(fusion, transforms):
    c, hidden, n = 64, 4, 12 * 20
    parameters, macs = costs(GlobalContext, (1, c, 12, 20), fusion=fusion)
    assert macs == 2 * n * c + transforms * 2 * c * hidden
    assert parameters == c + 1 + transforms * (2 * c * hidden + 3 * hidden + c)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"reduction": 17}, "reduction"),
        ({"pooling": "max"}, "pooling"),
        ({"fusion": []}, "fusion"),
        ({"fusion": ["concatenate"]}, "fusion"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        GlobalContext(16, **arguments)
