"""GGCF against the paper's equations, written as dense masked sums over all pairs."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.context_pruning import ContextPruning
from context_modules.graph_attention import graph_attend
from context_modules.graph_guided import GraphGuidedContextFusion
from context_modules.head_graph import Local, expand_heads, parse_head
from context_modules.trainable_edges import TrainableEdges, edges_between
from harness.measure.memory import LivePeak

GIBI = 2**30
LOCAL_AND_GRID = ("{LOCAL,GRID}_{8,16,24}",)


def edge(name: str, dy: int, dx: int) -> bool:
    """Eq. 4 and 5 for one pair, word by word."""
    if name == "FULL":
        return True
    kind, size = name.split("_")
    if kind == "LOCAL":
        return max(abs(dx), abs(dy)) <= int(size)
    return dx % int(size) == 0 and dy % int(size) == 0


def dense_edges(name: str, height: int, width: int) -> Tensor:
    positions = [(y, x) for y in range(height) for x in range(width)]
    return torch.tensor(
        [[edge(name, j[0] - i[0], j[1] - i[1]) for j in positions] for i in positions]
    )


def plain(module: GraphGuidedContextFusion, names: tuple[str, ...], x: Tensor) -> Tensor:
    """Eq. 3 over all pairs, with exp as printed."""
    batch, _, height, width = x.shape
    rows = x.flatten(2).transpose(1, 2)

    def project(conv: nn.Conv2d, z: Tensor) -> Tensor:
        return z @ conv.weight.flatten(1).T

    y = torch.zeros(())
    for head, name in zip(module.heads, names, strict=True):
        logits = project(head.theta, rows) @ project(head.phi, rows).transpose(1, 2)
        affinity = torch.exp(
            logits * (1.0 if module.scale == 1.0 else head.theta.out_channels**-0.5)
        )
        if name == "TRAINABLE":
            table = head.edges(height, width)
            at = [(y_, x_) for y_ in range(height) for x_ in range(width)]
            weight = torch.stack(
                [
                    torch.stack(
                        [table[i[0] - j[0] + height - 1, i[1] - j[1] + width - 1] for j in at]
                    )
                    for i in at
                ]
            )
        else:
            weight = dense_edges(name, height, width)
        weighted = weight * affinity
        context = (weighted / weighted.sum(-1, keepdim=True)) @ project(module.g, rows)
        y = y + project(head.fuse, context)
    return y.transpose(1, 2).reshape(batch, -1, height, width)


names = st.one_of(
    st.just("FULL"),
    st.integers(0, 9).map(lambda size: f"LOCAL_{size}"),
    st.integers(1, 9).map(lambda size: f"GRID_{size}"),
)


@settings(deadline=None, max_examples=40)
@given(
    heads=st.lists(names, min_size=1, max_size=3).map(tuple),
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    batch=st.integers(1, 2),
    kernel=st.sampled_from(["fused", "explicit"]),
    block_keys=st.sampled_from([1, 30, 2**14]),
    scaled=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_graph_equals_the_dense_masked_sum(
    heads, height, width, batch, kernel, block_keys, scaled, seed
):
    torch.manual_seed(seed)
    module = GraphGuidedContextFusion(
        6, heads=heads, key_channels=4, value_channels=5, out_channels=3,
        kernel=kernel, block_keys=block_keys, scaled=scaled,
    )  # fmt: skip
    x = torch.randn(batch, 6, height, width)
    torch.testing.assert_close(module(x), plain(module, heads, x), atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=12)
@given(size=st.tuples(st.integers(18, 37), st.integers(18, 37)), radius=st.integers(0, 5))
def test_tiles_that_overlap_and_windows_that_shift_leave_local_exact(size, radius):
    height, width = size
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, height * width, 3, dtype=torch.float64) for _ in range(3))
    graph = Local(radius)
    weights = torch.exp(q @ k.transpose(1, 2)) * graph.adjacency(height, width)
    expected = weights / weights.sum(-1, keepdim=True) @ v
    torch.testing.assert_close(graph_attend(q, k, v, graph, size), expected)


@settings(deadline=None, max_examples=30)
@given(name=names, height=st.integers(1, 12), width=st.integers(1, 12))
def test_adjacency_and_neighbour_counts_follow_equations_4_and_5(name, height, width):
    dense = dense_edges(name, height, width)
    graph = parse_head(name)
    assert torch.equal(graph.adjacency(height, width), dense)
    counted = graph.neighbours(height, width)
    assert sorted(counted.elements()) == sorted(dense.sum(-1).tolist())


@settings(deadline=None, max_examples=20)
@given(name=names, size=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_gradients_reach_exactly_the_neighbours(name, size):
    height, width = size
    torch.manual_seed(1)
    positions = height * width
    q, k = (torch.randn(1, positions, 2, dtype=torch.float64) for _ in range(2))
    v = torch.zeros(1, positions, 1, dtype=torch.float64, requires_grad=True)

    def attend_to(value):
        return graph_attend(q, k, value, parse_head(name), size)[0, :, 0]

    jacobian = torch.autograd.functional.jacobian(attend_to, v)[:, 0, :, 0]
    assert torch.equal(jacobian != 0, dense_edges(name, height, width))


def test_gradients_equal_those_of_the_dense_sum():
    torch.manual_seed(0)
    heads = ("LOCAL_2", "GRID_3", "TRAINABLE")
    module = GraphGuidedContextFusion(4, heads=heads, block_keys=40).double()
    x = torch.randn(2, 4, 11, 9, dtype=torch.float64)
    parameters = list(module.parameters())
    ours = torch.autograd.grad(module(x).square().sum(), parameters)
    plainly = torch.autograd.grad(plain(module, heads, x).square().sum(), parameters)
    for got, expected in zip(ours, plainly, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("head", ["FULL", "LOCAL_1", "GRID_2", "TRAINABLE"])
@pytest.mark.parametrize("kernel", ["fused", "explicit"])
def test_gradcheck(head, kernel):
    torch.manual_seed(0)
    module = GraphGuidedContextFusion(2, heads=(head,), kernel=kernel).double()
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_affinities_stay_finite_forward_and_backward(dtype):
    torch.manual_seed(0)
    heads = ("FULL", "LOCAL_2", "GRID_3", "TRAINABLE")
    module = GraphGuidedContextFusion(16, heads=heads).to(dtype)
    x = (40 * torch.randn(2, 16, 9, 7)).to(dtype).requires_grad_()
    y = module(x)
    y.float().square().mean().backward()
    assert y.dtype == dtype
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_trainable_edges_weigh_the_affinities():
    torch.manual_seed(0)
    module = GraphGuidedContextFusion(4, heads=("TRAINABLE",)).double()
    with torch.no_grad():  # far from constant edges
        module.heads[0].edges.second.weight.mul_(20)
    x = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(module, ("TRAINABLE",), x))


def test_edge_table_is_the_network_of_every_offset():
    torch.manual_seed(0)
    edges, (height, width) = TrainableEdges(8), (3, 5)
    everywhere = torch.arange(height * width)
    got = edges_between(edges(height, width), everywhere, everywhere, (height, width))
    for i, j in ((0, 14), (14, 0), (7, 3), (6, 6)):
        dy, dx = i // width - j // width, i % width - j % width
        offset = torch.tensor([dx, dy, math.hypot(dx, dy)]) / 5
        expected = torch.nn.functional.softplus(edges.second(torch.relu(edges.first(offset))))
        torch.testing.assert_close(got[i, j], expected[0])
    assert (got > 0).all()


@settings(deadline=None, max_examples=40)
@given(count=st.integers(1, 5000), percent=st.integers(0, 99))
def test_kept_contexts_are_the_exact_ceiling(count, percent):
    pruning = ContextPruning(rate=percent / 100)
    exact = -((percent - 100) * count // 100)
    assert pruning.kept(count) == exact
    assert pruning.kept_of(torch.tensor([count])).item() == exact


@settings(deadline=None, max_examples=25)
@given(
    name=names,
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    pruning=st.one_of(
        st.integers(0, 95).map(lambda percent: ContextPruning(rate=percent / 100)),
        st.integers(1, 12).map(lambda keep: ContextPruning(keep=keep)),
    ),
)
@example(name="LOCAL_2", size=(7, 9), pruning=ContextPruning(rate=0.5))
@example(name="LOCAL_1", size=(9, 4), pruning=ContextPruning(keep=5))
@example(name="GRID_2", size=(9, 5), pruning=ContextPruning(rate=0.7))
def test_pruning_keeps_the_top_of_each_positions_own_neighbours(name, size, pruning):
    height, width = size
    torch.manual_seed(2)
    q, k, v = (torch.randn(1, height * width, 3, dtype=torch.float64) for _ in range(3))
    affinity = torch.exp(q @ k.transpose(1, 2))[0]
    expected = torch.zeros(height * width, 3, dtype=torch.float64)
    for i, neighbours in enumerate(dense_edges(name, height, width)):
        listed = neighbours.nonzero()[:, 0].tolist()
        best = sorted(listed, key=lambda j: affinity[i, j].item(), reverse=True)
        best = best[: pruning.kept(len(listed))]
        expected[i] = affinity[i, best] @ v[0, best] / affinity[i, best].sum()
    got = graph_attend(q, k, v, parse_head(name), size, pruning=pruning, block_keys=50)
    torch.testing.assert_close(got[0], expected)


def test_random_pruning_keeps_as_many_but_others():
    torch.manual_seed(0)
    size, graph = (6, 7), parse_head("LOCAL_2")
    q, k = (torch.randn(1, 42, 3) for _ in range(2))
    one_hot = torch.eye(42)[None]  # the values make the weights visible

    def kept(order):
        pruning = ContextPruning(rate=0.5, order=order)
        return graph_attend(q, k, one_hot, graph, size, pruning=pruning)[0] > 0

    top, first, second = kept("affinity"), kept("random"), kept("random")
    edges = graph.adjacency(*size)
    assert torch.equal(first.sum(-1), top.sum(-1))
    assert (first <= edges).all()
    assert not torch.equal(first, top)
    assert not torch.equal(first, second)


def test_pruning_acts_in_eval_mode_alone():
    torch.manual_seed(0)
    module = GraphGuidedContextFusion(4, heads=("FULL",), prune_rate=0.9)
    twin = GraphGuidedContextFusion(4, heads=("FULL",))
    twin.load_state_dict(module.state_dict())
    x = torch.randn(1, 4, 5, 6)
    torch.testing.assert_close(module.train()(x), twin(x))
    assert not torch.allclose(module.eval()(x), twin.eval()(x))


def test_concatenation_puts_the_input_behind_the_context():
    module = GraphGuidedContextFusion(4, heads=("FULL",), out_channels=3, concatenate=True)
    x = torch.randn(2, 4, 5, 6)
    y = module(x)
    assert y.shape == (2, 7, 5, 6)
    assert torch.equal(y[:, 3:], x)


def test_costs_of_the_paper():
    """Section 4.3 at 128x256: 63 (attention by edges) and 520 Gi multiply-accumulates."""
    shape = (1, 256, 128, 256)
    full = GraphGuidedContextFusion(256, heads=("FULL",)).algorithmic_macs(shape)
    assert full == 520 * GIBI
    macs = GraphGuidedContextFusion(256, heads=LOCAL_AND_GRID).algorithmic_macs(shape)
    projections = 38 * GIBI
    assert (macs - projections) / GIBI == pytest.approx(62.90, abs=0.005)


def test_contexts_of_the_paper():
    """Section 4.2: about 0.5K contexts, the mean of the six heads at 97x97."""
    means = GraphGuidedContextFusion(8, heads=LOCAL_AND_GRID).mean_contexts(97, 97)
    assert len(means) == 6
    assert sum(means.values()) / 6 == pytest.approx(535, abs=0.5)


@pytest.mark.parametrize(
    ("heads", "executes_its_edges"),
    [(("FULL", "GRID_3", "TRAINABLE"), True), (("LOCAL_2", "GRID_3"), False)],
)
def test_algorithmic_macs_are_what_runs_but_for_tiles(heads, executes_its_edges):
    shape = (2, 6, 19, 23)
    with FakeTensorMode(), torch.no_grad():
        module = GraphGuidedContextFusion(6, heads=heads, kernel="explicit").eval()
        x = torch.empty(shape)
        with FlopCounterMode(display=False) as counter:
            assert module(x).shape == shape
    executed = counter.get_total_flops() // 2
    algorithmic = module.algorithmic_macs(shape)
    assert executed == algorithmic if executes_its_edges else algorithmic < executed


def test_pruned_contexts_leave_the_closed_form():
    shape = (1, 4, 10, 10)
    dense = GraphGuidedContextFusion(4, heads=("FULL",)).algorithmic_macs(shape)
    pruned = GraphGuidedContextFusion(4, heads=("FULL",), prune_rate=0.75).algorithmic_macs(shape)
    assert dense - pruned == 100 * 75 * 4  # 75 of 100 values per position are never summed


@pytest.mark.parametrize("kernel", ["fused", "explicit"])
def test_local_and_grid_never_take_n_squared(kernel):
    """128x256: N^2 float32 would be 4 GiB and 2 * 256 * N^2 multiply-accumulates."""
    with FakeTensorMode(), torch.no_grad():
        module = GraphGuidedContextFusion(256, kernel=kernel).eval()
        x = torch.empty(1, 256, 128, 256)
        with LivePeak([x, *module.parameters()]) as live, FlopCounterMode(display=False) as counter:
            module(x)
    assert live.peak_bytes < 300e6
    # PyTorch's counter sees no fused attention on the CPU.
    executed = counter.get_total_flops() / 2
    assert executed < 1.5 * module.algorithmic_macs(x.shape)


def test_braces_are_written_out_as_in_the_tables():
    assert expand_heads(["FULL", "{LOCAL, GRID}_{8,16}"]) == (
        "FULL", "LOCAL_8", "LOCAL_16", "GRID_8", "GRID_16",
    )  # fmt: skip
    assert expand_heads("GRID_{10,10}") == ("GRID_10", "GRID_10")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"heads": ()}, "heads"),
        ({"heads": ("LOKAL_8",)}, "LOKAL_8"),
        ({"heads": ("GRID_0",)}, "GRID_0"),
        ({"heads": ("LOCAL_",)}, "LOCAL_"),
        ({"prune_rate": 1.0}, "prune_rate"),
        ({"prune_keep": 0}, "prune_keep"),
        ({"prune_keep": 3, "prune_rate": 0.5}, "not both"),
        ({"prune_order": "best"}, "best"),
        ({"edge_hidden": 0, "heads": ("TRAINABLE",)}, "edge_hidden"),
        ({"key_channels": 0}, "key_channels"),
        ({"kernel": "flash"}, "kernel"),
        ({"block_keys": 0}, "block_keys"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        GraphGuidedContextFusion(4, **arguments)
