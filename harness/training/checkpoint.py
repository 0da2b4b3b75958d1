"""Checkpoints: trainings on disk, keyed by what was trained, whole or under way."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.case import as_plain, from_plain
from harness.environment import used_files
from harness.environment.files import locked, write_atomically
from harness.messages import HarnessError, quote

if TYPE_CHECKING:  # a plan asks for the folder alone, in less time than PyTorch is imported in
    from torch import Tensor, nn

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


class UnfitError(Exception):
    """Something kept that is not what was kept, or not what is asked for: why, after its name."""


@dataclass(frozen=True)
class Notes:
    """What belongs to a training beside its tensors."""

    seconds: float  # that all processes spent on it
    loss: float  # mean since the last look at it
    scaler: Mapping[str, float] = field(default_factory=dict)  # state of the gradient scaler


@dataclass(frozen=True)
class State:
    """A training at one step."""

    step: int  # how many steps are done
    model: "Mapping[str, Tensor]"  # parameters and buffers by name
    notes: Notes
    # what it remembers, by `parameter/name`; empty where the training is whole
    optimizer: "Mapping[str, Tensor]" = field(default_factory=dict)

    def check(self, network: "nn.Module", steps: range) -> None:
        """See that it can be that of a network, which may have no storage (`meta`).

        Raises:
            UnfitError: it has not exactly the network's tensors, weights that are no numbers, or
                another number of steps.
        """
        if self.step not in steps:
            raise UnfitError(f"is at step {self.step}")
        own = network.state_dict()
        if self.model.keys() != own.keys() or not all(
            (x.shape, x.dtype) == (own[name].shape, own[name].dtype)
            for name, x in self.model.items()
        ):
            raise UnfitError("has not the tensors of the network")
        # A constant may well hold an infinity.
        trained = [name for name, each in network.named_parameters() if each.requires_grad]
        if not all(self.model[name].isfinite().all() for name in trained):
            raise UnfitError("has weights that are no numbers")


class Checkpoint:
    """The folder of one training: `training.json`, and `weights` or `progress` as safetensors.

    Of what is trained, as plain data, a hash (`key`) names the folder. Files appear whole or not at
    all, and are replaced by name, since another process may have the old one mapped. What is not as
    it was kept (by its checksum), does not fit, or was made with other files of the user than are
    there now, counts as absent: the training is repeated, and `warnings` says why.

    Args:
        root: where trainings are kept.
        description: of what is trained; as much as is known before.
        search_path: folders of the user's modules, that of the suite first.
        depends_on: absolute paths that it depends on whoever reads them.
    """

    def __init__(
        self,
        root: Path,
        description: Mapping[str, Any],
        search_path: Sequence[str] = (),
        depends_on: Sequence[str] = (),
    ) -> None:
        self.key = training_key(description)
        self.folder = root / self.key
        self.warnings: list[str] = []  # sentences for the reader of the row
        self._description = description
        self._search_path, self._depends_on = search_path, depends_on

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
            for name in (_FINISHED, _PROGRESS, _DESCRIPTION):
                if (self.folder / name).is_dir():  # found now, not after a night's training
                    raise CheckpointError(
                        f"{self.folder / name}: a folder is in the way; remove it"
                    )
            yield

    def finished(self, network: "nn.Module", steps: int) -> State | None:
        """The whole training of a network in so many steps; `None` if there is none that counts."""
        whole = range(steps, steps + 1)
        return self._kept(_FINISHED, lambda state: state.check(network, whole))

    def progress(self, check: Callable[[State], None]) -> State | None:
        """How far an interrupted training came; `None` if there is none that counts.

        Args:
            check: raises `UnfitError` where it cannot be taken up.
        """
        return self._kept(_PROGRESS, check)

    def save_progress(self, state: State) -> None:
        """Keep a training that is under way."""
        self._write(_PROGRESS, state, self._files())

    def save_finished(self, state: State) -> None:
        """Keep a whole training, and forget how it came about."""
        files = self._files()
        self._replace(_DESCRIPTION, self._told(files).encode())
        self._write(_FINISHED, state, files)
        (self.folder / _PROGRESS).unlink(missing_ok=True)

    def _told(self, files: Mapping[str, str]) -> str:
        told = {**self._description, "files": files}
        return json.dumps(told, indent=1, sort_keys=True) + "\n"

    def _files(self) -> Mapping[str, str]:
        """Of the user, hashed when they were imported or read: also those that training led to."""
        return used_files.used(self._depends_on).files

    def _check_files(self, files: Mapping[str, str]) -> None:
        base = self._search_path[0] if self._search_path else ""
        missing = set(self._depends_on) - {str(Path(base, each)) for each in files}
        if other := [*used_files.changed(files, self._search_path, {}), *sorted(missing)]:
            raise UnfitError(f"was made with another {', '.join(map(quote, other))}")

    def _kept(self, name: str, check: Callable[[State], None]) -> State | None:
        """What a file holds; `None` if there is none, or none that counts."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            state, files = _read(path)
            check(state)
            self._check_files(files)
            if name == _FINISHED:
                name = _DESCRIPTION
                self._check_description(files)
        except UnfitError as error:
            self.warnings.append(
                f"a kept training counts as absent and was repeated: {name} of {self.key} {error}"
            )
            return None
        return state

    def _check_description(self, files: Mapping[str, str]) -> None:
        try:
            text = (self.folder / _DESCRIPTION).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UnfitError("cannot be read") from error
        if text != self._told(files):
            raise UnfitError("tells of another training")

    def _write(self, name: str, state: State, files: Mapping[str, str]) -> None:
        tensors = {_MODEL + key: _portable(x) for key, x in state.model.items()}
        tensors |= {_OPTIMIZER + key: _portable(x) for key, x in state.optimizer.items()}
        notes = json.dumps(as_plain(state.notes))
        told = {"step": str(state.step), "notes": notes, "files": json.dumps(dict(files))}
        told["checksum"] = _checksum(tensors, told)
        self._replace(name, _safetensors().save(tensors, told))

    def _replace(self, name: str, content: bytes) -> None:
        try:
            write_atomically(self.folder / name, content)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"{error.filename or self.folder}: cannot be written: {error.strerror}; mend that, or "
            f"name another folder in ${CHECKPOINTS_VARIABLE}"
        )


