import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from context_modules.point_wise_spatial import (
    PointwiseSpatialAttention,
    PSABranch,
    PSANet,
    pairwise_attention,
)
from harness.measure.memory import LivePeak

sides = st.integers(1, 5)


def read_one_by_one(overcomplete, size):
    """a_ij = o_i[j - i], position by position."""
    (rows, columns), (batch, _, height, width) = size, overcomplete.shape
    maps = overcomplete.reshape(batch, 2 * rows - 1, 2 * columns - 1, height, width)
    out = overcomplete.new_empty(batch, height * width, height * width)
    for y in range(height):
        for x in range(width):
            for v in range(height):
                for u in range(width):
                    out[:, y * width + x, v * width + u] = maps[
                        :, v - y + rows - 1, u - x + columns - 1, y, x
                    ]
    return out


@settings(deadline=None, max_examples=40)
@given(batch=st.integers(1, 2), map_size=st.tuples(sides, sides), slack=st.tuples(sides, sides))
def test_every_pair_reads_the_value_of_its_offset(batch, map_size, slack):
    height, width = map_size
    size = (height + slack[0] - 1, width + slack[1] - 1)
    channels = (2 * size[0] - 1) * (2 * size[1] - 1)
    # Every value differs, so that one wrong index shows.
    count = batch * channels * height * width
    overcomplete = torch.arange(count, dtype=torch.float64).reshape(batch, channels, height, width)
    assert torch.equal(pairwise_attention(overcomplete, size), read_one_by_one(overcomplete, size))


def test_memory_layout_does_not_matter():
    torch.manual_seed(0)
    overcomplete = torch.randn(3, 35, 3, 4)
    expected = pairwise_attention(overcomplete, (3, 4))
    last = overcomplete.to(memory_format=torch.channels_last)
    assert torch.equal(pairwise_attention(last, (3, 4)), expected)
    assert torch.equal(pairwise_attention(overcomplete[1:], (3, 4)), expected[1:])


@settings(deadline=None, max_examples=15)
@given(map_size=st.tuples(sides, sides), slack=st.integers(0, 1), seed=st.integers(0, 2**16))
def test_backward_is_the_adjoint_of_reading(map_size, slack, seed):
    torch.manual_seed(seed)
    size = (map_size[0] + slack, map_size[1] + slack)
    channels = (2 * size[0] - 1) * (2 * size[1] - 1)
    overcomplete = torch.randn(2, channels, *map_size, dtype=torch.float64, requires_grad=True)
    pairs = pairwise_attention(overcomplete, size)
    other = torch.randn_like(pairs)
    (written,) = torch.autograd.grad(pairs, overcomplete, other)
    torch.testing.assert_close((written * overcomplete).sum(), (other * pairs).sum())
    # Each value of the N x N matrix has a place of its own, and all the others get nothing.
    assert int(written.count_nonzero()) == other.numel()


def test_gradients_of_reading():
    torch.manual_seed(0)
    overcomplete = torch.randn(2, 15, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda o: pairwise_attention(o, (2, 3)), overcomplete)
    assert torch.autograd.gradgradcheck(lambda o: pairwise_attention(o, (2, 3)), overcomplete)


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 14, 2, 3), (2, 3)), ((1, 15, 3, 3), (2, 3)), ((1, 15, 2, 4), (2, 3))]
)
def test_reading_refuses_maps_of_another_size(shape, size):
    with pytest.raises(ValueError, match="overcomplete"):
        pairwise_attention(torch.zeros(shape), size)


def branch(direction, normalization="softmax", compact=False):
    torch.manual_seed(3)
    built = PSABranch(
        5,
        channels=4,
        size=(3, 4),
        direction=direction,
        normalization=normalization,
        compact=compact,
    )
    return built.double().eval()


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("normalization", ["softmax", "mean"])
@pytest.mark.parametrize("direction", ["collect", "distribute"])
def test_a_branch_is_the_papers_sum(direction, normalization, compact):
    built = branch(direction, normalization, compact)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    reduced = built.reduce(x)
    values = built.adapt(reduced)
    a = values.flatten(2).transpose(1, 2) if compact else read_one_by_one(values, (3, 4))
    features, positions = reduced.flatten(2), 12
    expected = torch.zeros_like(features)
    for b in range(2):
        for i in range(positions):
            if direction == "collect":
                weights = [a[b, i, j] for j in range(positions)]
            else:
                weights = [a[b, j, i] for j in range(positions)]
            if normalization == "softmax":
                total = sum(w.exp() for w in weights)
                weights = [w.exp() / total for w in weights]
            else:
                weights = [w / positions for w in weights]
            for j in range(positions):
                expected[b, :, i] += weights[j] * features[b, :, j]
    torch.testing.assert_close(built(x, (3, 4)), expected.reshape(reduced.shape))


def test_the_factor_of_the_released_code_is_that_of_the_largest_map():
    mean, offsets = branch("collect", "mean"), branch("collect", "offsets")
    x = torch.randn(2, 5, 2, 4, dtype=torch.float64)
    expected = mean(x, (2, 4)) * 8 / (5 * 7)
    torch.testing.assert_close(offsets(x, (2, 4)), expected)


def test_collect_and_distribute_are_transposes():
    collect, distribute = branch("collect", "mean"), branch("distribute", "mean")
    distribute.load_state_dict(collect.state_dict())
    x = torch.randn(1, 5, 3, 4, dtype=torch.float64)
    features = collect.reduce(x).flatten(2)[0]  # (C, N)
    collected = collect(x, (3, 4)).flatten(2)[0]
    distributed = distribute(x, (3, 4)).flatten(2)[0]
    # X (X A^T)^T = (X A) X^T: what is collected by A is distributed by its transpose.
    torch.testing.assert_close(features @ collected.T, distributed @ features.T)
    assert not torch.allclose(collected, distributed)


