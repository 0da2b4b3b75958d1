import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from context_modules.layers import ConvBNReLU
from context_modules.self_attention import SelfAttention, region_slices


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator) - 0.4
            tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn)
    return module.double().eval()


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def transform(layer, vector):
    """A chain of 1x1 convolutions on one position, from their definitions: (C,) -> (C',)."""
    if isinstance(layer, ConvBNReLU):
        vector = layer[0].weight[:, :, 0, 0] @ vector
        norm = layer[1]
        vector = (vector - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        vector = vector * norm.weight + norm.bias
        return vector.clamp(min=0) if len(layer) == 3 else vector
    if isinstance(layer, torch.nn.Sequential):
        for step in layer:
            vector = transform(step, vector)
        return vector
    if isinstance(layer, torch.nn.Identity):
        return vector
    vector_out = layer.weight[:, :, 0, 0] @ vector
    return vector_out if layer.bias is None else vector_out + layer.bias


def reference(module, x, *, scaled=True):
    """Eq. 10 and 11 of OCNet, one position after the other, for one image: (C, H, W)."""
    _, height, width = x.shape
    positions = [(i, j) for i in range(height) for j in range(width)]
    keys = [transform(module.key, x[:, i, j]) for i, j in positions]
    values = [transform(module.value, x[:, i, j]) for i, j in positions]
    out = []
    for i, j in positions:
        query = transform(module.query, x[:, i, j])
        factor = 1 / math.sqrt(len(query)) if scaled else 1.0
        logits = [float(query @ key) * factor for key in keys]
        exponentials = [math.exp(logit - max(logits)) for logit in logits]
        context = sum(
            e / sum(exponentials) * value for e, value in zip(exponentials, values, strict=True)
        )
        out.append(transform(module.output, context))
    return torch.stack(out, dim=1).view(-1, height, width)


@torch.no_grad()
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"query_convs": 1},
        {"shared": True},
        {"out_channels": 5, "key_channels": 3, "value_channels": 7, "output_transform": "cbr"},
        {"value_channels": 6, "output_transform": "none", "value_transform": "conv_bias"},
        {"scaled": False, "query_transform": "conv_bias"},
    ],
)
def test_equals_the_equations(arguments):
    module = randomised(SelfAttention(6, **arguments))
    x = random_map(1, 6, 3, 4)
    expected = reference(module, x[0], scaled=arguments.get("scaled", True))
    torch.testing.assert_close(module(x)[0], expected)


@torch.no_grad()
def test_defaults_are_the_text():
    module = SelfAttention(8)
    assert [len(module.query), len(module.key)] == [2, 2]
    assert module.query[1][0].out_channels == module.value.out_channels == 4
    assert (module.output.in_channels, module.output.out_channels) == (4, 8)
    assert module.query is not module.key
    assert SelfAttention(8, shared=True).query is not None
    shared = SelfAttention(8, shared=True)
    assert shared.query is shared.key


@torch.no_grad()
def test_residuals():
    x = random_map(2, 6, 3, 4)
    plain = randomised(SelfAttention(6))
    added = randomised(SelfAttention(6, residual="plain"))
    scaled = SelfAttention(6, residual="scaled").double().eval()
    torch.testing.assert_close(added(x), plain(x) + x)
    torch.testing.assert_close(scaled(x), x)  # gamma is 0 at first
    scaled.load_state_dict({**plain.state_dict(), "gamma": torch.tensor([0.5])})
    torch.testing.assert_close(scaled(x), x + 0.5 * plain(x))


@torch.no_grad()
def test_strided_keys_come_from_the_pooled_map():
    module = randomised(SelfAttention(6, key_stride=2))
    x = random_map(1, 6, 4, 6)
    pooled = x.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))
    weights = module.weights(x)
    assert weights.shape == (1, 24, 6)
    query = module.query(x).flatten(2).transpose(1, 2)
    key = module.key(pooled).flatten(2)
    torch.testing.assert_close(weights, (query @ key / math.sqrt(3)).softmax(-1))
    context = (weights @ module.value(pooled).flatten(2).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(module(x), module.output(context.reshape(1, 3, 4, 6)))


@torch.no_grad()
def test_regions_attend_apart():
    parts, whole = (randomised(SelfAttention(6, regions=regions)) for regions in (3, 1))
    x = random_map(2, 6, 7, 10)
    rows, columns = (
        [slice(0, 2), slice(2, 4), slice(4, 7)],
        [slice(0, 3), slice(3, 6), slice(6, 10)],
    )
    y = parts(x)
    for r in rows:
        for c in columns:
            torch.testing.assert_close(y[..., r, c], whole(x[..., r, c]))


@given(st.integers(1, 200), st.integers(1, 12))
@settings(deadline=None, max_examples=60)
def test_region_slices(side, regions):
    if side < regions:
        with pytest.raises(ValueError, match="fewer regions"):
            region_slices(side, regions)
        return
    slices = region_slices(side, regions)
    assert [i for s in slices for i in range(side)[s]] == list(range(side))
    assert {s.stop - s.start for s in slices[:-1]} <= {side // regions}
    assert slices[-1].stop - slices[-1].start == side - (regions - 1) * (side // regions)
