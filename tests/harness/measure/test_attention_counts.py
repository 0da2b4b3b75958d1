"""Attention in all the forms that PyTorch gives it: fused, explicit, inside larger operators."""

import pytest
import torch
from counted import count, count_training
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.measure.operators import cost

BATCH, HEADS, QUERIES, KEYS, WIDTH = 2, 3, 5, 7, 8
PAIRS = BATCH * HEADS * QUERIES * KEYS
ATTENTION = PAIRS * WIDTH * 2  # Q K^T and A V


def made(rows, width=WIDTH, heads=HEADS, **options):
    return torch.randn(BATCH, heads, rows, width, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_fused(dtype):
    q, k, v = made(QUERIES, dtype=dtype), made(KEYS, dtype=dtype), made(KEYS, dtype=dtype)
    tally = count(lambda: F.scaled_dot_product_attention(q, k, v))
    assert tally.matmul_macs == ATTENTION
    assert tally.elementwise["softmax"] == PAIRS
    assert not tally.uncounted


def test_explicit():
    q, k, v = made(QUERIES), made(KEYS), made(KEYS)
    with sdpa_kernel(SDPBackend.MATH):
        tally = count(lambda: F.scaled_dot_product_attention(q, k, v))
    assert tally.matmul_macs == ATTENTION
    assert tally.elementwise["softmax"] == PAIRS


def test_three_axes_and_values_of_another_width():
    q, k, v = torch.randn(2, 5, 8), torch.randn(2, 7, 8), torch.randn(2, 7, 4)
    tally = count(lambda: F.scaled_dot_product_attention(q, k, v))
    assert tally.matmul_macs == 2 * 5 * 7 * (8 + 4)


def test_mask_changes_no_product():
    q, mask = made(QUERIES), torch.ones(QUERIES, QUERIES, dtype=torch.bool)
    tally = count(lambda: F.scaled_dot_product_attention(q, q, q, attn_mask=mask))
    assert tally.matmul_macs == BATCH * HEADS * QUERIES * QUERIES * WIDTH * 2


def test_shared_key_heads_count_by_the_heads_of_the_query():
    q, k = made(QUERIES, heads=4), made(KEYS, heads=2)
    tally = count(lambda: F.scaled_dot_product_attention(q, k, k, enable_gqa=True))
    assert tally.matmul_macs == BATCH * 4 * QUERIES * KEYS * WIDTH * 2


def test_fused_backward_recomputes_the_logits():
    """Five products against two: dV, dA, dQ, dK and the logits once more."""
    q, k, v = (made(rows, requires_grad=True) for rows in (QUERIES, KEYS, KEYS))
    tally = count_training(F.scaled_dot_product_attention, q, k, v)
    assert tally.matmul_macs == ATTENTION + 5 * PAIRS * WIDTH


@pytest.mark.parametrize("training", [False, True], ids=["fast path", "slow path"])
@pytest.mark.parametrize("need_weights", [False, True])
def test_multi_head_attention(training, need_weights):
    module = nn.MultiheadAttention(WIDTH, 2, batch_first=True).train(training)
    x = torch.randn(2, 5, WIDTH)
    tally = count(lambda: module(x, x, x, need_weights=need_weights))
    projections, attention = 4 * 10 * WIDTH * WIDTH, 2 * 2 * 5 * 5 * WIDTH
    assert tally.matmul_macs == projections + attention
    assert tally.elementwise["softmax"] == 2 * 2 * 5 * 5
    assert not tally.uncounted


def test_multi_head_attention_between_two_sequences():
    module = nn.MultiheadAttention(WIDTH, 2, batch_first=True).eval()
    x, y = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH)
    tally = count(lambda: module(x, y, y, need_weights=False))
    assert tally.matmul_macs == 2 * (2 * 5 + 2 * 7) * WIDTH * WIDTH + 2 * 2 * 5 * 7 * WIDTH


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_costs_the_same_on_its_fast_path(activation):
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, 0.0, activation, batch_first=True)
    x = torch.randn(2, 5, WIDTH)
    fast = count(lambda: layer.eval()(x))
    slow = count(lambda: layer.train()(x))
    assert fast.matmul_macs == slow.matmul_macs
    assert fast.matmul_macs == 10 * (4 * 64 + 2 * 8 * 16) + 2 * 2 * 5 * 5 * WIDTH
    assert fast.elementwise["softmax"] == slow.elementwise["softmax"]
    assert fast.elementwise["layer_norm"] == slow.elementwise["layer_norm"]
    assert not fast.uncounted


@pytest.mark.parametrize("name", ["efficient", "flash", "cudnn"])
def test_fused_operators_of_other_devices_take_values_of_another_width(name):
    """The rule sees shapes only, so operators that run on CUDA are counted here."""
    operator = getattr(torch.ops.aten, f"_scaled_dot_product_{name}_attention").default
    q, k, v = made(QUERIES), made(KEYS), made(KEYS, width=4)
    call = cost(operator, (q, k, v), {}, made(QUERIES, width=4))
    assert call.matmul_macs == PAIRS * (WIDTH + 4)
    assert dict(call.elementwise) == {"softmax": PAIRS}
