"""Costs layer by layer: what `harness show` prints."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from harness.case import Case
from harness.measure.counters import OperatorCounter, Tally
from harness.measure.leaves import tensors_of
from harness.measure.subject import Subject
from harness.measure.values import on_fake_or_real


@dataclass(frozen=True)
class LayerCost:
    """One submodule's own work, that of its children left out.

    Attributes:
        path: dotted name; "" for the module itself.
        kind: class name.
        output: shape of its first output at its last call.
        calls: how often it ran.
        params: its own parameters, its children's left out.
        tally: counters, summed over calls.
    """

    path: str
    kind: str
    output: tuple[int, ...]
    calls: int
    params: int
    tally: Tally


def layer_costs(case: Case, search_path: tuple[str, ...] = ()) -> list[LayerCost]:
    """Costs of every submodule that works or has parameters, in the order of first calls.

    Counted on fake tensors, so any size costs milliseconds; on real ones where the module needs
    values. A backward pass belongs to no submodule and is left out.
    """
    return on_fake_or_real(case, 0, search_path, _layers)[0]


def _layers(subject: Subject) -> list[LayerCost]:
    outputs: dict[str, tuple[int, ...]] = {}
    for path, module in subject.module.named_modules():
        module.register_forward_hook(_remember(outputs, path))
    counter = OperatorCounter()
    with counter, counter.attribute(subject.module):
        subject.forward()
    modules = dict(subject.module.named_modules())
    return [
        _layer(path, modules[path], tallies, outputs.get(path, ()))
        for path, tallies in counter.calls.items()
    ]


def _layer(
    path: str, module: nn.Module, tallies: list[Tally], output: tuple[int, ...]
) -> LayerCost:
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    params = sum(p.numel() for p in module.parameters(recurse=False))
    return LayerCost(path, type(module).__name__, output, len(tallies), params, total)


def _remember(outputs: dict[str, tuple[int, ...]], path: str) -> Any:
    def hook(_module: nn.Module, _args: Any, out: Any) -> None:
        first = next(iter(tensors_of(out)), None)
        outputs[path] = tuple(first.shape) if first is not None else ()

    return hook
