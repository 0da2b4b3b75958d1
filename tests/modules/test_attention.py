import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from context_modules import attention
from context_modules import attention as attention_module
from context_modules.attention import attend, relation

SIZES = st.integers(1, 6)
BATCHES = st.sampled_from([(), (2,), (2, 3), (1, 2, 3)])


def random_rows(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def looped(query, key, value, scale, mask):
    """One query and one key after the other."""
    out = torch.zeros(query.shape[0], value.shape[1], dtype=query.dtype)
    for i in range(len(query)):
        seen = [j for j in range(len(key)) if mask is None or mask[i, j]]
        weights = [math.exp(float(query[i] @ key[j]) * scale) for j in seen]
        out[i] = sum(w / sum(weights) * value[j] for w, j in zip(weights, seen, strict=True))
    return out


@given(BATCHES, SIZES, SIZES, SIZES, SIZES, st.booleans(), st.sampled_from([None, 1.0, 0.3]))
@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize("kernel", ["explicit", "fused"])
def test_equals_a_loop(kernel, batch, queries, keys, depth, width, masked, scale):
    query = random_rows(*batch, queries, depth, seed=1)
    key, value = random_rows(*batch, keys, depth, seed=2), random_rows(*batch, keys, width, seed=3)
    mask = None
    if masked:
        mask = random_rows(queries, keys, seed=4) > 0
        mask[:, 0] = True
    actual = attend(query, key, value, scale=scale, mask=mask, kernel=kernel)
    factor = depth**-0.5 if scale is None else scale
    flat = [x.reshape(-1, *x.shape[-2:]) for x in (query, key, value)]
    expected = torch.stack([looped(*one, factor, mask) for one in zip(*flat, strict=True)])
    torch.testing.assert_close(actual, expected.reshape(*batch, queries, width))


@given(SIZES, SIZES)
@settings(deadline=None, max_examples=20)
def test_relation_rows_sum_to_one(queries, keys):
    query, key = random_rows(2, queries, 3, seed=1), random_rows(2, keys, 3, seed=2)
    weights = relation(100 * query, key)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, queries).double())


@pytest.mark.parametrize("kernel", ["explicit", "fused"])
def test_a_mask_may_differ_between_groups(kernel):
    query = random_rows(2, 3, 4, 5, seed=1)
    mask = torch.ones(1, 3, 1, 4, dtype=torch.bool)
    mask[:, 1, :, 2:] = False
    out = attend(query, query, query, mask=mask, kernel=kernel)
    torch.testing.assert_close(out[:, 0], attend(query[:, 0], query[:, 0], query[:, 0]))
    seen = query[:, 1, :2]
    torch.testing.assert_close(out[:, 1], attend(query[:, 1], seen, seen))


@pytest.mark.parametrize("block", [3, 20, 200])
@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("batch", [(), (2,), (1, 2, 3)])
def test_blocks_give_the_function_and_its_gradients(monkeypatch, batch, rows, block):
    """Values of another width, queries that no block divides, a mask of one row or of each."""
    monkeypatch.setattr(attention, "BLOCK", block)
    leaves = [
        random_rows(*batch, *shape, seed=seed).requires_grad_()
        for seed, shape in enumerate([(7, 5), (9, 5), (9, 4)])
    ]
    mask = None
    if rows:
        mask = random_rows(rows, 9, seed=4) > 0
        mask[:, 0] = True
    explicit, fused = (attend(*leaves, mask=mask, kernel=each) for each in ("explicit", "fused"))
    near = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(fused, explicit, **near)
    incoming = random_rows(*explicit.shape, seed=5)
    pairs = zip(
        *(torch.autograd.grad(out, leaves, incoming) for out in (explicit, fused)), strict=True
    )
    for expected, actual in pairs:
        torch.testing.assert_close(actual, expected, **near)
    with torch.no_grad():
        torch.testing.assert_close(attend(*leaves, mask=mask, kernel="fused"), explicit, **near)


@pytest.mark.parametrize("width", [8, 24])
def test_fused_memory_is_linear_on_the_cpu(width):
    """Of 1024 positions a relation matrix has a million entries."""
    query = torch.randn(1, 1024, 8)
    value = torch.randn(1, 1024, width)
    largest = Largest()
    with torch.no_grad(), largest:
        attend(query, query, value, kernel="fused")
    assert largest.numbers <= attention.BLOCK


class Largest(TorchDispatchMode):
    """Notes the most elements that an operator gave."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves(out) if isinstance(each, torch.Tensor)]
        self.numbers = max([self.numbers, *(each.numel() for each in given)])
        return out


def test_blocks_of_keys_round_no_sum_in_half_precision(monkeypatch):
    monkeypatch.setattr(attention_module, "BLOCK", 2**9)  # many blocks of two keys
    draw = torch.Generator().manual_seed(7)
    query, key, value = (torch.randn(1, 300, n, generator=draw).bfloat16() for n in (4, 4, 6))
    exact = attend(query.double(), key.double(), value.double().abs() + 1)
    found = attend(query, key, value.abs() + 1, kernel="fused")
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, rtol=1e-2, atol=0)
