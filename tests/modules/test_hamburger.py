"""Hamburger's decompositions against their updates, sum by sum, its gradients and its costs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import costs, gradcheck, random_map, randomised

from context_modules.hamburger import Hamburger, LightHam
from context_modules.matrix_decomposition import (
    RIDGE,
    SHARPNESS,
    SMALLEST,
    ConceptDecomposition,
    NonNegative,
    VectorQuantisation,
)


def unit(**arguments):
    torch.manual_seed(0)
    return Hamburger(4, bases=3, iterations=2, evaluation_iterations=2, **arguments).double()


def plain_nmf(x, bases, iterations):
    """One image, element by element: (D, N), (D, R) -> codes (N, R) and bases."""
    d, n, r = x.shape[0], x.shape[1], bases.shape[1]
    codes = torch.stack([torch.stack([x[:, j] @ bases[:, k] for k in range(r)]) for j in range(n)])
    codes = codes.exp() / codes.exp().sum(1, keepdim=True)

    def update_codes():
        found = torch.empty_like(codes)
        for j in range(n):
            for k in range(r):
                above = sum(x[i, j] * bases[i, k] for i in range(d))
                below = sum(codes[j, m] * (bases[:, m] @ bases[:, k]) for m in range(r))
                found[j, k] = codes[j, k] * above / (below + SMALLEST)
        return found

    for _ in range(iterations):
        codes = update_codes()
        found = torch.empty_like(bases)
        for i in range(d):
            for k in range(r):
                above = sum(x[i, j] * codes[j, k] for j in range(n))
                below = sum(bases[i, m] * (codes[:, m] @ codes[:, k]) for m in range(r))
                found[i, k] = bases[i, k] * above / (below + SMALLEST)
        bases = found
    return bases, update_codes()


def cosine(a, b):
    return a @ b / (a.norm() * b.norm())


def plain_assignments(x, bases):
    logits = torch.tensor(
        [[SHARPNESS * cosine(column, base) for base in bases.T] for column in x.T]
    ).double()
    return logits.softmax(1)


def plain_clusters(x, bases, iterations, *, unit_length):
    for _ in range(iterations):
        codes = plain_assignments(x, bases)
        means = [
            sum(c * column for c, column in zip(codes[:, k], x.T, strict=True)) / codes[:, k].sum()
            for k in range(bases.shape[1])
        ]
        bases = torch.stack([m / m.norm() if unit_length else m for m in means], dim=1)
    return bases


def reconstruction(ham, x, bases):
    if ham == "nmf":
        bases, codes = plain_nmf(x, bases, 2)
    elif ham == "vq":
        bases = plain_clusters(x, bases, 2, unit_length=False)
        codes = plain_assignments(x, bases)
    else:
        bases = plain_clusters(x, bases, 2, unit_length=True)
        gram = bases.T @ bases + RIDGE * torch.eye(bases.shape[1]).double()
        codes = torch.linalg.solve(gram, bases.T @ x).T
    return bases @ codes.T


@pytest.mark.parametrize("ham", ["nmf", "vq", "cd"])
@pytest.mark.parametrize("cheese", [False, True])
@torch.no_grad()
def test_equals_its_equations(ham, cheese):
    block = unit(ham=ham, channels=5, cheese=cheese).eval()
    x = random_map(2, 4, 3, 4)
    expected = torch.empty_like(x)
    for b in range(2):
        lower = block.lower(x[b : b + 1])[0].flatten(1)
        lower = lower.clamp(min=0) if ham == "nmf" else lower
        found = reconstruction(ham, lower, block.start[0]).view(1, 5, 3, 4)
        if cheese:
            found = block.cheese(found)
        expected[b] = (x[b] + block.upper(found)[0]).clamp(min=0)
    # Divisors have a trifle added, which the means of the plain form have not.
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 8), st.integers(2, 12), st.integers(1, 4), st.integers(0, 2**16))
def test_every_update_of_nmf_brings_the_product_nearer(channels, positions, bases, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, channels, positions, generator=generator, dtype=torch.float64)
    found = torch.rand(1, channels, bases, generator=generator, dtype=torch.float64) + 0.1

    def error(bases, codes):
        return (x - bases @ codes.transpose(1, 2)).square().sum()

    before = None
    for iterations in range(1, 6):
        after = error(*NonNegative.iterate(x, found, iterations))
        assert before is None or after <= before + 1e-6
        before = after


@torch.no_grad()
def test_bases_of_concept_decomposition_have_unit_length_and_codes_are_the_ridge_regression():
    x, bases = random_map(2, 5, 20), torch.nn.functional.normalize(random_map(2, 5, 3), dim=1)
    bases, codes = ConceptDecomposition.iterate(x, bases, 3)
    torch.testing.assert_close(bases.norm(dim=1), torch.ones(2, 3).double())
    codes = ConceptDecomposition.codes(x, bases, codes).transpose(1, 2)
    # At the minimum of |X - D C|^2 + beta |C|^2 the gradient is 0.
    gradient = bases.transpose(1, 2) @ (bases @ codes - x) + RIDGE * codes
    assert gradient.abs().max() < 1e-10


@torch.no_grad()
def test_assignments_sum_to_one():
    codes = VectorQuantisation.codes(random_map(2, 5, 20), random_map(2, 5, 3), torch.empty(0))
    torch.testing.assert_close(codes.sum(-1), torch.ones(2, 20).double())


@pytest.mark.parametrize("ham", ["nmf", "vq", "cd"])
def test_one_step_gradient_is_that_of_the_last_codes(ham):
    block = unit(ham=ham)
    x = random_map(1, 4, 6).abs().requires_grad_()
    block.eval()
    (found,) = torch.autograd.grad(block.reconstruct(x).square().sum(), x)
    with torch.no_grad():
        bases, codes = _kind(ham).iterate(x, block.start, 2)
    last = bases @ _kind(ham).codes(x, bases, codes).transpose(1, 2)
    (expected,) = torch.autograd.grad(last.square().sum(), x)
    torch.testing.assert_close(found, expected)
    block.gradient = "unrolled"
    (unrolled,) = torch.autograd.grad(block.reconstruct(x).square().sum(), x)
    assert (unrolled - found).abs().max() > 1e-6


def _kind(ham):
    return {"nmf": NonNegative, "vq": VectorQuantisation, "cd": ConceptDecomposition}[ham]


@pytest.mark.parametrize("ham", ["nmf", "cd"])
def test_gradient_through_all_iterations(ham):
    # VQ takes the lengths of positions for constants: its gradient is not that of its output.
    block = randomised(unit(ham=ham, gradient="unrolled"))
    block.start.abs_().add_(0.1)
    assert gradcheck(block, (1, 4, 2, 3))


@pytest.mark.parametrize("ham", ["nmf", "vq", "cd"])
def test_bases_are_drawn_anew_in_training_only(ham):
    block = unit(ham=ham)
    x = random_map(1, 4, 12).abs()
    with torch.no_grad():
        assert not torch.equal(block.train().reconstruct(x), block.reconstruct(x))
        assert torch.equal(block.eval().reconstruct(x), block.reconstruct(x))
    if ham == "nmf":
        assert (block._bases(1) >= 0).all()
        assert (block.train()._bases(1) >= 0).all()


@torch.no_grad()
def test_evaluation_has_its_own_number_of_iterations():
    block = Hamburger(4, bases=2, iterations=1, evaluation_iterations=5).double()
    x = random_map(1, 4, 8).abs()
    found = block.eval().reconstruct(x)
    bases, codes = NonNegative.iterate(x, block.start, 5)
    expected = bases @ NonNegative.codes(x, bases, codes).transpose(1, 2)
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_light_ham_equals_its_layers():
    block = randomised(LightHam(4, level_channels=[6, 2], channels=8, out_channels=3, bases=2))
    block.context.start.abs_()
    maps = [random_map(2, 4, 8, 6), random_map(2, 6, 4, 3), random_map(2, 2, 2, 2)]
    upsampled = [
        torch.nn.functional.interpolate(each, (8, 6), mode="bilinear") for each in maps[1:]
    ]
    x = block.squeeze(torch.cat([maps[0], *upsampled], dim=1))
    torch.testing.assert_close(block(*maps), block.align(block.context(x)))


def test_gradient_of_light_ham():
    block = randomised(LightHam(2, level_channels=[3], channels=4, out_channels=2, bases=2))
    block.context.start.abs_().add_(0.1)
    assert gradcheck(block, (1, 2, 4, 2), (1, 3, 2, 1))


@pytest.mark.parametrize(
    ("ham", "products", "squares"), [("nmf", 2 * 7 + 3, 2 * 7 + 1), ("vq", 16, 0), ("cd", 16, 1)]
)
def test_costs_by_layer_arithmetic(ham, products, squares):
    c, r, n = 32, 8, 12 * 20
    parameters, macs = costs(Hamburger, (1, c, 12, 20), ham=ham, bases=r)
    assert macs == 2 * n * c**2 + products * n * c * r + squares * (n + c) * r**2
    assert parameters == 2 * c**2 + c + 2 * c


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        (Hamburger, {"ham": "svd"}, "ham"),
        (Hamburger, {"bases": 0}, "bases"),
        (Hamburger, {"iterations": 0}, "iterations"),
        (Hamburger, {"evaluation_iterations": 0}, "evaluation_iterations"),
        (Hamburger, {"gradient": "none"}, "gradient"),
        (LightHam, {"level_channels": []}, "level_channels"),
        (LightHam, {"channels": 0}, "channels"),
    ],
)
def test_wrong_arguments_are_named(kind, arguments, named):
    with pytest.raises(ValueError, match=named):
        kind(8, **arguments)
