"""Diagnostics: what the parts of a network say of its passes, averaged over the images."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from context_modules.diagnostics import Diagnose, diagnose_of
from harness.messages import HarnessError, quote


class DiagnosticsError(HarnessError):
    """A module whose diagnostics are no numbers."""


class Diagnostics:
    """Means over all passes while `watching`, image by image; crops and mirrored views count."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        """Listen to every part of a network that has something to say."""
        with ExitStack() as hooks:
            for part in network.modules():
                if (diagnose := diagnose_of(part)) is not None:
                    handle = part.register_forward_hook(self._hook(diagnose))
                    hooks.callback(handle.remove)
            yield

    def means(self) -> dict[str, float]:
        """By name; NaN takes no part, and what is nothing else has no mean."""
        known = {
            name: [value for value in values if not math.isnan(value)]
            for name, values in self._values.items()
        }
        return {name: math.fsum(each) / len(each) for name, each in known.items() if each}

    def _hook(self, diagnose: Diagnose) -> Any:
        def hook(part: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            with torch.no_grad():
                said = diagnose(part, inputs, output)
            batch = _batch(inputs)
            for name, values in _checked(part, said).items():
                # What is said of the whole batch is said of each image of it.
                self._values[name] += values * batch if len(values) == 1 else values

        return hook


def _batch(inputs: tuple[Any, ...]) -> int:
    tensors = [each for each in inputs if isinstance(each, Tensor) and each.dim()]
    return int(tensors[0].shape[0]) if tensors else 1


def _checked(part: nn.Module, said: object) -> dict[str, list[float]]:
    """Numbers by name.

    Raises:
        DiagnosticsError: it is something else.
    """
    found: dict[str, list[float]] = {}
    named: Mapping[Any, Any] = said if isinstance(said, Mapping) else {"": None}
    for name, value in named.items():
        numbers = (
            value.detach().flatten().double().tolist() if isinstance(value, Tensor) else [value]
        )
        if not str(name).isidentifier() or not all(isinstance(each, Real) for each in numbers):
            raise DiagnosticsError(
                f"{type(part).__name__}.diagnostics gives {quote(said)}; return a mapping of names "
                "to numbers, or to tensors of one number an image"
            )
        found[str(name)] = [float(each) for each in numbers]
    return found
