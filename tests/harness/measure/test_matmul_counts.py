"""Matrix products against multiply-accumulates counted by hand."""

import pytest
import torch
from counted import count, count_training
from torch import nn
from torch.nn import functional as F


def random(*shape):
    return torch.randn(shape)


SPARSE = torch.eye(4).to_sparse()

# work, MACs, elements to which a bias is added
PRODUCTS = {
    "mm": (lambda: random(5, 8) @ random(8, 3), 5 * 8 * 3, 0),
    "bmm": (lambda: torch.bmm(random(2, 5, 8), random(2, 8, 3)), 2 * 5 * 8 * 3, 0),
    "broadcast matmul": (lambda: random(2, 4, 5, 8) @ random(8, 3), 8 * 5 * 8 * 3, 0),
    "addmm": (lambda: torch.addmm(random(5, 3), random(5, 8), random(8, 3)), 120, 15),
    "addmm, beta 0": (
        lambda: torch.addmm(random(5, 3), random(5, 8), random(8, 3), beta=0),
        120,
        0,
    ),
    "baddbmm": (lambda: torch.baddbmm(random(2, 5, 3), random(2, 5, 8), random(2, 8, 3)), 240, 30),
    "addbmm": (lambda: torch.addbmm(random(5, 3), random(2, 5, 8), random(2, 8, 3)), 240, 15),
    "mv": (lambda: random(5, 8) @ random(8), 40, 0),
    "addmv": (lambda: torch.addmv(random(5), random(5, 8), random(8)), 40, 5),
    "dot": (lambda: random(8) @ random(8), 8, 0),
    "addmm in place": (lambda: random(5, 3).addmm_(random(5, 8), random(8, 3)), 120, 15),
    "baddbmm in place": (
        lambda: random(2, 5, 3).baddbmm_(random(2, 5, 8), random(2, 8, 3)),
        240,
        30,
    ),
    # Four stored values meet a row each.
    "sparse mm": (lambda: torch.sparse.mm(SPARSE, random(4, 3)), 4 * 3, 0),
    "sparse @": (lambda: SPARSE @ random(4, 3), 4 * 3, 0),
    "sparse @ vector": (lambda: SPARSE @ random(4), 4, 0),
    "integers": (
        lambda: torch._int_mm(torch.ones(32, 8).to(torch.int8), torch.ones(8, 16).to(torch.int8)),
        32 * 8 * 16,
        0,
    ),
    # x1 meets each output's matrix, and what is left meets x2.
    "bilinear": (
        lambda: nn.functional.bilinear(random(5, 4), random(5, 3), random(2, 4, 3)),
        5 * 2 * (4 * 3 + 3),
        0,
    ),
    "linear": (lambda: F.linear(random(2, 5, 8), random(3, 8), random(3)), 240, 30),
    "linear without bias": (lambda: F.linear(random(2, 5, 8), random(3, 8)), 240, 0),
    "einsum": (lambda: torch.einsum("bnd,bmd->bnm", random(2, 5, 8), random(2, 7, 8)), 560, 0),
    "einsum over two axes": (
        lambda: torch.einsum("bchw,bkhw->bck", random(2, 5, 3, 3), random(2, 4, 3, 3)),
        2 * 5 * 4 * 9,
        0,
    ),
    "tensordot": (lambda: torch.tensordot(random(4, 5, 2), random(5, 2, 6), 2), 4 * 10 * 6, 0),
    "multi_dot": (
        # (4, 5) (5, 6) first: 120 + 168; the other order would cost 210 + 140.
        lambda: torch.linalg.multi_dot([random(4, 5), random(5, 6), random(6, 7)]),
        120 + 168,
        0,
    ),
}


@pytest.mark.parametrize(("work", "macs", "bias"), PRODUCTS.values(), ids=PRODUCTS)
def test_macs_and_bias(work, macs, bias):
    tally = count(work)
    assert tally.matmul_macs == macs
    assert tally.conv_macs == 0
    assert tally.elementwise["bias"] == bias
    assert not tally.uncounted


def test_out_argument_counts_as_well():
    out = torch.empty(5, 3)
    assert count(lambda: torch.mm(random(5, 8), random(8, 3), out=out)).matmul_macs == 120


def test_product_written_as_broadcast_is_not_silently_zero():
    """Not a matrix product to PyTorch: the multiplications and the sum are elementwise work."""
    tally = count(lambda: (random(5, 1, 8) * random(1, 7, 8)).sum(-1))
    assert tally.matmul_macs == 0
    assert tally.elementwise == {"mul": 5 * 7 * 8, "reduce": 5 * 7 * 8}
    assert tally.coverage == 1.0


@pytest.mark.parametrize(("p", "rows"), [(1.0, 5), (2.0, 5), (2.0, 26), (2.0, 60)])
def test_distances_take_every_pair_and_column(p, rows):
    tally = count(lambda: torch.cdist(random(2, rows, 8), random(2, 7, 8), p=p))
    assert tally.elementwise["reduce"] == 2 * rows * 7 * 8


def test_backward_of_distances_takes_them_once_more():
    x = random(2, 5, 8).requires_grad_()
    tally = count_training(torch.cdist, x, random(2, 7, 8), 1.0)
    assert not tally.uncounted
    assert tally.elementwise["reduce"] >= 2 * 2 * 5 * 7 * 8


def test_backward_of_a_product_is_two_products():
    a, b = random(5, 8).requires_grad_(), random(8, 3).requires_grad_()
    assert count_training(torch.mm, a, b).matmul_macs == 3 * 120
    assert count_training(torch.mm, a.detach(), b).matmul_macs == 2 * 120


def test_backward_of_a_linear_layer():
    layer = nn.Linear(8, 3)
    assert count_training(layer, random(5, 8)).matmul_macs == 2 * 120
    assert count_training(layer, random(5, 8).requires_grad_()).matmul_macs == 3 * 120


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_a_recurrent_layer_in_training_is_three_times_its_forward(kind, gates, dtype):
    layer = kind(6, 5, batch_first=True).to(dtype)
    x = random(4, 3, 6).to(dtype).requires_grad_()
    forward = gates * 5 * (6 + 5) * 4 * 3
    # The first state is no leaf that asks for a gradient; oneDNN computes it all the same.
    first_state = gates * 5 * 5 * 4
    total = count_training(lambda x: layer(x)[0], x)
    assert total.matmul_macs in (3 * forward, 3 * forward - first_state)
    assert not total.uncounted


def test_a_quantized_layer_is_counted_as_the_layer_it_stands_for():
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no kernels of quantized layers on this machine")
    layer = torch.ao.nn.quantized.dynamic.Linear(8, 3)
    tally = count(lambda: layer(random(5, 8)))
    assert tally.matmul_macs == 120 or tally.uncounted


def test_a_traced_layer_is_counted_as_the_layer_it_was():
    traced = torch.jit.trace(nn.Linear(8, 3), random(5, 8))
    for _ in range(3):  # the interpreter optimises after two
        assert count(lambda: traced(random(5, 8))).matmul_macs == 120
