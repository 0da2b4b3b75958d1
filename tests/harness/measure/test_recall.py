"""Calls of fake tensors that are remembered: answers equal those that PyTorch works out."""

from dataclasses import replace

import pytest
import torch
from made_jobs import made_job
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from harness.measure.memory import measure_memory
from harness.measure.operations import layer_costs, measure_operations
from harness.measure.recall import remember
from harness.measure.reused import references_of_cpp

CALLS = {
    "product": lambda x, y: x @ y,
    "sum of another type": lambda x, y: x + y.double(),
    "whole number": lambda x, y: x.long() + 1,
    "number": lambda x, y: x.long() + 1.0,
    "truth": lambda x, y: x.long() + True,
    "view": lambda x, y: x.t(),
    "part": lambda x, y: x[1:, ::2],
    "part by numbers": lambda x, y: x[torch.tensor([0, 2, 2])],
    "view of a view": lambda x, y: x.t()[1:].unsqueeze(0),
    "copy of a part": lambda x, y: x.t().contiguous(),
    "in place": lambda x, y: x.add_(y),
    "several": lambda x, y: x.topk(2),
    "several views": lambda x, y: x.chunk(2),
    "made": lambda x, y: torch.zeros(3, 5, dtype=torch.half),
    "random": lambda x, y: F.dropout(x),
    "list": lambda x, y: torch.cat([x, y, x.t()]),
    "softmax": lambda x, y: x.softmax(0),
    "complex": lambda x, y: (x + 1j).conj() @ y.to(torch.complex64),
    "convolution": lambda x, y: F.conv2d(x[None, None], y[None, None, :2, :2]),
    "norm": lambda x, y: F.batch_norm(x, y[0].clone(), y[1].clone(), training=True),
    "into another": lambda x, y: torch.mul(x, y, out=torch.empty(0)),
    "other size": lambda x, y: x.clone().resize_(2, 3),
}


def described(call, mode):
    """Of each output its layout, and which of the arguments and outputs share its storage."""
    with mode:
        arguments = (torch.empty(4, 4), torch.empty(4, 4))
        outputs = [out for out in tree_leaves(call(*arguments)) if isinstance(out, torch.Tensor)]
        held = [each.untyped_storage()._cdata for each in (*arguments, *outputs)]
        return [
            (
                type(out), tuple(out.shape), out.stride(), out.storage_offset(), out.dtype,
                out.device, out.is_conj(), out.untyped_storage().nbytes(),
                [out is each for each in arguments], held.index(out.untyped_storage()._cdata),
                torch._C._dispatch_key_set(out),
            )
            for out in outputs
        ]  # fmt: skip


@pytest.fixture(scope="module")
def remembering():
    mode = FakeTensorMode()
    remember(mode)
    return mode


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_second_answer_is_the_first(call, remembering):
    first = described(call, FakeTensorMode())
    assert first
    assert described(call, remembering) == described(call, remembering) == first


def test_an_answer_is_worked_out_once(remembering):
    asked = []
    mode = FakeTensorMode()
    worked_out = mode.dispatch
    mode.dispatch = lambda func, *rest: (asked.append(str(func)), worked_out(func, *rest))[1]
    remember(mode)
    with mode:
        for _ in range(3):
            torch.empty(4, 4) @ torch.empty(4, 4)
    assert asked.count("aten.mm.default") == 1


@pytest.mark.parametrize("choose", [lambda x: x[x > 0], torch.nonzero, lambda x: x.sum().item()])
def test_what_hangs_on_values_is_refused_each_time(choose, remembering):
    for _ in range(2):
        with remembering, pytest.raises(Exception, match="aten"):
            choose(torch.empty(4, 4))


def test_an_unknown_pytorch_answers_for_itself(monkeypatch):
    mode = FakeTensorMode()
    monkeypatch.setattr(torch, "__version__", "9.0")
    remember(mode)
    assert "__torch_dispatch__" not in vars(mode)


@pytest.mark.parametrize(
    ("name", "pass_"),
    [
        ("base_oc", "inference"),
        ("base_oc", "training"),
        ("ppm", "training"),
        ("danet", "inference"),
    ],
)
def test_one_pass_for_operations_and_memory_says_what_two_say(name, pass_):
    apart = made_job(name, (1, 32, 16, 16), pass_=pass_)
    alone = measure_operations(apart), measure_memory(apart), layer_costs(apart)
    both = replace(apart, metrics=("flops", "memory"))
    references_of_cpp.cache_clear()  # as in a process that begins
    assert (measure_operations(both), measure_memory(both)) == alone[:2]
    assert layer_costs(both) == alone[2]
    assert measure_memory(both) == alone[1]


def test_a_branch_counts_once_and_lives_twice():
    case = replace(made_job("Branching", (4, 8)).case, module="test_control_flow:EqualBranches")
    apart = replace(made_job("Branching", (4, 8)), case=case)
    both = replace(apart, metrics=("flops", "memory"))
    assert measure_operations(both)["matmul_macs"] == 4 * 8 * 8
    assert measure_memory(both) == measure_memory(apart)
