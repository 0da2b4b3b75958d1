"""Disentangled non-local against its formula, against the non-local block, and its costs."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised

from context_modules.disentangled_non_local import DisentangledNonLocal
from context_modules.non_local import NonLocal


def plain(module, x, *, temperature=1.0, root=False):
    """The paper's sum over all positions, for each of them."""
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        image = x[b : b + 1]
        query, key, value = (
            layer(image)[0].flatten(1).T for layer in (module.query, module.key, module.value)
        )
        if module.whitening == "mean":
            query, key = query - query.mean(0), key - key.mean(0)
        divisor = temperature * (query.shape[1] ** 0.5 if root else 1.0)
        weights = torch.stack(
            [torch.stack([torch.exp(q @ k / divisor) for k in key]) for q in query]
        )
        pairwise = weights / weights.sum(1, keepdim=True) @ value
        mass = module.mask(image).flatten().exp()
        unary = (mass / mass.sum()) @ value
        if module.joined == "before":
            sums = (pairwise + unary).T.view(1, -1, *x.shape[2:])
            out[b] = (image + module.output(sums))[0]
        else:
            paired = module.output(pairwise.T.view(1, -1, *x.shape[2:]))
            out[b] = (image + paired + module.output(unary[None, :, None, None]))[0]
    return out


@pytest.mark.parametrize("whitening", ["mean", "none"])
@pytest.mark.parametrize("joined", ["before", "after"])
@pytest.mark.parametrize("kernel", ["explicit", "fused"])
@torch.no_grad()
def test_equals_its_formula(whitening, joined, kernel):
    module = randomised(
        DisentangledNonLocal(
            4, key_channels=3, value_channels=5, whitening=whitening, joined=joined, kernel=kernel
        )
    )
    x = random_map(2, 4, 3, 5)
    torch.testing.assert_close(module(x), plain(module, x))


@torch.no_grad()
def test_temperature_and_root_divide_the_pairwise_logits():
    module = randomised(
        DisentangledNonLocal(4, temperature=0.05, scaled=True, joined="after"), seed=1
    )
    x = random_map(2, 4, 3, 4)
    torch.testing.assert_close(module(x), plain(module, x, temperature=0.05, root=True))


@torch.no_grad()
def test_without_its_two_ideas_it_is_the_non_local_block():
    module = randomised(DisentangledNonLocal(4, whitening="none", unary=False))
    block = randomised(NonLocal(4))
    ours, theirs = module.state_dict(), block.state_dict()
    block.load_state_dict(dict(zip(theirs, ours.values(), strict=True)))
    x = random_map(2, 4, 4, 3)
    torch.testing.assert_close(module(x), block(x))


@torch.no_grad()
def test_whitening_takes_the_unary_term_out_of_the_softmax():
    """What a non-local block's softmax sees of q . k is pairwise and unary; both are here."""
    module = randomised(DisentangledNonLocal(4, unary=False))
    x = random_map(1, 4, 3, 4)
    before = module(x)
    # A common shift of all queries adds the same to each key's logits: it is all unary.
    module.query.bias += 1.7
    torch.testing.assert_close(module(x), before)
    module.whitening = "none"
    shifted = module(x)
    module.query.bias -= 1.7
    assert (module(x) - shifted).abs().max() > 1e-3


@pytest.mark.parametrize("joined", ["before", "after"])
def test_gradient(joined):
    assert gradcheck(randomised(DisentangledNonLocal(4, joined=joined)), (1, 4, 3, 2))


def test_costs_by_layer_arithmetic():
    c, n = 64, 12 * 20
    parameters, macs = costs(DisentangledNonLocal, (1, c, 12, 20))
    half = c // 2
    assert macs == n * (4 * c * half + c) + n**2 * 2 * half + n * half
    assert parameters == 4 * c * half + 3 * half + (c + 1) + 2 * c


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"key_channels": 0}, "key_channels"),
        ({"temperature": 0.0}, "temperature"),
        ({"whitening": "variance"}, "whitening"),
        ({"joined": "beside"}, "joined"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        DisentangledNonLocal(8, **arguments)
