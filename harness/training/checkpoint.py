"""Checkpoints: trainings on disk, keyed by what was trained, whole or under way."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from harness.environment.files import locked, write_atomically
from harness.messages import HarnessError

CHECKPOINTS_VARIABLE = "HARNESS_CHECKPOINTS"
"""Environment variable that names another folder than `results/checkpoints`."""

_FINISHED, _PROGRESS, _DESCRIPTION = "weights.safetensors", "progress.safetensors", "training.json"
_MODEL, _OPTIMIZER = "model.", "optimizer."


class CheckpointError(HarnessError):
    """Checkpoints cannot be read or written."""


def checkpoint_folder() -> Path:
    """Where trainings are kept: `$HARNESS_CHECKPOINTS`, else `results/checkpoints`."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or "results/checkpoints")


def training_key(description: Mapping[str, Any]) -> str:
    """Hash of what is trained; equal trainings have equal keys."""
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class State:
    """A training at one step."""

    step: int  # how many steps are done
    model: Mapping[str, Tensor]  # parameters and buffers by name
    # what it remembers, by `parameter/name`; empty where the training is whole
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    # plain data that belongs to it (loss, seconds, state of the gradient scaler)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, network: nn.Module) -> bool:
        """Whether it has exactly the tensors of a network."""
        own = network.state_dict()
        return self.model.keys() == own.keys() and all(
            self.model[name].shape == x.shape for name, x in own.items()
        )

    def load_into(self, network: nn.Module) -> None:
        """Fill a network.

        Raises:
            CheckpointError: names or shapes differ.
        """
        if not self.fits(network):
            raise CheckpointError("a checkpoint does not fit its network; remove its folder")
        network.load_state_dict(dict(self.model))


class Checkpoint:
    """The folder of one training: `training.json`, and `weights` or `progress` as safetensors.

    Files appear whole or not at all. A damaged one counts as absent: the training is repeated.
    Of what is trained, as plain data, a hash (`key`) names the folder.
    """

    def __init__(self, root: Path, description: Mapping[str, Any]) -> None:
        self.key = training_key(description)
        self.folder = root / self.key
        self._description = description

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the training; another process that wants the same one waits, then finds it whole.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        with ExitStack() as held:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.folder / "lock"))
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    def finished(self) -> State | None:
        """The whole training; `None` if there is none."""
        return _kept(self.folder / _FINISHED)

    def progress(self) -> State | None:
        """How far an interrupted training came; `None` if there is none."""
        return _kept(self.folder / _PROGRESS)

    def save_progress(self, state: State) -> None:
        """Keep a training that is under way."""
        self._write(_PROGRESS, state)

    def save_finished(self, state: State) -> None:
        """Keep a whole training, and forget how it came about."""
        text = json.dumps(self._description, indent=1, sort_keys=True) + "\n"
        self._replace(_DESCRIPTION, text.encode())
        self._write(_FINISHED, state)
        (self.folder / _PROGRESS).unlink(missing_ok=True)

    def _write(self, name: str, state: State) -> None:
        tensors = {_MODEL + key: _portable(x) for key, x in state.model.items()}
        tensors |= {_OPTIMIZER + key: _portable(x) for key, x in state.optimizer.items()}
        metadata = {"step": str(state.step), "notes": json.dumps(dict(state.notes))}
        self._replace(name, _safetensors().save(tensors, metadata))

    def _replace(self, name: str, content: bytes) -> None:
        try:
            write_atomically(self.folder / name, content)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"{self.folder}: cannot be written: {error.strerror}; name another folder in "
            f"${CHECKPOINTS_VARIABLE}"
        )


def _portable(x: Tensor) -> Tensor:
    """As safetensors takes it: on the CPU, contiguous, sharing memory with no other."""
    return x.detach().to("cpu", copy=True).contiguous()


def _kept(path: Path) -> State | None:
    _safetensors()
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        step, notes = int(metadata["step"]), json.loads(metadata["notes"])
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError):
        return None
    model, optimizer = (
        {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}
        for prefix in (_MODEL, _OPTIMIZER)
    )
    return State(step, model, optimizer, notes)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(
            "keeping trainings needs the optional extra `weights`: "
            "pip install 'context-harness[weights]'"
        ) from error
    return safetensors.torch