def _portable(x: "Tensor") -> "Tensor":
    """As safetensors takes it: on the CPU, contiguous, sharing memory with no other."""
    return x.detach().to("cpu", copy=True).contiguous()


def _checksum(tensors: "Mapping[str, Tensor]", told: Mapping[str, str]) -> str:
    """Hash of all that a file holds but the checksum itself."""
    import torch

    words = {key: text for key, text in told.items() if key != "checksum"}
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name, x in sorted(tensors.items()):
        digest.update(f"\n{name} {x.dtype} {list(x.shape)}\n".encode())
        digest.update(x.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[State, Mapping[str, str]]:
    """What a file holds: a training, and hashes of the user's files that made it.

    Raises:
        UnfitError: it is damaged.
    """
    _safetensors()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if told.get("checksum") != _checksum(tensors, told):
            raise UnfitError("is damaged (its checksum is another)")
        step, notes = int(told["step"]), from_plain(Notes, json.loads(told["notes"]))
        files = from_plain(dict[str, str], json.loads(told["files"]))
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise UnfitError("is damaged (it cannot be read)") from error
    model, optimizer = (
        {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}
        for prefix in (_MODEL, _OPTIMIZER)
    )
    return State(step, model, notes, optimizer), files


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(
            "keeping trainings needs the optional extra `weights`: "
            "pip install 'context-harness[weights]'"
        ) from error
    return safetensors.torch
