"""OCR against its equations, position by position and region by region, and its costs."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised
from torch.nn import functional as F

from context_modules.object_regions import ObjectContext


def plain(module, x, score_map=None, *, sharpness=1.0, root=True):
    out = []
    for b in range(x.shape[0]):
        image = x[b : b + 1]
        pixels = module.pixels(image)
        scores = module.scores(image if score_map is None else score_map[b : b + 1])
        scores = F.interpolate(scores, pixels.shape[2:], mode="bilinear", align_corners=False)
        flat = pixels[0].flatten(1)  # (C, N)
        regions = []
        for region in scores[0].flatten(1):
            mass = (sharpness * region).exp()
            regions.append((flat * mass / mass.sum()).sum(1))
        stacked = torch.stack(regions, 1)[None, ..., None]  # (1, C, K, 1)
        key, value = module.key(stacked)[0, ..., 0], module.value(stacked)[0, ..., 0]
        query = module.query(pixels)[0].flatten(1)
        divisor = query.shape[0] ** 0.5 if root else 1.0
        context = torch.empty(value.shape[0], flat.shape[1]).double()
        for i in range(flat.shape[1]):
            weights = torch.exp(torch.stack([query[:, i] @ k for k in key.T]) / divisor)
            context[:, i] = value @ (weights / weights.sum())
        context = module.output(context.view(1, -1, *pixels.shape[2:]))
        out.append(module.fuse(torch.cat([context, pixels], 1)))
    return torch.cat(out)


@pytest.mark.parametrize("scores", ["linear", "1x1", "3x3"])
@pytest.mark.parametrize("kernel", ["explicit", "fused"])
@torch.no_grad()
def test_equals_its_equations(scores, kernel):
    module = randomised(
        ObjectContext(
            5, channels=6, key_channels=4, categories=3, scores=scores, dropout=0.5, kernel=kernel
        )
    )
    x = random_map(2, 5, 4, 3)
    torch.testing.assert_close(module(x), plain(module, x))


@torch.no_grad()
def test_scores_of_a_second_map_of_another_size():
    module = randomised(
        ObjectContext(
            5, channels=6, key_channels=4, categories=3, score_channels=2, sharpness=2.5,
            scaled=False,
        )
    )  # fmt: skip
    x, low = random_map(2, 5, 4, 3), random_map(2, 2, 8, 5, seed=2)
    torch.testing.assert_close(module(x, low), plain(module, x, low, sharpness=2.5, root=False))
    with pytest.raises(ValueError, match="score_channels"):
        module(x)
    with pytest.raises(ValueError, match="1 maps"):
        ObjectContext(5, channels=6)(x.float(), low.float())


@torch.no_grad()
def test_downsampled_queries_are_the_strongest_of_their_cell():
    module = randomised(ObjectContext(4, channels=4, key_channels=4, categories=2, downsample=2))
    x = random_map(1, 4, 6, 4)
    pixels = module.pixels(x)
    regions = module.regions(pixels, module.scores(x))
    query = module.query(F.max_pool2d(pixels, 2)).flatten(2).transpose(1, 2)
    key, value = (layer(regions).flatten(2) for layer in (module.key, module.value))
    rows = (query @ key / 2).softmax(-1) @ value.transpose(1, 2)
    small = module.output(rows.transpose(1, 2).view(1, 4, 3, 2))
    context = F.interpolate(small, (6, 4), mode="bilinear", align_corners=False)
    torch.testing.assert_close(module(x), module.fuse(torch.cat([context, pixels], 1)))


def test_scores_are_offered_to_losses_as_categories():
    module = randomised(ObjectContext(4, channels=4, key_channels=4, categories=3))
    x = random_map(2, 4, 3, 5)
    features, extras = module.forward_with_scores(x)
    assert features.shape == (2, 4, 3, 5)
    assert extras.keys() == {"categories"}
    assert torch.equal(extras["categories"], module.scores(x))


def test_gradient():
    module = randomised(ObjectContext(3, channels=4, key_channels=2, categories=2), seed=2)
    assert gradcheck(module, (1, 3, 2, 3))


@pytest.mark.parametrize(("scores", "hidden"), [("linear", 0), ("1x1", 2048), ("3x3", 512)])
def test_costs_by_layer_arithmetic(scores, hidden):
    c, d, k, n = 512, 256, 19, 8 * 12
    parameters, macs = costs(ObjectContext, (1, 2048, 8, 12), scores=scores)
    first = {"linear": 0, "1x1": 2048, "3x3": 9 * 2048}[scores] * hidden
    of_scores = first + (hidden or 2048) * k
    two = c * d + d * d
    at_positions = 9 * 2048 * c + two + d * c + 2 * c * c + of_scores
    at_regions = two + c * d
    assert macs == n * at_positions + k * at_regions + n * k * (c + 2 * d)
    norms = 2 * (c + 4 * d + d + 2 * c + hidden)
    assert parameters == at_positions + at_regions + k + norms


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"categories": 0}, "categories"),
        ({"scores": "5x5"}, "scores"),
        ({"downsample": 0}, "downsample"),
        ({"dropout": 2.0}, "dropout"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        ObjectContext(8, **arguments)
