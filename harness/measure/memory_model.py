"""The memory model: a predicted peak with temporaries of operators beside the measured one.

Predicted from two parts that never see the whole pass: the sequence of operators on fake tensors,
which says what is alive when each begins, and each distinct operator run alone at its own size,
which says what it holds while it runs. Measured in one real pass. Where the two agree, the live
peak is understood: what it lacks is exactly those temporaries.

In training the prediction may be too high where two gradients of one tensor meet: autograd adds
them in place if nobody else holds them, and the trace does.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from harness.case import Job
from harness.measure.control_flow import is_control_flow
from harness.measure.memory import LivePeak, allocator_peak
from harness.measure.operators import stem
from harness.measure.recurrent import keeps_reserve, reserve_of, with_reserve
from harness.measure.subject import Subject, on_fake_or_real, real_subject, require_finite


def measure_memory_model(job: Job) -> dict[str, object]:
    """Predict the peak of one pass, then measure it.

    Inputs, parameters and buffers are left out of both. Of a case that is compiled, the module as
    written is predicted and measured: a compiler changes the operators.

    Returns:
        `predicted_peak_bytes`; `predicted_peak_operator`, which runs at that peak;
        `measured_peak_bytes`: the peak of what the CPU allocator was asked for, as the profiler
        records it; on CUDA the caching allocator's own peak.
    """
    cuda = job.case.device == "cuda"
    steps, _ = on_fake_or_real(job.case, job.seed, job.search_path, operator_steps)
    predicted = predict(steps, cuda_workspaces if cuda else cpu_workspaces)
    figures: dict[str, object] = {
        "predicted_peak_bytes": predicted.bytes,
        "predicted_peak_operator": predicted.operator,
    }
    subject = real_subject(job.case, job.seed, job.search_path)
    require_finite(subject.forward())  # also fills what libraries keep for the process
    subject.clear_gradients()
    run = subject.forward
    figures["measured_peak_bytes"] = allocator_peak(run).allocated if cuda else measured_peak(run)
    if predicted.unmeasured:
        names = ", ".join(f"{name} ({n}x)" for name, n in sorted(predicted.unmeasured.items()))
        figures["warnings"] = [f"temporaries unknown of {names}"]
    return figures


# What an allocator was asked for, in order, as PyTorch's profiler records it.

_MEMORY = "[memory]"  # the profiler's name of an allocation or a release


@dataclass(frozen=True)
class MemoryEvent:
    """One allocation or release."""

    time: int  # nanoseconds, on the profiler's clock
    bytes: int  # positive for an allocation, negative for a release


@dataclass
class Recording:
    """What was recorded while it lasted; filled at its end."""

    # every allocation and release of CPU memory, in order
    events: list[MemoryEvent] = field(default_factory=list)
    # name of a marked span: its start and end in nanoseconds
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def within(self, span: str) -> list[MemoryEvent]:
        """The events of a marked span."""
        start, end = self.spans[span]
        return [event for event in self.events if start <= event.time <= end]


@contextmanager
def recorded(marks: str | None = None) -> Iterator[Recording]:
    """Record every allocation of CPU memory by PyTorch, libraries that use its allocator included.

    oneDNN's reordered copies and scratchpads are among them; MKL's packing buffers are not, they
    come from MKL's own allocator.

    Args:
        marks: prefix of the `torch.profiler.record_function` spans that are kept.
    """
    recording = Recording()
    with (
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler,
        _uncollected(),
    ):
        yield recording
    # `key_averages` has sums per operator only; the events themselves are here.
    results: Any = profiler.profiler
    for event in results.kineto_results.events():
        name = event.name()
        if name == _MEMORY and event.device_type() == DeviceType.CPU:
            recording.events.append(MemoryEvent(event.start_ns(), event.nbytes()))
        elif marks is not None and name.startswith(marks):
            start = event.start_ns()
            recording.spans[name] = (start, start + event.duration_ns())
    recording.events.sort(key=lambda event: event.time)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: what it releases was allocated before, and is no release of
    what is recorded."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def peak_bytes(events: Iterable[MemoryEvent]) -> int:
    """The largest sum of what is allocated, over what was there before the first event."""
    live = peak = 0
    for event in events:
        live += event.bytes
        peak = max(peak, live)
    return peak


def measured_peak(run: Callable[[], object]) -> int:
    """Bytes that the CPU allocator held at most during a call, over what it held before."""
    with recorded() as recording:
        out = run()
    del out
    return peak_bytes(recording.events)


# The operators of one pass in order, each with what was alive when it began.


@dataclass(frozen=True)
class TensorLayout:
    """Everything about a tensor but its values and its device."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> "TensorLayout":
        """The layout of a dense tensor."""
        return cls(tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)

    def tensor(self, device: torch.device) -> Tensor:
        """A tensor of this layout; floating values are whatever the memory holds."""
        made = torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=device)
        # Whole numbers are indices as often as not: zero is one that every tensor has.
        return made if self.dtype.is_floating_point else made.zero_()


