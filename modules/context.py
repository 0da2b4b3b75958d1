"""Context modules by name, on a map whose channels and size the network knows."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from context_modules.catalog import BY_NAME, Entry

# A context module names the method that gives more than features `forward_with_<what it gives>`.
_EXTRAS = "forward_with_"
# Side of the map on which a module without `input_size` shows how many channels it gives.
_PROBE = 48


def build_context(
    name: str, in_channels: int, input_size: tuple[int, int] | None, arguments: Mapping[str, Any]
) -> nn.Module:
    """A context module of the catalog, or a user's own, on a map of known channels and size.

    Raises:
        ValueError: `name` is unknown, its size is not known but needed, or an argument
            does not fit.
    """
    if name not in BY_NAME and ":" not in name:
        raise ValueError(
            f"context: {name!r} is not in the catalog; take one of its names or package.file:Class"
        )
    try:
        kind = (BY_NAME[name] if name in BY_NAME else Entry(name, name, "", "")).load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"context: {name!r} cannot be imported: {error}") from error
    parameters = inspect.signature(kind).parameters
    filled: dict[str, Any] = {}
    if "in_channels" in parameters:
        filled["in_channels"] = in_channels
    if "input_size" in parameters:
        if input_size is not None:
            filled["input_size"] = input_size
        elif parameters["input_size"].default is inspect.Parameter.empty:
            raise ValueError(f"input_size: {name} needs it; give the (H, W) of the image")
    clash = sorted(filled.keys() & arguments.keys())
    if clash:
        raise ValueError(f"context_arguments: leave out {', '.join(clash)}, the network gives it")
    try:
        return kind(**filled, **arguments)
    except TypeError as error:
        raise ValueError(f"context_arguments of {name}: {error}") from error


def output_channels(module: nn.Module, in_channels: int, input_size: tuple[int, int] | None) -> int:
    """Channels that a context module gives: its `out_channels`, else found on the meta device.

    Raises:
        ValueError: it has no such attribute and does not run on the meta device.
    """
    declared = getattr(module, "out_channels", None)
    if isinstance(declared, int):
        return declared
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    meta = {name: torch.empty_like(x, device="meta") for name, x in tensors.items()}
    x = torch.empty(1, in_channels, *(input_size or (_PROBE, _PROBE)), device="meta")
    modes = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad():
            out = functional_call(module.eval(), meta, (x,))
    except (RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"context: {type(module).__name__} does not say how many channels it gives; "
            "add an attribute `out_channels`"
        ) from error
    finally:
        for part, mode in modes.items():
            part.training = mode
    return int(out.shape[1])


def forward_with_extras(module: nn.Module, x: Tensor, *more: Any) -> tuple[Tensor, dict[str, Any]]:
    """Features of a context module and what else it offers to losses.

    `more` is given to the module behind x.

    A module that offers more has one method `forward_with_<name>(x) -> (features, value)`. The
    value is given under its own names if it is a mapping or a named tuple, else under `<name>`. One
    that was built without it says so by an attribute `gives_extras = False`. Where the value hangs
    on how the module was built, `forward_for_losses(x) -> (features, {name: value})` stands for it.
    """
    if not getattr(module, "gives_extras", True):
        return module(x, *more), {}
    if for_losses := getattr(module, "forward_for_losses", None):
        features, extras = for_losses(x, *more)
        return features, dict(extras)
    methods = [name for name in dir(type(module)) if name.startswith(_EXTRAS)]
    if not methods:
        return module(x, *more), {}
    features, value = getattr(module, methods[0])(x, *more)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return features, dict(value)
    return features, {methods[0].removeprefix(_EXTRAS): value}
