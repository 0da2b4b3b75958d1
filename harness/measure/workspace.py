"""Workspace: what one operator allocates at most while it runs, its outputs included.

A library may copy an operator's arguments into a layout of its own or take a scratchpad: oneDNN
reorders the weights and maps of a convolution, cuDNN and cuBLAS take workspaces. None of it is a
tensor of the module, so no sequence of tensors shows it; the operator run alone does.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from harness.measure.cuda_allocator import allocator_peak
from harness.measure.memory_events import peak_bytes, recorded
from harness.measure.operator_trace import Call, Step

_MARK = "workspace of call "

# What an operator raises that made-up values, or another device than the one it was written for, do
# not suit.
_UNSUITED = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)

Workspaces = Callable[[Sequence[Call]], dict[Call, int]]


@dataclass(frozen=True)
class PredictedPeak:
    """The peak of a pass with the temporaries of its operators.

    Attributes:
        bytes: largest sum of what is alive and what the running operator holds.
        operator: the one that runs at the peak; empty for a pass without operators.
        unmeasured: calls, by operator, that could not be run alone; of those only the outputs are
            part of the prediction.
    """

    bytes: int
    operator: str = ""
    unmeasured: Counter[str] = field(default_factory=Counter)


def predict(steps: Sequence[Step], workspaces: Workspaces) -> PredictedPeak:
    """The largest, over the operators in order, of what was alive before plus the workspace.

    Args:
        steps: operators of one pass.
        workspaces: measures what each of several calls takes.
    """
    calls = list(dict.fromkeys(step.call for step in steps if step.call is not None))
    measured = workspaces(calls)
    peak, operator = 0, ""
    unmeasured: Counter[str] = Counter()
    for step in steps:
        taken = measured.get(step.call) if step.call is not None else None
        if taken is None:
            unmeasured[step.name] += 1
        height = max(step.before + (taken or 0), step.after)
        if height > peak:
            peak, operator = height, step.name
    return PredictedPeak(peak, operator, unmeasured)


def cpu_workspaces(calls: Sequence[Call]) -> dict[Call, int]:
    """Run each call alone on tensors of its layouts and read what the CPU allocator held.

    The tensors of one call exist at a time. Calls that fail on made-up values are left out.
    """
    done: dict[str, Call] = {}
    with recorded(_MARK) as recording:
        for number, (call, run) in enumerate(_runs(calls, torch.device("cpu"))):
            name = f"{_MARK}{number}"
            try:
                with torch.profiler.record_function(name):
                    out = run()
            except _UNSUITED:
                continue
            del out
            done[name] = call
    return {call: peak_bytes(recording.within(name)) for name, call in done.items()}


def cuda_workspaces(calls: Sequence[Call], device: str = "cuda") -> dict[Call, int]:
    """The same on the GPU, from the caching allocator's own peak.

    Each call runs twice, since the first may allocate what its library keeps for the process.
    """
    taken: dict[Call, int] = {}
    for call, run in _runs(calls, torch.device(device)):
        try:
            run()
            taken[call] = allocator_peak(run).allocated
        except _UNSUITED:
            continue
    return taken


def _runs(
    calls: Sequence[Call], device: torch.device
) -> Iterator[tuple[Call, Callable[[], object]]]:
    """Each call with a function that runs it on tensors made for it alone."""

    def bound(operator: Any, args: Any, kwargs: Any) -> Callable[[], object]:
        return lambda: operator(*args, **kwargs)

    for call in calls:
        with torch.no_grad():
            args, kwargs = call.arguments(device)
            yield call, bound(call.operator, args, kwargs)
        del args, kwargs
