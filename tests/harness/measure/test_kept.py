"""Names that keep their tensors to the end of a call: sums by hand, on fake and on real tensors."""

from contextlib import suppress

import pytest
import torch
from made_jobs import made_job
from torch import nn

from harness.case import Case
from harness.measure.kept import kept_peak, measure_kept
from harness.measure.memory import live_peak, measure_memory
from harness.measure.subject import Subject

SIDE = 32
MAP = SIDE * SIDE * 4  # bytes


class Double(nn.Module):
    """Two operators of its own, the first of which only the second reads."""

    def forward(self, x):
        return (x * 2) + 1


class Named(nn.Module):
    """Calls others, and reads what the first gave until the end."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Double(), Double()

    def forward(self, x):
        return self.second(self.first(x)) @ x


def peaks(module: nn.Module) -> tuple[int, int]:
    x = torch.zeros(SIDE, SIDE)
    subject = Subject(Case("made", {}, ((SIDE, SIDE),)), module.eval(), (x,))
    return live_peak(subject) // MAP, kept_peak(subject) // MAP


def test_what_a_forward_makes_is_kept_until_it_returns():
    assert peaks(Double()) == (2, 2)
    # In the second call its input, product and sum; then both outputs and what follows of them:
    # what the calls made within is gone.
    assert peaks(Named()) == (3, 3)


class Chain(nn.Module):
    """Three calls, one after another: nothing reads what was before the last."""

    def __init__(self, *parts: nn.Module):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


def test_outputs_of_other_modules_are_kept_by_the_forward_that_called_them():
    """The third call: outputs of the first two, a product and a sum."""
    assert peaks(Chain(Double(), Double(), Double())) == (3, 4)


def test_a_sequence_names_nothing_but_what_runs_through_it():
    assert peaks(nn.Sequential(Double(), Double(), Double())) == (3, 3)
    # Within a forward what it gives is kept as that of any module.
    inner = nn.Sequential(Double(), Double())
    assert peaks(Chain(inner, inner)) == (4, 4)
    assert peaks(Chain(inner, Double(), Double())) == (3, 4)


class Returned(nn.Module):
    """Gives its input and a map that the caller drops."""

    def forward(self, x):
        return x, x * 2


class Drops(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Returned()

    def forward(self, x):
        for _ in range(4):
            x, _ = self.inner(x)
        return x + 1


def test_a_dropped_output_is_kept_and_the_input_of_the_case_counts_nowhere():
    assert peaks(Drops()) == (2, 5)


class Fails(nn.Module):
    def forward(self, x):
        raise RuntimeError("no map")


class Recovers(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Fails()

    def forward(self, x):
        with suppress(RuntimeError):
            return self.inner(x * 2)
        return x * 3


def test_a_call_that_fails_ends_as_any_other():
    assert peaks(Recovers()) == (1, 2)


@pytest.mark.parametrize("name", ["base_oc", "danet", "ppm"])
def test_it_is_never_below_the_live_peak(name):
    job = made_job(name, (1, 64, 16, 16))
    live, kept = measure_memory(job)["live_peak_bytes"], measure_kept(job)["kept_peak_bytes"]
    assert live <= kept
