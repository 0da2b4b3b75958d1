"""Axial attention against Axial-DeepLab's Eq. 4 along each line, and its costs."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised

from context_modules.axial_attention import AxialAttention


def plain_line(part, line):
    """Eq. 4 for one line, (C, L) -> (C, L), in every head and for every pair of positions."""
    channels, length = line.shape
    width = channels // part.heads
    projected = part.qkv.weight[:, :, 0] @ line
    vectors = list(part.relative)
    out = torch.zeros_like(line)
    for head in range(part.heads):
        of_head = projected.view(part.heads, 2 * width, length)[head]
        query, key, value = of_head.split([width // 2, width // 2, width])
        for o in range(length):
            logits, terms = [], []
            for p in range(length):
                distance = p - o + part.longest - 1
                logit = query[:, o] @ key[:, p]
                if vectors:
                    logit = logit + query[:, o] @ vectors[0][:, distance]
                term = value[:, p]
                if len(vectors) == 3:
                    logit = logit + key[:, p] @ vectors[1][:, distance]
                    term = term + vectors[2][:, distance]
                logits.append(logit)
                terms.append(term)
            weights = torch.stack(logits).softmax(0)
            out[head * width : (head + 1) * width, o] = torch.stack(terms, 1) @ weights
    return out


def plain(module, x):
    out = x.clone()
    for b in range(x.shape[0]):
        for column in range(x.shape[3]):
            out[b, :, :, column] = plain_line(module.along_height, x[b, :, :, column])
        after = out[b].clone()
        for row in range(x.shape[2]):
            out[b, :, row] = plain_line(module.along_width, after[:, row])
    return out


@pytest.mark.parametrize("positions", ["none", "query", "sensitive"])
@pytest.mark.parametrize("size", [(5, 3), (4, 6)])
@torch.no_grad()
def test_equals_its_equation_along_both_axes(positions, size):
    module = randomised(AxialAttention(8, input_size=size, heads=2, positions=positions))
    x = random_map(2, 8, *size)
    torch.testing.assert_close(module(x), plain(module, x))


@torch.no_grad()
def test_a_smaller_map_has_the_vectors_of_its_distances():
    module = randomised(AxialAttention(8, input_size=(7, 9), heads=2))
    x = random_map(1, 8, 4, 5)
    torch.testing.assert_close(module(x), plain(module, x))
    with pytest.raises(ValueError, match="input_size"):
        module(random_map(1, 8, 8, 9))


@torch.no_grad()
@pytest.mark.parametrize(("positions", "logits"), [("none", 1), ("query", 2), ("sensitive", 3)])
def test_norms_at_their_start_divide_by_the_square_root_of_one_and_a_trifle(positions, logits):
    """With running statistics 0 and 1 and no shift, norms change nothing but by their epsilon."""
    normed = AxialAttention(8, input_size=(4, 5), heads=2, positions=positions, norm=True)
    bare = AxialAttention(8, input_size=(4, 5), heads=2, positions=positions)
    kept = {k: v for k, v in normed.state_dict().items() if "norms" not in k}
    bare.load_state_dict(kept)
    assert normed.along_width.norms[1].num_features == 2 * logits
    x = random_map(2, 8, 4, 5)
    found, expected = normed.double().eval()(x), bare.double().eval()(x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_every_position_sees_every_other_after_both_axes():
    module = randomised(AxialAttention(8, heads=1, positions="none"))
    x = random_map(1, 8, 5, 6)
    other = x.clone()
    other[..., 0, 0] += 1.0
    assert ((module(x) - module(other)).abs().amax(1) > 1e-12).all()


@pytest.mark.parametrize("positions", ["none", "query", "sensitive"])
@pytest.mark.parametrize("norm", [False, True])
def test_gradient(positions, norm):
    module = AxialAttention(4, input_size=(3, 2), heads=1, positions=positions, norm=norm)
    assert gradcheck(randomised(module), (1, 4, 3, 2))


@pytest.mark.parametrize(
    ("positions", "of_pair", "vectors"),
    [("none", 1.5, 0), ("query", 2.0, 0.5), ("sensitive", 3.5, 2.0)],
)
def test_costs_by_layer_arithmetic(positions, of_pair, vectors):
    c, height, width = 64, 12, 20
    n, heads = height * width, 8
    parameters, macs = costs(
        AxialAttention, (1, c, height, width), input_size=(height, width), positions=positions
    )
    assert macs == 4 * n * c**2 + of_pair * n * c * (height + width)
    lengths = (2 * height - 1) + (2 * width - 1)
    assert parameters == 4 * c**2 + vectors * c / heads * lengths


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"heads": 3}, "heads"),
        ({"positions": "absolute"}, "positions"),
        ({"positions": "query"}, "input_size"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        AxialAttention(16, **{"heads": 2, **arguments})
