"""Parameters and operations of a case, in all and by layer, and what no rule counted."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain, starmap
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.case import Job
from harness.measure.control_flow import is_control_flow, opened
from harness.measure.cost import FREE, Cost
from harness.measure.memory import peak_seen
from harness.measure.operators import cost, full_name, has_named_rule
from harness.measure.own_rules import rules_of
from harness.measure.recall import device_asked
from harness.measure.subject import Subject, on_fake_or_real, outputs_of, tensors_of
from harness.measure.traffic import bytes_moved, changed_by


def measure_params(job: Job) -> dict[str, object]:
    """Count parameters, each shared tensor once; buffers (batch-norm statistics) apart.

    Returns:
        `params` (count), `frozen_params` (those of them that take no gradient), `param_bytes` and
        `buffer_bytes` (bytes in the case's dtype).
    """

    def count(subject: Subject) -> dict[str, object]:
        return count_params(subject.module)

    return on_fake_or_real(job.case, job.seed, job.search_path, count, untouched=True)[0]


def count_params(module: nn.Module) -> dict[str, object]:
    """The figures of one module."""
    parameters, buffers = list(module.parameters()), list(module.buffers())
    return {
        "params": sum(p.numel() for p in parameters),
        "frozen_params": sum(p.numel() for p in parameters if not p.requires_grad),
        "param_bytes": sum(p.numel() * p.element_size() for p in parameters),
        "buffer_bytes": sum(b.numel() * b.element_size() for b in buffers),
    }


def measure_operations(job: Job) -> dict[str, object]:
    """Count the operations of one pass of a case.

    Counted on fake tensors: no memory, milliseconds, the same answer on every machine. A module
    that needs values is counted on real tensors instead, and a warning says so.

    Returns:
        `conv_macs` (`transposed_conv_macs` of them), `matmul_macs` (multiply-accumulates),
        `module_output_bytes` and `functional_output_bytes` (sum of outputs, as torchstat has it),
        `elementwise_ops` (elements by kind),
        `elementwise_ops_once` (the same, a parameterless module's last call only),
        `elementwise_ops_layers` (what modules without children call, functions left out),
        `uncounted_ops` (calls by operator without a rule), `coverage` (0 to 1), `flops` (2 per
        MAC), `bytes_moved` (read and written by every operator that is no view, allocation or
        fill), and `algorithmic_macs` and `affinity_elements` where the module declares a closed
        form.
    """
    return count_case(job).figures


def count_case(job: Job) -> "Counted":
    """Figures and layers of one pass of a case, see `measure_operations` and `layer_costs`.

    If the memory of the case is asked for, too, the same pass tells `measure_memory` its live peak.
    """

    def count(subject: Subject) -> Counted:
        if "memory" not in job.metrics:
            return count_pass(subject)
        return count_pass(subject, peak_seen(subject, job.search_path))

    with rules_of(job):
        counted, reason = on_fake_or_real(job.case, job.seed, job.search_path, count)
    return (
        counted
        if reason is None
        else replace(counted, figures=counted.figures | {"warnings": [reason]})
    )


@dataclass(frozen=True)
class Counted:
    """What one pass of a subject gave."""

    figures: dict[str, object]  # see `measure_operations`
    layers: list["LayerCost"]  # see `layer_costs`


def count_operations(subject: Subject) -> dict[str, object]:
    """The figures of one pass of a subject, see `measure_operations`."""
    return count_pass(subject).figures


def count_pass(subject: Subject, beside: AbstractContextManager[None] | None = None) -> Counted:
    """Run a subject once and count what it does.

    Args:
        subject: what runs.
        beside: whoever else looks at that pass.
    """
    counter = OperatorCounter()
    with counter, counter.attribute(subject.module), beside or nullcontext():
        subject.forward()
    return Counted(_figures(subject, counter), _layers(subject.module, counter))


def _figures(subject: Subject, counter: "OperatorCounter") -> dict[str, object]:
    total, once = counter.total(), counter.once(subject.module)
    figures: dict[str, object] = {
        "conv_macs": total.conv_macs,
        "transposed_conv_macs": total.transposed_conv_macs,
        "matmul_macs": total.matmul_macs,
        "module_output_bytes": once.module_output_bytes,
        "functional_output_bytes": total.functional_output_bytes,
        "elementwise_ops": dict(sorted(total.elementwise.items())),
        "elementwise_ops_once": dict(sorted(once.elementwise.items())),
        "elementwise_ops_layers": dict(sorted(counter.layers().elementwise.items())),
        "uncounted_ops": dict(sorted(total.uncounted.items())),
        "coverage": total.coverage,
        "bytes_moved": total.bytes_moved,
        "flops": 2 * (total.conv_macs + total.matmul_macs),
    }
    shape = next(iter(subject.case.inputs), ())
    algorithmic = algorithmic_macs(subject.module, shape)
    if algorithmic is not None and subject.case.pass_ == "inference":
        figures["algorithmic_macs"] = algorithmic
    affinity = affinity_elements(subject.module, shape)
    if affinity is not None:
        figures["affinity_elements"] = affinity
    return figures


def algorithmic_macs(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """The closed form that a module declares as `algorithmic_macs(input_shape)`, if it does."""
    return _declared(module, "algorithmic_macs", shape)


def affinity_elements(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """What a module declares as `affinity_elements(input_shape)`, if it does.

    Elements of the relations (between positions, channels, nodes) that one forward holds, batch 1:
    what papers call affinity memory.
    """
    return _declared(module, "affinity_elements", shape)


def _declared(module: nn.Module, name: str, shape: tuple[int, ...]) -> int | None:
    declared = getattr(module, name, None)
    return int(declared(shape)) if callable(declared) else None


@dataclass
class Tally:
    """Sums over operator calls."""

    conv_macs: int = 0  # multiply-accumulates of convolutions
    transposed_conv_macs: int = 0  # those of transposed convolutions, which conv_macs holds too
    matmul_macs: int = 0  # multiply-accumulates of matrix products, attention included
    elementwise: Counter[str] = field(default_factory=Counter)  # elements processed, by kind
    # calls of operators without a rule, by name
    uncounted: Counter[str] = field(default_factory=Counter)
    covered_elements: int = 0  # elements written by operators with a rule
    elements: int = 0  # elements written by all operators that are not free
    # output of a module without children, what torchstat calls its memory
    module_output_bytes: int = 0
    # outputs of operators that no such module called, views left out
    functional_output_bytes: int = 0
    bytes_moved: int = 0  # read and written by all operators that are not free
    is_leaf: bool = False  # whether the call is that of a module without children

    def add(self, name: str, call: Cost, written: int) -> None:
        """Count one operator call that wrote `written` elements."""
        self.conv_macs += call.conv_macs
        self.transposed_conv_macs += call.transposed_conv_macs
        self.matmul_macs += call.matmul_macs
        self.elementwise.update(dict(call.elementwise))
        if not call.known:
            self.uncounted[name] += 1
        if call.known and not (call.conv_macs or call.matmul_macs or call.elementwise):
            return
        self.elements += written
        if call.known:
            self.covered_elements += written

    @classmethod
    def sum(cls, tallies: Iterable["Tally"]) -> "Tally":
        """One tally of all calls."""
        total = cls()
        for tally in tallies:
            total.merge(tally)
        return total

    def merge(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.conv_macs += other.conv_macs
        self.transposed_conv_macs += other.transposed_conv_macs
        self.matmul_macs += other.matmul_macs
        self.elementwise.update(other.elementwise)
        self.uncounted.update(other.uncounted)
        self.covered_elements += other.covered_elements
        self.elements += other.elements
        self.module_output_bytes += other.module_output_bytes
        self.functional_output_bytes += other.functional_output_bytes
        self.bytes_moved += other.bytes_moved

    @property
    def coverage(self) -> float:
        """Share, 0 to 1, of written elements that an operator with a rule wrote."""
        return self.covered_elements / self.elements if self.elements else 1.0


class OperatorCounter(TorchDispatchMode):
    """Counts every operator that runs below it, by the module that called it.

    Works on fake and on real tensors, under `torch.no_grad()` or with gradients; not under
    `torch.inference_mode()`, where composite operators hide what they call.

    Attributes:
        calls: one tally per call of a module, by its path ("" for the root), in order.
        outputs: shape of the first output of a module at its last call, by its path.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # PyTorch's wrapper against it would take longer than the mode itself

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: dict[str, list[Tally]] = defaultdict(list)
        self.outputs: dict[str, tuple[int, ...]] = {}
        self._stack: list[Tally] = []
        self._outside = Tally()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, count it for the innermost module."""
        kwargs = kwargs or {}
        if (device := device_asked(func, args)) is not None:
            return device
        if func.namespace == "prim":  # questions such as `tensor.device`, not work
            return func(*args, **kwargs)
        if is_control_flow(func):
            return self._branch(func, args)
        # Some operators (nearest interpolation) are composite only in Python, and would be taken
        # apart into index arithmetic that does not run.
        if _is_composite(func) and not has_named_rule(func):
            with self:
                decomposed = func.decompose(*args, **kwargs)
                if decomposed is not NotImplemented:
                    return decomposed
        out = func(*args, **kwargs)
        tally = self._stack[-1] if self._stack else self._outside
        call = cost(func, args, kwargs, out)
        # What a call wrote: its output; without one, the arguments that it changed.
        written = tensors_of(out) or changed_by(func, args)
        tally.add(full_name(func), call, sum(t.numel() for t in written))
        if call != FREE:
            tally.bytes_moved += bytes_moved(func, args, kwargs, out)
        if call != FREE and not tally.is_leaf and not _is_mutable(func):
            tally.functional_output_bytes += _bytes(tensors_of(out))
        return out

    def _branch(self, func: Any, args: Any) -> Any:
        """Run a `cond` or a `while_loop` in the open, as far as shapes alone decide its cost."""

        def cost_of(run: Callable[[], object]) -> Tally:
            counter = OperatorCounter()
            with counter:
                run()
            return counter.total()

        run = opened(func, args, cost_of)
        with self:
            return run()

    @contextmanager
    def attribute(self, module: nn.Module) -> Iterator[None]:
        """Attribute operator calls to the submodules of `module` while the context lasts."""

        paths = {
            submodule: path
            for path, submodule in module.named_modules()
            if not isinstance(submodule, torch.jit.ScriptModule)  # which takes no hooks
        }

        def enter(submodule: nn.Module, _args: Any) -> None:
            tally = Tally(is_leaf=next(submodule.children(), None) is None)
            self.calls[paths[submodule]].append(tally)
            self._stack.append(tally)

        def leave(submodule: nn.Module, _args: Any, out: Any) -> None:
            tally, tensors = self._stack.pop(), outputs_of(out)
            if tally.is_leaf:
                tally.module_output_bytes += _bytes(tensors)
            self.outputs[paths[submodule]] = tuple(tensors[0].shape) if tensors else ()

        handles = []
        for submodule in paths:
            handles.append(submodule.register_forward_pre_hook(enter))
            handles.append(submodule.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def total(self) -> Tally:
        """Sum over all calls, those outside of every module (the backward pass) included."""
        return Tally.sum([self._outside, *chain(*self.calls.values())])

    def layers(self) -> Tally:
        """Sum over the calls of modules without children: what hooks on layers see."""
        return Tally.sum(tally for tally in chain(*self.calls.values()) if tally.is_leaf)

    def once(self, module: nn.Module) -> Tally:
        """Sum in which a module without parameters counts at its last call only.

        Counters that hang on module hooks overwrite what an earlier call stored (torchstat does),
        so that the one ReLU of a residual block counts once.
        """
        modules = dict(module.named_modules())

        def counted(path: str, tallies: list[Tally]) -> list[Tally]:
            part = next(chain(modules[path].parameters(), modules[path].children()), None)
            return tallies[-1:] if part is None else tallies

        return Tally.sum([self._outside, *chain(*starmap(counted, self.calls.items()))])


def _is_composite(func: Any) -> bool:
    has = getattr(func, "has_kernel_for_dispatch_key", None)
    return has is not None and bool(has(torch._C.DispatchKey.CompositeImplicitAutograd))


def _is_mutable(func: Any) -> bool:
    schema = getattr(func, "_schema", None)  # operators that take functions have none
    return schema is not None and bool(schema.is_mutable)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


@dataclass(frozen=True)
class LayerCost:
    """One submodule's own work, that of its children left out."""

    path: str  # dotted name; "" for the module itself
    kind: str  # class name
    output: tuple[int, ...]  # shape of its first output at its last call
    calls: int  # how often it ran
    params: int  # its own parameters, its children's left out
    tally: Tally  # counters, summed over calls


def layer_costs(job: Job) -> list[LayerCost]:
    """Costs of every submodule that works or has parameters, in the order of first calls.

    Counted on fake tensors, so any size costs milliseconds; on real ones where the module needs
    values. A backward pass belongs to no submodule and is left out.
    """
    return count_case(job).layers


def _layers(module: nn.Module, counter: OperatorCounter) -> list[LayerCost]:
    modules = dict(module.named_modules())
    return [
        LayerCost(
            path=path,
            kind=type(modules[path]).__name__,
            output=counter.outputs.get(path, ()),
            calls=len(tallies),
            params=sum(p.numel() for p in modules[path].parameters(recurse=False)),
            tally=Tally.sum(tallies),
        )
        for path, tallies in counter.calls.items()
    ]
