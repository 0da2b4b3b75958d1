import pytest
import torch

from context_modules.interlaced import InterlacedSelfAttention
from context_modules.relation_matrices import relation_matrices
from context_modules.self_attention import SelfAttention

SIZES = [(4, 6), (5, 7), (3, 8)]


def sharpened(module):
    """Seeded weights large enough that the relations differ from uniform ones."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return module.double().eval()


def random_map(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def every_pixel(height, width):
    return [(i, j) for i in range(height) for j in range(width)]


def applied(matrix, stage, x):
    """rho(W delta(X)): (B, pixels, H, W) of all pixels as the matrix W."""
    rows = matrix.flatten(2) @ stage.value(x).flatten(2).transpose(1, 2)
    return stage.output(rows.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[-2:]))


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", ["global_local", "local_global"])
def test_the_matrices_are_those_that_the_stages_apply(size, order):
    module = sharpened(InterlacedSelfAttention(4, groups=(2, 3), order=order))
    x = random_map(2, 4, *size)
    relations = relation_matrices(module, x, every_pixel(*size))
    by_scope = {"global": relations.global_relation, "local": relations.local_relation}
    middle = applied(by_scope[module.stages[0].scope], module.stages[0], x)
    end = applied(by_scope[module.stages[1].scope], module.stages[1], middle)
    torch.testing.assert_close(middle, module.stages[0](x))
    torch.testing.assert_close(end, module(x))


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("order", ["global_local", "local_global"])
def test_dense_relation_is_the_product(size, order):
    """Eq. 9: the rows of W are those of the second stage times the first."""
    module = sharpened(InterlacedSelfAttention(4, groups=(2, 3), order=order))
    dense, wide, near = relation_matrices(module, random_map(2, 4, *size), every_pixel(*size))
    first, second = (wide, near) if order == "global_local" else (near, wide)
    torch.testing.assert_close(dense.flatten(2), second.flatten(2) @ first.flatten(2))
    torch.testing.assert_close(dense.sum((-2, -1)), torch.ones(2, size[0] * size[1]).double())


@torch.no_grad()
@pytest.mark.parametrize("order", ["global", "local"])
def test_a_single_stage(order):
    module = sharpened(InterlacedSelfAttention(4, groups=(2, 3), order=order))
    dense, wide, near = relation_matrices(module, random_map(1, 4, 4, 6), [(2, 1), (0, 5)])
    present, absent = (wide, near) if order == "global" else (near, wide)
    assert absent is None
    torch.testing.assert_close(dense, present, rtol=0, atol=0)
    shares_remainder = torch.zeros(4, 6, dtype=torch.bool)
    if order == "global":
        shares_remainder[0::2, 1::3] = True
    else:
        shares_remainder[2:4, 0:3] = True
    torch.testing.assert_close(present[0, 0] > 0, shares_remainder)


@torch.no_grad()
def test_self_attention_has_a_dense_relation_only():
    module = sharpened(SelfAttention(4))
    x = random_map(2, 4, 3, 5)
    dense, wide, near = relation_matrices(module, x, every_pixel(3, 5))
    assert wide is None
    assert near is None
    torch.testing.assert_close(applied(dense, module, x), module(x))


@pytest.mark.parametrize(
    ("module", "pixels", "message"),
    [
        (SelfAttention(4), [], "pixels"),
        (SelfAttention(4), [(0, 6)], "outside"),
        (SelfAttention(4), [(-1, 0)], "outside"),
        (SelfAttention(4, regions=2), [(0, 0)], "regions"),
        (SelfAttention(4, key_stride=2), [(0, 0)], "key_stride"),
        (InterlacedSelfAttention(4, regions=2), [(0, 0)], "regions"),
    ],
)
def test_what_has_no_matrix_is_refused(module, pixels, message):
    with pytest.raises(ValueError, match=message):
        relation_matrices(module, torch.zeros(1, 4, 6, 6), pixels)
