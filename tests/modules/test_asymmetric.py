"""APNB and AFNB against the paper's formulas, and their costs as a head."""

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.asymmetric import AFNB, APNB, APNBHead, AsymmetricNonLocal, sample


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter and statistic away from its start: a W_O of 0 would hide the rest."""
    generator = torch.Generator().manual_seed(seed)
    for x in module.state_dict().values():
        if x.is_floating_point():
            x.copy_(torch.rand(x.shape, generator=generator) - 0.3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.abs_().add_(0.5)
    return module.double().eval()


def plain_sample(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Bins of n x n average pooling: from floor(i H / n) to ceil((i + 1) H / n) on each side."""
    height, width = x.shape[2:]
    bins = []
    for n in sizes:
        for i in range(n):
            for j in range(n):
                rows = slice(i * height // n, -(-(i + 1) * height // n))
                columns = slice(j * width // n, -(-(j + 1) * width // n))
                bins.append(x[:, :, rows, columns].mean(dim=(2, 3)))
    return torch.stack(bins, dim=1)


def plain(block: APNB | AFNB, low: Tensor, high: Tensor, theta: nn.Module) -> Tensor:
    key = plain_sample(theta(low), block.pool_sizes)
    value = plain_sample(block.value(low), block.pool_sizes)
    query = block.query(high)
    logits = torch.einsum("bdhw,bsd->bhws", query, key) / query.shape[1] ** 0.5
    context = torch.einsum("bhws,bsd->bdhw", logits.softmax(-1), value)
    return block.fuse(torch.cat((block.output(context), high), dim=1))


@pytest.mark.parametrize("size", [(9, 13), (16, 16), (1, 7)])
def test_sampling_averages_the_bins_of_every_level(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    anchors = sample(x, (1, 3, 6, 8))
    assert anchors.shape == (2, 110, 3)
    torch.testing.assert_close(anchors, plain_sample(x, (1, 3, 6, 8)))


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("kernel", ["explicit", "fused"])
def test_apnb_equals_its_formulas(share, kernel):
    block = randomised(APNB(6, share_query_key=share, value_channels=5, kernel=kernel))
    x = torch.randn(2, 6, 9, 13, dtype=torch.float64)
    expected = plain(block, x, x, block.query if share else block.key)
    torch.testing.assert_close(block(x), expected)


def test_afnb_equals_its_formulas_with_levels_of_two_sizes():
    block = randomised(AFNB(6, high_channels=10, out_channels=7, key_channels=4, value_channels=3))
    low = torch.randn(2, 6, 18, 15, dtype=torch.float64)
    high = torch.randn(2, 10, 9, 8, dtype=torch.float64)
    y = block(low, high)
    assert y.shape == (2, 7, 9, 8)
    torch.testing.assert_close(y, plain(block, low, high, block.key))


def test_apnb_that_samples_every_position_is_dense_attention():
    block = randomised(APNB(6, pool_sizes=(8,)))
    x = torch.randn(2, 6, 8, 8, dtype=torch.float64)
    query, value = block.query(x).flatten(2), block.value(x).flatten(2)
    weights = (query.transpose(1, 2) @ query / 3**0.5).softmax(-1)
    context = (value @ weights.transpose(1, 2)).unflatten(2, (8, 8))
    expected = block.fuse(torch.cat((block.output(context), x), dim=1))
    torch.testing.assert_close(block(x), expected)


def test_fusion_starts_without_context():
    torch.manual_seed(0)
    block = AFNB(4, high_channels=6, key_channels=2, value_channels=2).eval()
    high = torch.randn(1, 6, 5, 5)
    one, other = (block(torch.randn(1, 4, 5, 5), high) for _ in range(2))
    assert torch.equal(one, other)


def test_gradcheck():
    apnb = randomised(APNB(4, pool_sizes=(1, 2)))
    afnb = randomised(AFNB(2, key_channels=2, value_channels=2, pool_sizes=(1, 2)))
    x = torch.randn(1, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    low = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(apnb, (x,))
    assert torch.autograd.gradcheck(afnb, (low, x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_trains_on_odd_sizes(dtype):
    torch.manual_seed(0)
    head = AsymmetricNonLocal(8, channels=8, key_channels=4).to(dtype)
    low = torch.randn(2, 8, 11, 7, dtype=dtype, requires_grad=True)
    high = torch.randn(2, 16, 11, 7, dtype=dtype, requires_grad=True)
    y = head(low, high)
    y.float().square().mean().backward()
    assert y.shape == (2, 8, 11, 7)
    assert y.dtype == dtype
    assert torch.isfinite(y).all()
    assert torch.isfinite(high.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())


@pytest.mark.parametrize(
    ("build", "shapes", "parameters", "conv", "matmul"),
    [
        # 3x3 2048->512; query, value 512->256; W_O 256->512; fuse 1024->512. N = 97^2, 110 anchors.
        (lambda: APNBHead(2048), [(1, 2048, 97, 97)], 10.358016, 97.427, 0.530),
        # AFNB more: query 2048->256; key, value 1024->256; W_O 256->2048; fuse 4096->2048.
        (
            lambda: AsymmetricNonLocal(1024),
            [(1, 1024, 97, 97), (1, 2048, 97, 97)],
            20.326912,
            191.155,
            1.060,
        ),
    ],
)
def test_costs_of_the_heads(build, shapes, parameters, conv, matmul):
    """RANet's Table 3 at 97x97, GMAC: its row fits no head; these are the standard heads."""
    with FakeTensorMode(), torch.no_grad():
        head = build().eval()
        inputs = [torch.empty(shape) for shape in shapes]
        with FlopCounterMode(display=False) as counter:
            assert head(*inputs).shape == (1, 512, 97, 97)
    counts = {str(op): flops / 2e9 for op, flops in counter.get_flop_counts()["Global"].items()}
    assert sum(p.numel() for p in head.parameters()) / 1e6 == pytest.approx(parameters, rel=1e-9)
    assert counts.pop("aten.convolution") == pytest.approx(conv, abs=1e-3)
    assert sum(counts.values()) == pytest.approx(matmul, abs=1e-3)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: APNB(8, pool_sizes=()), "pool_sizes"),
        (lambda: APNB(8, pool_sizes=(1, 0)), "pool_sizes"),
        (lambda: APNB(8, key_channels=0), "key_channels"),
        (lambda: APNB(8, dropout=1.5), "dropout"),
        (lambda: AFNB(8, high_channels=-1), "high_channels"),
        (lambda: APNBHead(8, channels=0), "channels"),
    ],
)
def test_wrong_arguments_are_named(build, named):
    with pytest.raises(ValueError, match=named):
        build()


def test_pool_sizes_may_be_a_list():
    assert sample(torch.zeros(1, 2, 8, 8), APNB(2, pool_sizes=[1, 2]).pool_sizes).shape[1] == 5


def test_biases_of_the_released_code_change_the_count_alone():
    """3,840 parameters in front of batch norms, which take them out again."""
    torch.manual_seed(0)
    plain, biased = AsymmetricNonLocal(8), AsymmetricNonLocal(8, biases=True)
    missing = biased.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing
    assert all(name.endswith("bias") for name in missing)
    low, high = torch.randn(2, 8, 5, 7), torch.randn(2, 16, 5, 7)
    torch.testing.assert_close(biased.eval()(low, high), plain.eval()(low, high))
    for name, parameter in biased.named_parameters():
        if name in missing:
            torch.nn.init.normal_(parameter)
    for each in (plain, biased):  # statistics of the batch
        each.train()
        for layer in each.modules():
            if isinstance(layer, torch.nn.Dropout2d):
                layer.p = 0.0
    torch.testing.assert_close(biased(low, high), plain(low, high), rtol=1e-4, atol=1e-4)
    with FakeTensorMode():
        count = sum(p.numel() for p in AsymmetricNonLocal(1024, biases=True).parameters())
    assert count == 20_330_752
