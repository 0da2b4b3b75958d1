"""The optimizer: SGD with momentum, or AdamW, over groups of a network's parameters."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.training.recipe import OptimizerSpec

_JOINT = "/"  # between a parameter's name and that of a tensor of its state


def make_optimizer(network: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """The optimizer of a recipe over backbone and head, decayed and undecayed.

    SGD with momentum is the papers' solver. AdamW (Loshchilov and Hutter 2019) leaves the plateau
    before an attention attends to anything in a fraction of the steps: gradients of query and key
    are small as long as weights are even, and it divides by their size.

    Each group keeps its base learning rate under `base_lr`, which `set_learning_rate` scales.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        head = not name.startswith("backbone.")
        # Biases and the scales of norms are the parameters of one axis.
        decayed = spec.decay_norms or parameter.dim() > 1
        groups.setdefault((head, decayed), []).append(parameter)
    parts = [
        {
            "params": parameters,
            "base_lr": spec.learning_rate * (spec.head_factor if head else 1.0),
            "weight_decay": spec.weight_decay if decayed else 0.0,
        }
        for (head, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
    # On the CPU one fused kernel in place of some ten small ones per parameter; elsewhere PyTorch
    # chooses.
    fused = True if all(p.device.type == "cpu" for p in network.parameters()) else None
    if spec.kind == "adamw":
        betas = (spec.momentum, spec.second_momentum)
        return torch.optim.AdamW(parts, lr=spec.learning_rate, betas=betas, fused=fused)
    return torch.optim.SGD(
        parts,
        lr=spec.learning_rate,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        fused=fused,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its base learning rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def state_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimizer remembers: `parameter/name` to tensor; empty before the first step."""
    return {
        f"{name}{_JOINT}{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_state(
    network: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """Put back what `state_of` gave."""
    parameters = dict(network.named_parameters())
    for place, value in state.items():
        name, _, key = place.rpartition(_JOINT)
        parameter = parameters[name]
        own: dict[str, Any] = optimizer.state[parameter]
        # What has the parameter's shape lies beside it; a count of steps stays as it was kept.
        same = value.shape == parameter.shape and key != "step"
        own[key] = value.to(parameter) if same else value.clone()