@dataclass(frozen=True)
class Call:
    """An operator with the layouts of its arguments: what decides how much memory it takes."""

    operator: Any  # overload, such as `aten.convolution.default`
    leaves: tuple[Any, ...]  # its arguments, flat, tensors as layouts
    structure: TreeSpec  # how the flat arguments nest

    def __hash__(self) -> int:
        return hash((self.operator, str(self.leaves)))

    @classmethod
    def of(cls, operator: Any, args: Any, kwargs: dict[str, Any]) -> "Call | None":
        """The call; `None` if an argument is no dense tensor."""
        leaves, structure = tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if any(tensor.layout is not torch.strided for tensor in tensors):
            return None
        plain = (TensorLayout.of(x) if isinstance(x, Tensor) else x for x in leaves)
        return cls(operator, tuple(plain), structure)

    def arguments(self, device: torch.device) -> tuple[Any, dict[str, Any]]:
        """Arguments of these layouts on a device."""

        def made(leaf: Any) -> Any:
            if isinstance(leaf, TensorLayout):
                return leaf.tensor(device)
            return device if isinstance(leaf, torch.device) else leaf

        args, kwargs = tree_unflatten(map(made, self.leaves), self.structure)
        return args, kwargs


@dataclass(frozen=True)
class Step:
    """One operator of a pass."""

    call: Call | None  # what ran; `None` where it cannot be run again on its own
    name: str  # of the operator
    before: int  # bytes alive when it began
    after: int  # bytes alive when it had ended, its outputs included


class OperatorTrace(LivePeak):
    """A live peak that also notes every operator that may allocate.

    Args:
        ignored: tensors that do not count (the input, the parameters).

    Attributes:
        steps: the operators in order, views left out.
    """

    def __init__(self, ignored: Iterable[Tensor] = ()) -> None:
        super().__init__(ignored)
        self.steps: list[Step] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, then note it."""
        kwargs = kwargs or {}
        if is_control_flow(func) or func.namespace == "prim":  # what runs within; a mere question
            return super().__torch_dispatch__(func, types, args, kwargs)
        is_view = getattr(func, "is_view", False)  # operators that take functions have none
        call = None if is_view else Call.of(func, args, kwargs)
        before = self.live_bytes
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if not is_view:
            if call is not None and keeps_reserve(func, args):
                self._follow(out[3].untyped_storage(), _reserve_bytes(call))
            reused = self.reused_bytes
            step = Step(call, str(func), before - reused, self.live_bytes - reused)
            self.steps.append(step)
        return out


def _reserve_bytes(call: Call) -> int:
    with _disable_current_modes():
        args, _ = call.arguments(torch.device("cpu"))
        return reserve_of(args).untyped_storage().nbytes()


def operator_steps(subject: Subject) -> list[Step]:
    """The operators of one pass of a subject."""
    trace = OperatorTrace((*subject.inputs, *subject.state))
    with trace:
        subject.forward()
    return trace.steps


# Workspace: what one operator allocates at most while it runs, its outputs included.
#
# A library may copy an operator's arguments into a layout of its own or take a scratchpad: oneDNN
# reorders the weights and maps of a convolution, cuDNN and cuBLAS take workspaces. None of it is a
# tensor of the module, so no sequence of tensors shows it; the operator run alone does.

_SPAN = "workspace of call "

# What an operator raises that made-up values, or another device than the one it was written for, do
# not suit.
_UNSUITED = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)

# Run alone these would read another call's reserve, which no layout describes, and crash.
_NEVER_ALONE = ("_cudnn_rnn_backward", "miopen_rnn_backward")

Workspaces = Callable[[Sequence[Call]], dict[Call, int]]


@dataclass(frozen=True)
class PredictedPeak:
    """The peak of a pass with the temporaries of its operators."""

    bytes: int  # largest sum of what is alive and what the running operator holds
    operator: str = ""  # the one that runs at the peak; empty for a pass without operators
    # calls, by operator, that could not be run alone; of those only the outputs are part of the
    # prediction
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
    with recorded(_SPAN) as recording:
        for number, (call, run) in enumerate(_runs(calls, torch.device("cpu"))):
            name = f"{_SPAN}{number}"
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
        if stem(call.operator) in _NEVER_ALONE:
            continue
        with torch.no_grad():
            args, kwargs = call.arguments(device)
            args = with_reserve(call.operator, args)
            with torch.set_grad_enabled(keeps_reserve(call.operator, args)):
                yield call, bound(call.operator, args, kwargs)
        del args, kwargs
