"""Weights into a network by its own names: safetensors or a torch file, never pickled code."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

# What training scripts wrap their state in, and what wrappers put in front of every name.
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model")
_PREFIXES = ("module.", "model.", "backbone.")
# Names that the one error lists before it says how many more there are.
_LISTED = 8


class WeightsError(ValueError):
    """A weights file that cannot be read or does not fit; the message says what to do."""


def load_weights(
    module: nn.Module, path: str | Path, *, ignore: Sequence[str] | None = None
) -> None:
    """Fill all parameters and buffers of `module` from a file, or leave all of them as they are.

    Wrappers (`state_dict`, `model`) and prefixes that all names share (`module.`, `backbone.`) are
    taken off. Counters of batches (`num_batches_tracked`) may be missing: older files have none. A
    module of fake tensors, on which costs are counted, is checked against the file and stays as
    it is.

    Args:
        module: the network; its floating type and device stay.
        path: a `.safetensors` file, or a file of `torch.save` that holds tensors only.
        ignore: beginnings of names in the file that `module` may lack; `None` takes the module's
            own `classifier_names` (a backbone leaves out `fc.`).

    Raises:
        WeightsError: there is no such file, it holds code, or names or shapes differ.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; download the weights first")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    with unset_fake_temporarily():
        state = _unwrap(read(path), path)
    skipped = tuple(getattr(module, "classifier_names", ()) if ignore is None else ignore)
    own = module.state_dict()
    state = {name: x for name, x in state.items() if name in own or not name.startswith(skipped)}
    _check(own, state, path)
    if not any(isinstance(x, FakeTensor) for x in own.values()):
        module.load_state_dict(state, strict=False)


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, wrappers and shared prefixes taken off; see `load_weights`.

    Raises:
        WeightsError: there is no such file, it holds code, or something else than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; download the weights first")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    with unset_fake_temporarily():
        return _unwrap(read(path), path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise WeightsError(
            f"{path}: reading safetensors needs the optional extra `weights`: "
            "pip install 'context-harness[weights]'"
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, since it holds more than tensors and loading it could run code; "
            "save its state_dict alone, or as safetensors, where you trust it"
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise WeightsError(f"{path}: not a file of torch.save, or cut short ({error})") from error


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Take off wrappers and shared prefixes."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds no state_dict, a mapping of names to tensors")
    odd = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if odd:
        raise WeightsError(f"{path}: not tensors: {_listed(odd)}; save the state_dict alone")
    state = {str(name): value for name, value in content.items()}
    while True:
        prefix = next((p for p in _PREFIXES if all(n.startswith(p) for n in state)), None)
        if prefix is None:
            return state
        state = {name.removeprefix(prefix): x for name, x in state.items()}


def _check(own: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    """One error for everything that does not fit."""
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in state if n not in own]
    shapes = [
        f"{n} {tuple(state[n].shape)} in the file, {tuple(own[n].shape)} in the network"
        for n in own
        if n in state and state[n].shape != own[n].shape
    ]
    problems = [
        f"{kind} ({len(names)}): {_listed(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("shape", shapes))
        if names
    ]
    if problems:
        raise WeightsError(
            f"{path}: does not fit the network; nothing was loaded\n  " + "\n  ".join(problems)
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
