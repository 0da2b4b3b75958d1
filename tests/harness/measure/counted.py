"""Counting a few calls, for tests that compare with numbers worked out by hand."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.measure.operations import OperatorCounter, Tally


def count(work: Callable[[], object], *, gradients: bool = False) -> Tally:
    """Counters of everything that `work` calls."""
    counter = OperatorCounter()
    with torch.set_grad_enabled(gradients), counter:
        work()
    return counter.total()


def count_training(module: Callable[..., Tensor], *inputs: Tensor) -> Tally:
    """Counters of forward and backward; the loss is the sum of the output."""
    return count(lambda: module(*inputs).sum().backward(), gradients=True)


def follow(module: nn.Module, *inputs: Tensor) -> OperatorCounter:
    """The counter after one forward, calls attributed to submodules."""
    counter = OperatorCounter()
    with torch.no_grad(), counter, counter.attribute(module):
        module(*inputs)
    return counter
