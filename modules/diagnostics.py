"""What a pass of some modules shows beside its output: one number an image, by name.

A function here takes a module, the arguments of its forward and its output, as a forward hook does.
It stands beside its class, not in it: what is only looked at decides no training.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from context_modules.graph_guided import GraphGuidedContextFusion, GraphHead
from context_modules.region_construction import RegionConstruction, Regions

Diagnose = Callable[[Any, tuple[Any, ...], Any], Mapping[str, Tensor | float]]
"""Module, arguments and output of a pass -> (B,) numbers, or one of the whole batch, by name."""


def of_regions(_: RegionConstruction, __: tuple[Any, ...], output: Regions) -> dict[str, Tensor]:
    """How many regions an image has, and pixels a region has on average (RANet, Section 5.2)."""
    labels = output.labels  # (B, N); a region's is the index of its first pixel
    pixels = labels.shape[1]
    first = labels == torch.arange(pixels, device=labels.device)
    number = first.sum(dim=1)
    return {"regions": number, "region_size": pixels / number}


def of_contexts(
    module: GraphGuidedContextFusion, inputs: tuple[Any, ...], _: Tensor
) -> dict[str, float]:
    """Contexts of a position, mean over heads, those alone that Context Pruning keeps (GGCF, 4.2).

    It follows from the size of the map: pruning keeps its share of however many neighbours.
    """
    height, width = inputs[0].shape[2:]
    pruning = None if module.training else module.pruning
    heads = [head for head in module.heads if isinstance(head, GraphHead)]
    kept = [
        (number if pruning is None else pruning.kept(number)) * positions
        for head in heads
        for number, positions in head.graph.neighbours(height, width).items()
    ]
    return {"contexts": sum(kept) / (height * width * len(heads))}


_OF_CLASSES: Mapping[type[nn.Module], Diagnose] = {
    RegionConstruction: of_regions,
    GraphGuidedContextFusion: of_contexts,
}


def diagnose_of(module: nn.Module) -> Diagnose | None:
    """What looks at the passes of a module; `None` if nothing does.

    A class of one's own has a method `diagnostics(self, inputs, output)` for that.
    """
    for kind in type(module).__mro__:
        if kind in _OF_CLASSES:
            return _OF_CLASSES[kind]
    own = getattr(type(module), "diagnostics", None)
    return own if callable(own) else None
