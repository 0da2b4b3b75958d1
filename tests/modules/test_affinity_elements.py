"""Affinity memory as declared, against the tensors that a forward on fake tensors makes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from context_modules.compact_generalized import CGNL, CompactGeneralizedNonLocal
from context_modules.criss_cross import RCCA, CrissCrossAttention
from context_modules.double_attention import DoubleAttention
from context_modules.dual_attention import ChannelAttention, DANet, PositionAttention
from context_modules.non_local import NonLocal
from context_modules.self_attention import SelfAttention
from context_modules.squeeze_reasoning import SqueezeReasoning

SIDES = st.tuples(st.integers(4, 40), st.integers(4, 40))


class Outputs(TorchDispatchMode):
    """Sizes of what softmax and matrix products return, and of the weights of 1-d convolutions."""

    def __init__(self):
        super().__init__()
        self.softmax, self.products, self.weights = [], [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name == "_softmax":
            self.softmax.append(out.numel())
        elif name in ("bmm", "mm"):
            self.products.append(out.numel())
        elif name == "convolution" and args[1].dim() == 3:
            self.weights.append(args[1].numel())
        return out


def follow(cls, shape, **arguments):
    """Outputs of one forward, and what the module declares for that shape."""
    with FakeTensorMode(), torch.no_grad(), Outputs() as outputs:
        module = cls(shape[1], **arguments).eval()
        module(torch.empty(shape))
    return outputs, module.affinity_elements(shape)


@settings(deadline=None, max_examples=10)
@given(SIDES, st.integers(1, 3))
def test_dense_attention_holds_one_table(sides, batch):
    n = sides[0] * sides[1]
    for cls in (NonLocal, SelfAttention, PositionAttention):
        outputs, declared = follow(cls, (batch, 16, *sides))
        assert declared == n**2
        assert outputs.softmax == [batch * declared]
        assert batch * declared in outputs.products


@settings(deadline=None, max_examples=15)
@given(SIDES, st.integers(1, 4), st.integers(1, 3))
def test_regions_and_pooled_keys_hold_smaller_tables(sides, regions, stride):
    outputs, declared = follow(SelfAttention, (1, 16, *sides), regions=regions)
    assert sum(outputs.softmax) == declared
    outputs, declared = follow(SelfAttention, (1, 16, *sides), key_stride=stride)
    assert outputs.softmax == [declared]


def test_fused_kernel_holds_none():
    outputs, declared = follow(SelfAttention, (1, 16, 8, 8), kernel="fused")
    assert declared == 0
    assert outputs.softmax in ([], [64**2])  # PyTorch's own fallback on fake CPU tensors


@settings(deadline=None, max_examples=10)
@given(SIDES, st.integers(1, 3))
def test_criss_cross_holds_a_row_and_a_column_per_position_and_round(sides, recurrence):
    outputs, declared = follow(CrissCrossAttention, (1, 16, *sides), recurrence=recurrence)
    assert sum(outputs.softmax) == declared
    assert len(outputs.softmax) == recurrence
    assert declared == recurrence * sides[0] * sides[1] * (sides[0] + sides[1])


def test_head_of_criss_cross_holds_that_of_its_attention():
    outputs, declared = follow(RCCA, (1, 32, 9, 12), out_channels=16)
    assert sum(outputs.softmax) == declared == 2 * 9 * 12 * 21


@settings(deadline=None, max_examples=10)
@given(SIDES)
def test_dual_attention_holds_positions_and_channels(sides):
    outputs, declared = follow(DANet, (1, 32, *sides), out_channels=16)
    assert sorted(outputs.softmax) == sorted([(sides[0] * sides[1]) ** 2, 16**2])
    assert sum(outputs.softmax) == declared
    outputs, declared = follow(ChannelAttention, (1, 24, *sides))
    assert outputs.softmax == [declared] == [24**2]


@settings(deadline=None, max_examples=10)
@given(SIDES, st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
def test_double_attention_holds_features_by_descriptors(sides, batch, features, descriptors):
    outputs, declared = follow(
        DoubleAttention,
        (batch, 16, *sides),
        feature_channels=features,
        descriptors=descriptors,
    )
    gathered, distributed = outputs.products
    assert gathered == batch * declared == batch * features * descriptors
    assert distributed == batch * features * sides[0] * sides[1]


@pytest.mark.parametrize(("affinity", "terms"), [("dot", 1), ("rbf", 4)])
def test_compact_generalized_holds_one_sum_per_group_and_term(affinity, terms):
    outputs, declared = follow(
        CompactGeneralizedNonLocal, (1, 16, 9, 7), groups=2, affinity=affinity
    )
    assert outputs.products == [2] * terms
    assert sum(outputs.products) == declared
    _, of_head = follow(CGNL, (1, 32, 9, 7), out_channels=16, groups=2, affinity=affinity)
    assert of_head == declared


@settings(deadline=None, max_examples=10)
@given(SIDES, st.sampled_from([1, 2, 4, 8]))
def test_learned_graph_has_nodes_and_channels_squared(sides, nodes):
    outputs, declared = follow(SqueezeReasoning, (1, 32, *sides), nodes=nodes)
    assert sorted(outputs.weights) == sorted([nodes**2, (16 // nodes) ** 2])
    assert sum(outputs.weights) == declared


def test_attention_between_nodes_makes_its_relation():
    outputs, declared = follow(SqueezeReasoning, (1, 64, 9, 7), nodes=16, reasoning="sa")
    assert 16**2 in outputs.products
    assert declared == 16**2 + 2**2


@pytest.mark.parametrize(("reasoning", "expected"), [("fc", 32**2), ("none", 0)])
def test_reasoning_without_a_graph(reasoning, expected):
    assert follow(SqueezeReasoning, (1, 64, 9, 7), reasoning=reasoning)[1] == expected


@pytest.mark.parametrize("side", [32, 64, 128])
def test_only_dense_and_criss_cross_relations_grow(side):
    shape = (1, 64, side, side)
    n = side * side
    assert follow(NonLocal, shape)[1] == n**2
    assert follow(CrissCrossAttention, shape)[1] == n * 2 * side
    constants = {
        follow(cls, shape)[1] - follow(cls, (1, 64, 8, 8))[1]
        for cls in (DoubleAttention, CompactGeneralizedNonLocal, SqueezeReasoning)
    }
    assert constants == {0}
