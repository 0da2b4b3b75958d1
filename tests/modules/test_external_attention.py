"""External attention against its equations, and its costs."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised

from context_modules.external_attention import SMALLEST, ExternalAttention


def plain(module, x):
    out = torch.empty_like(x)
    keys, values = module.keys.weight[:, :, 0], module.values.weight[:, :, 0].T  # M_k, M_v: (S, C)
    for b in range(x.shape[0]):
        features = module.features(x[b : b + 1])[0].flatten(1)  # (E C, N)
        found = []
        for part in features.chunk(module.heads):
            logits = part.T @ keys.T  # (N, S)
            if module.keys.bias is not None:
                logits = logits + module.keys.bias
            if module.normalization == "double":
                attention = logits.exp() / logits.exp().sum(0, keepdim=True)
                attention = attention / (attention.sum(1, keepdim=True) + SMALLEST)
            else:
                attention = logits.exp() / logits.exp().sum(1, keepdim=True)
            context = attention @ values
            if module.values.bias is not None:
                context = context + module.values.bias
            found.append(context.T)
        joined = module.output(torch.cat(found).view(1, -1, *x.shape[2:]))[0]
        out[b] = (joined + x[b]).clamp(min=0) if module.residual else joined
    return out


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"normalization": "softmax"},
        {"heads": 2, "expansion": 3, "bias": True, "residual": False},
    ],
)
@torch.no_grad()
def test_equals_its_equations(arguments):
    module = randomised(ExternalAttention(4, slots=3, **arguments))
    x = random_map(2, 4, 3, 5)
    torch.testing.assert_close(module(x), plain(module, x))


@torch.no_grad()
def test_double_normalisation_sums_to_one_over_the_learned_vectors():
    module = ExternalAttention(4, slots=5).double()
    attention = module.normalize(random_map(2, 5, 12))
    torch.testing.assert_close(attention.sum(1), torch.ones(2, 12).double())
    # The softmax over positions undoes what all positions have alike.
    shifted = module.normalize(random_map(2, 5, 12) + 3.0)
    torch.testing.assert_close(shifted, attention)


@pytest.mark.parametrize("normalization", ["double", "softmax"])
def test_gradient(normalization):
    module = randomised(ExternalAttention(4, slots=3, heads=2, normalization=normalization))
    assert gradcheck(module, (2, 4, 2, 3))


def test_costs_by_layer_arithmetic():
    c, s, n = 512, 64, 128 * 128
    parameters, macs = costs(ExternalAttention, (1, c, 128, 128))
    assert macs == n * (2 * c**2 + 2 * c * s)
    assert parameters == 2 * c**2 + c + 2 * c + 2 * c * s
    wide = costs(ExternalAttention, (1, c, 16, 16), heads=32, expansion=4, residual=False)
    assert wide[1] == 256 * (2 * 4 * c**2 + 2 * 4 * c * s)
    assert wide[0] == 2 * 4 * c**2 + 4 * c + c + 2 * s * (4 * c // 32)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"slots": 0}, "slots"), ({"heads": 3}, "heads"), ({"normalization": "l2"}, "normalization")],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        ExternalAttention(8, **arguments)
