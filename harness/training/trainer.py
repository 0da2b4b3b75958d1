"""The training loop: steps of SGD from a seed, kept as they go and taken up where they ended."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from context_modules.segmentor import Segmentor
from harness.errors import HarnessError
from harness.training.batches import Batches, read_batches
from harness.training.chance import derived_seed
from harness.training.checkpoint import Checkpoint, State, fits, load_into
from harness.training.data.dataset import SegmentationData
from harness.training.losses import TrainingLoss
from harness.training.network import map_size
from harness.training.optimizer import (
    make_optimizer,
    restore_state,
    set_learning_rate,
    state_of,
)
from harness.training.recipe import Precision, RecipeSpec
from harness.training.schedule import poly

SAVE_EVERY = 10.0
"""Seconds of work that an interruption costs, where a save takes little time."""

SAVE_SHARE = 0.05
"""Largest share of the time that saves may take; on slow disks they become rarer."""

CHECK_EVERY = 50
"""Steps between two looks at the loss; each waits for the GPU."""

_MOST_READERS = 8


class DivergenceError(HarnessError):
    """A training whose loss is no number any more."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands; given to a listener every `CHECK_EVERY` steps and at the end.

    Attributes:
        step: how many steps are done.
        steps: of the whole training.
        loss: mean since the last report.
        terms: the last step's terms before their weights.
    """

    step: int
    steps: int
    loss: float
    terms: dict[str, float]


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        steps: of the whole training.
        first_step: where this process took it up; `steps` if it was whole already.
        loss: mean of its last report.
        seconds: that all processes spent on it.
    """

    steps: int
    first_step: int
    loss: float
    seconds: float


@dataclass
class Trainer:
    """Trains a network; the result is a function of the arguments alone.

    On the CPU the same network, data, recipe, seed and number of threads give the same parameters
    to the last bit, whether or not the training was interrupted: batches and dropout depend on the
    seed and the step alone, and deterministic kernels are chosen. On a GPU bilinear upsampling and
    some convolutions sum in an order of their own.

    Attributes:
        network: as `build_network` gives it; trained in place.
        data: training images.
        recipe: already that of this data (`RecipeSpec.for_data`).
        seed: of order, augmentation and dropout.
        device: where it runs.
        checkpoint: where it is kept; `None` keeps nothing.
        listener: told how it goes.
        save_every: least seconds between two saves.
        save_share: largest share of the time that saves may take.
        clock: in seconds.
    """

    network: Segmentor
    data: SegmentationData
    recipe: RecipeSpec
    seed: int
    device: torch.device
    checkpoint: Checkpoint | None = None
    listener: Callable[[Progress], None] | None = None
    save_every: float = SAVE_EVERY
    save_share: float = SAVE_SHARE
    clock: Callable[[], float] = time.monotonic

    def run(self) -> Trained:
        """Train to the end, or take over a training that is whole.

        Raises:
            DivergenceError: the loss is NaN or infinite.
            CheckpointError: the training cannot be kept.
        """
        if self.checkpoint is None:
            return self._run()
        with self.checkpoint.lock():
            whole = self.checkpoint.finished()
            if whole is not None and fits(whole, self.network.state_dict()):
                load_into(self.network, whole)
                self.network.to(self.device)
                notes = whole.notes
                return Trained(whole.step, whole.step, notes["loss"], notes["seconds"])
            return self._run()

    def _run(self) -> Trained:
        with torch.random.fork_rng(devices=_devices(self.device)), deterministic(self.device):
            return self._steps()

    def _steps(self) -> Trained:
        network = self.network.to(self.device).train()
        if self.device.type == "cuda":
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(network, self.recipe.optimizer)
        steps = self.recipe.steps_on(len(self.data))
        precision = resolve_precision(self.recipe.precision, self.device)
        scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "float16")
        first, spent = self._take_up(optimizer, scaler, steps)
        loss = TrainingLoss(self.recipe.loss).to(self.device)
        report = _Report(self.listener, steps)
        begun = self.clock()
        due = begun + self.save_every
        batches = Batches(self.data, self.recipe, self.seed, first, steps)
        readers = _readers(self.recipe.workers, self.device)
        pinned = self.device.type == "cuda"
        for step, batch in enumerate(read_batches(batches, readers, pinned=pinned), first):
            images, labels = (part.to(self.device, non_blocking=pinned) for part in batch)
            _seed(self.device, derived_seed(self.seed, "dropout", step))
            schedule = self.recipe.schedule
            set_learning_rate(
                optimizer,
                poly(step, steps, power=schedule.power, warmup_steps=schedule.warmup_steps),
            )
            optimizer.zero_grad(set_to_none=True)
            with autocast(precision, self.device):
                output = network(images)
                size = map_size(network, (images.shape[-2], images.shape[-1]))
                total, terms = loss(output, labels, size)
            scaler.scale(total).backward()
            scaler.step(optimizer)
            scaler.update()
            report.add(step, total.detach(), terms)
            if self.checkpoint is not None and (now := self.clock()) >= due:
                self._save_progress(step + 1, optimizer, scaler, spent + now - begun)
                saved = self.clock()
                due = saved + max(self.save_every, (saved - now) / self.save_share)
        seconds = spent + self.clock() - begun
        if self.checkpoint is not None:
            notes = {"loss": report.loss, "seconds": seconds}
            self.checkpoint.save_finished(State(steps, network.state_dict(), notes=notes))
        return Trained(steps, first, report.loss, seconds)

    def _take_up(
        self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, steps: int
    ) -> tuple[int, float]:
        """Fill everything from an interrupted training: the next step, and seconds spent so far."""
        state = self.checkpoint.progress() if self.checkpoint is not None else None
        if (
            state is None
            or not fits(state, self.network.state_dict())
            or not 0 <= state.step < steps
        ):
            return 0, 0.0
        load_into(self.network, state)
        restore_state(self.network, optimizer, state.optimizer)
        if state.notes.get("scaler"):
            scaler.load_state_dict(state.notes["scaler"])
        return state.step, float(state.notes.get("seconds", 0.0))

    def _save_progress(
        self,
        step: int,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        seconds: float,
    ) -> None:
        assert self.checkpoint is not None, "the caller has looked"
        notes: dict[str, Any] = {"scaler": scaler.state_dict(), "seconds": seconds}
        remembered = state_of(self.network, optimizer)
        self.checkpoint.save_progress(State(step, self.network.state_dict(), remembered, notes))


