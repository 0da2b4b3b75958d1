"""`torch.cond` and `torch.while_loop`: counted by shapes if these decide, else on real tensors."""

import pytest
import torch
from made_jobs import made_job
from torch._higher_order_ops.while_loop import while_loop

from harness.measure.memory import measure_memory
from harness.measure.operations import measure_operations

SHAPE = (4, 8)


class EqualBranches(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(8, 8))

    def forward(self, x):
        return torch.cond(
            x.sum() > 0, lambda x: x @ self.weight, lambda x: x @ self.weight.mT, (x,)
        )


class OtherBranches(EqualBranches):
    def forward(self, x):
        return torch.cond(x.sum() > 1e9, lambda x: x @ self.weight, lambda x: x + 1, (x,))


class Loop(EqualBranches):
    def forward(self, x):
        turns = torch.zeros((), dtype=torch.long)

        def turn(i, x):
            return i + 1, x @ self.weight

        return while_loop(lambda i, x: i < 3, turn, (turns, x))[1]


def job(name):
    made = made_job("Branching", SHAPE)
    case = made.case.__class__(f"test_control_flow:{name}", {}, (SHAPE,))
    return made.__class__("tests", name, case, (), timeout=60.0, search_path=made.search_path)


@pytest.mark.parametrize(
    ("name", "macs", "real"),
    [("EqualBranches", 256, False), ("OtherBranches", 0, True), ("Loop", 768, True)],
)
def test_macs_of_what_runs(name, macs, real):
    figures = measure_operations(job(name))
    assert (figures["matmul_macs"], figures["uncounted_ops"]) == (macs, {})
    assert ("warnings" in figures) == real


@pytest.mark.parametrize("name", ["EqualBranches", "OtherBranches", "Loop"])
def test_the_peak_is_that_of_what_runs_within(name):
    figures = measure_memory(job(name))
    assert figures["live_peak_bytes"] >= 4 * 8 * 4