@pytest.mark.parametrize("direction", ["collect", "distribute"])
def test_softmax_is_over_the_sources(direction):
    built = branch(direction)
    torch.nn.init.zeros_(built.reduce[1].weight)
    torch.nn.init.constant_(built.reduce[1].bias, 0.7)
    torch.nn.init.ones_(built.adapt[1].weight)
    out = built(torch.randn(1, 5, 3, 4, dtype=torch.float64), (3, 4))
    torch.testing.assert_close(out, torch.full_like(out, 0.7))


@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_the_module_keeps_the_input_beside_the_context(shrink):
    torch.manual_seed(0)
    module = PointwiseSpatialAttention(6, input_size=(7, 4), channels=4, shrink=shrink)
    module = module.double().eval()
    x = torch.randn(2, 6, 7, 4, dtype=torch.float64)
    size = {1: (7, 4), 2: (4, 2), 3: (3, 2)}[shrink]
    z = torch.cat([module.branches[name](x, size) for name in ("collect", "distribute")], dim=1)
    context = F.interpolate(module.project(z), size=(7, 4), mode="bilinear", align_corners=True)
    torch.testing.assert_close(module(x), torch.cat([x, context], dim=1))


def test_shrinking_happens_on_the_reduced_features():
    built = branch("collect")
    x = torch.randn(1, 5, 5, 7, dtype=torch.float64)
    shrunk = F.interpolate(built.reduce(x), size=(3, 4), mode="bilinear", align_corners=True)
    weights = read_one_by_one(built.adapt(shrunk), (3, 4)).softmax(2)
    expected = (shrunk.flatten(2) @ weights.transpose(1, 2)).reshape(shrunk.shape)
    torch.testing.assert_close(built(x, (3, 4)), expected)


@pytest.mark.parametrize("direction", ["collect", "distribute", "both"])
def test_gradients(direction):
    torch.manual_seed(0)
    head = PSANet(3, input_size=(3, 2), channels=3, out_channels=2, shrink=1, direction=direction)
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(head.double(), x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(9, 5), (4, 8)])
@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize("compact", [False, True])
def test_trains_in_every_type_and_size(dtype, size, shrink, compact):
    torch.manual_seed(0)
    head = PSANet(
        8, input_size=size, channels=4, out_channels=6, shrink=shrink, compact=compact
    ).to(dtype)
    x = torch.randn(2, 8, *size, dtype=dtype, requires_grad=True)
    out = head(x)
    assert out.shape == (2, 6, *size)
    assert out.dtype == dtype
    out.square().mean().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_smaller_maps_use_the_offsets_that_occur():
    torch.manual_seed(0)
    head = PSANet(6, input_size=[7, 9], channels=4, out_channels=3, shrink=1).double().eval()
    x = torch.randn(1, 6, 4, 5, dtype=torch.float64)
    exact = PSANet(6, input_size=[4, 5], channels=4, out_channels=3, shrink=1).double().eval()
    state = head.state_dict()
    for name in ("collect", "distribute"):
        key = f"attention.branches.{name}.adapt.1.weight"
        # The offsets of the small map are the middle of those of the large one.
        middle = state[key].reshape(13, 17, 4)[3:10, 4:13]
        state[key] = middle.reshape(63, 4, 1, 1)
    exact.load_state_dict(state)
    torch.testing.assert_close(head(x), exact(x))


@pytest.mark.parametrize(
    ("shrink", "params", "macs"), [(2, 33_236_992, 232.6515e9), (1, 61_745_152, 671.5274e9)]
)
def test_costs_at_ranet_table_3(shrink, params, macs):
    with FakeTensorMode(), torch.no_grad():
        head = PSANet(2048, input_size=(97, 97), shrink=shrink).eval()
        with FlopCounterMode(display=False) as counter:
            head(torch.empty(1, 2048, 97, 97))
    assert sum(p.numel() for p in head.parameters()) == params
    assert counter.get_total_flops() / 2 == pytest.approx(macs, rel=1e-6)


def test_the_overcomplete_map_does_not_outlive_its_reading():
    with FakeTensorMode(), torch.no_grad():
        head = PSANet(64, input_size=(49, 49), channels=16, out_channels=8, shrink=1).eval()
        x = torch.empty(1, 64, 49, 49)
        peak = LivePeak([x, *head.parameters(), *head.buffers()])
        with peak:
            head(x)
    positions = 49 * 49
    overcomplete, matrix = 97 * 97 * positions * 4, positions**2 * 4
    # One over-complete map and the matrix read from it; the features (2 %) come on top.
    assert overcomplete + matrix <= peak.peak_bytes < 1.03 * (overcomplete + matrix)


def test_names_a_map_that_does_not_fit():
    head = PSANet(4, input_size=(5, 6), channels=2, out_channels=2)
    with pytest.raises(ValueError, match=r"\(6, 6\) exceeds input_size \(5, 6\)"):
        head(torch.zeros(2, 4, 6, 6))
    compact = PSANet(4, input_size=(5, 6), channels=2, out_channels=2, compact=True)
    with pytest.raises(ValueError, match="compact=False"):
        compact(torch.zeros(2, 4, 4, 6))


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_size": (5,)},
        {"input_size": (0, 5)},
        {"shrink": 0},
        {"direction": "sideways"},
        {"normalization": "none"},
    ],
)
def test_names_a_wrong_argument(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        PSANet(4, **({"input_size": (5, 5)} | arguments))