class _Report:
    """The loss since the last report."""

    def __init__(self, listener: Callable[[Progress], None] | None, steps: int) -> None:
        self.loss = 0.0
        self._listener = listener
        self._steps = steps
        self._total: Tensor | None = None
        self._count = 0

    def add(self, step: int, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """Take one step's loss; every so often look at it."""
        self._total = loss.clone() if self._total is None else self._total + loss
        self._count += 1
        done = step + 1
        if done % CHECK_EVERY and done < self._steps:
            return
        self.loss = float(self._total) / self._count
        self._total, self._count = None, 0
        if not torch.isfinite(torch.tensor(self.loss)):
            raise DivergenceError(
                f"the loss is {self.loss} by step {done} of {self._steps}; lower the recipe's "
                "learning_rate or add warmup_steps"
            )
        if self._listener is not None:
            values = {name: float(term) for name, term in terms.items()}
            self._listener(Progress(done, self._steps, self.loss, values))


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Deterministic kernels on the CPU, where each has one; a GPU is left as it is."""
    if device.type != "cpu":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic
    filled = debugging.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    debugging.fill_uninitialized_memory = False  # it finds mistakes, and takes time
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        debugging.fill_uninitialized_memory = filled


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """What `auto` means on a device: mixed precision on a GPU, float32 on the CPU."""
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context of forward passes in a resolved precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def _seed(device: torch.device, seed: int) -> None:
    """As `torch.manual_seed`, which also asks every other kind of device, in each step anew."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _devices(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _readers(asked: int | None, device: torch.device) -> int:
    if asked is not None:
        return asked
    return 0 if device.type == "cpu" else min(_MOST_READERS, len(os.sched_getaffinity(0)))
