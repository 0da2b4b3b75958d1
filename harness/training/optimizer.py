"""The optimizer: SGD with momentum over groups of a network's parameters."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from harness.training.recipe import OptimizerSpec


def make_optimizer(network: nn.Module, spec: OptimizerSpec) -> torch.optim.SGD:
    """SGD with momentum (the papers' solver) over backbone and head, decayed and undecayed.

    Each group keeps its base learning rate under `base_lr`, which `set_learning_rate` scales.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        head = not name.startswith("backbone.")
        # Biases and the scales of norms are the parameters of one axis.
        decayed = spec.decay_norms or parameter.dim() > 1
        groups.setdefault((head, decayed), []).append(parameter)
    return torch.optim.SGD(
        [
            {
                "params": parameters,
                "base_lr": spec.learning_rate * (spec.head_factor if head else 1.0),
                "weight_decay": spec.weight_decay if decayed else 0.0,
            }
            for (head, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=spec.learning_rate,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its base learning rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def momentum_of(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Momentum buffers by the names of their parameters; empty before the first step."""
    found = {}
    for name, parameter in network.named_parameters():
        buffer = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if buffer is not None:
            found[name] = buffer
    return found


def restore_momentum(
    network: nn.Module, optimizer: torch.optim.Optimizer, momentum: Mapping[str, Tensor]
) -> None:
    """Put back what `momentum_of` gave."""
    for name, parameter in network.named_parameters():
        if name in momentum:
            buffer = momentum[name].to(parameter.device, parameter.dtype).clone()
            optimizer.state[parameter]["momentum_buffer"] = buffer
