"""The training loop, with its loss, optimizer and schedule; kept and taken up as it goes."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from context_modules.affinity_loss import downsample_labels
from context_modules.boundary import boundary_labels
from context_modules.fused_affinity_loss import FusedAffinityLoss
from context_modules.implicit_prior import ImplicitPrior
from context_modules.losses import VOID, CrossEntropy, OHEMCrossEntropy
from context_modules.region_losses import boundary_cross_entropy, cross_entropy
from context_modules.segmentor import Segmentor, SegmentorOutput
from harness.environment import used_files
from harness.messages import HarnessError
from harness.suite.recipe import LossSpec, OptimizerSpec, Precision, RecipeSpec
from harness.training.batches import Batches, derived_seed, read_batches
from harness.training.checkpoint import Checkpoint, Notes, State, UnfitError
from harness.training.data.dataset import SegmentationData
from harness.training.network import map_size

SAVE_EVERY = 10.0  # seconds of work that an interruption costs, where a save takes little time
SAVE_SHARE = 0.05  # largest share of the time that saves may take; on slow disks they become rarer
CHECK_EVERY = 50  # steps between two looks at the loss; each waits for the GPU

_CALMER = "lower the recipe's learning_rate or add warmup_steps"


class DivergenceError(HarnessError):
    """A training whose loss is no number any more."""


@dataclass(frozen=True)
class Trained:
    """What a training gave."""

    steps: int  # of the whole training
    first_step: int  # where this process took it up; `steps` if it was whole already
    loss: float  # mean since the last look at it
    seconds: float  # that all processes spent on it


@dataclass
class Trainer:
    """Trains a network; the result is a function of the arguments alone.

    On the CPU the same network, data, recipe, seed and number of threads give the same parameters
    to the last bit, whether or not the training was interrupted: batches and dropout depend on the
    seed and the step alone, and deterministic kernels are chosen. On a GPU bilinear upsampling and
    some convolutions sum in an order of their own.
    """

    network: Segmentor  # as `build_network` gives it; trained in place
    data: SegmentationData  # training images
    recipe: RecipeSpec  # already that of this data (`RecipeSpec.for_data`)
    seed: int  # of order, augmentation and dropout
    device: torch.device  # where it runs
    checkpoint: Checkpoint | None = None  # where it is kept; `None` keeps nothing
    save_every: float = SAVE_EVERY  # least seconds between two saves
    save_share: float = SAVE_SHARE  # largest share of the time that saves may take
    clock: Callable[[], float] = time.monotonic  # in seconds

    def run(self) -> Trained:
        """Train to the end, or take over a training that is whole.

        Raises:
            DivergenceError: the loss is NaN or infinite.
            CheckpointError: the training cannot be kept.
        """
        with self.checkpoint.lock() if self.checkpoint else nullcontext():
            steps = self.recipe.steps_on(len(self.data))
            whole = self.checkpoint.finished(self.network, steps) if self.checkpoint else None
            if whole is not None:
                self.network.load_state_dict(dict(whole.model))
                self.network.to(self.device)
                return Trained(steps, steps, whole.notes.loss, whole.notes.seconds)
            forked = [self.device] if self.device.type == "cuda" else []
            with torch.random.fork_rng(devices=forked), deterministic(self.device):
                return self._train(steps)

    def _train(self, steps: int) -> Trained:
        begun = self.clock()
        course = _Course(self.network, self.recipe, self.device, steps)
        kept = self.checkpoint.progress(course.check) if self.checkpoint else None
        first, spent = course.take_up(kept) if kept else (0, 0.0)
        batches = Batches(self.data, self.recipe, self.seed, first, steps)
        loss = _MeanLoss(steps)
        due = begun + self.save_every
        for step, (images, labels) in enumerate(
            read_batches(batches, self.recipe.workers, self.device), first
        ):
            # As `torch.manual_seed`, which also asks every other kind of device, each time anew.
            seed = derived_seed(self.seed, "dropout", step)
            torch.default_generator.manual_seed(seed)
            if self.device.type == "cuda":
                torch.cuda.manual_seed(seed)
            loss.add(step, course.step(step, images, labels))
            if self.checkpoint is not None and (now := self.clock()) >= due:
                notes = Notes(spent + now - begun, loss.mean)
                self.checkpoint.save_progress(course.state(step + 1, notes))
                saved = self.clock()
                due = saved + max(self.save_every, (saved - now) / self.save_share)
        seconds = spent + self.clock() - begun
        state = State(steps, self.network.state_dict(), Notes(seconds, loss.mean))
        try:
            state.check(self.network, range(steps, steps + 1))
        except UnfitError as error:
            raise DivergenceError(f"the network {error} after step {steps}; {_CALMER}") from error
        if self.checkpoint is not None:
            self.checkpoint.save_finished(state)
        return Trained(steps, first, loss.mean, seconds)


class _Course:
    """A network and all that changes with it from step to step."""

    def __init__(
        self, network: Segmentor, recipe: RecipeSpec, device: torch.device, steps: int
    ) -> None:
        self._network = network.to(device).train()
        self._on_gpu = device.type == "cuda"
        if self._on_gpu:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._schedule, self._steps, self._device = recipe.schedule, steps, device
        self._optimizer = make_optimizer(network, recipe.optimizer)
        self._precision = resolve_precision(recipe.precision, device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._precision == "float16")
        self._loss = TrainingLoss(recipe.loss).to(device)

    def step(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch: its loss, without gradients."""
        images, labels = (x.to(self._device, non_blocking=self._on_gpu) for x in (images, labels))
        power, warmup = self._schedule.power, self._schedule.warmup_steps
        set_learning_rate(
            self._optimizer, poly(step, self._steps, power=power, warmup_steps=warmup)
        )
        self._optimizer.zero_grad(set_to_none=True)
        with autocast(self._precision, self._device):
            size = map_size(self._network, (images.shape[-2], images.shape[-1]))
            with used_files.building():  # what a pass reads decides the training, too
                output = self._network(images)
            total: Tensor = self._loss(output, labels, size)[0]
        self._scaler.scale(total).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return total.detach()

    def state(self, step: int, notes: Notes) -> State:
        """All of it after so many steps."""
        notes = replace(notes, scaler=self._scaler.state_dict())
        remembered = state_of(self._network, self._optimizer)
        return State(step, self._network.state_dict(), notes, remembered)

    def check(self, state: State) -> None:
        """See that an interrupted training can be taken up.

        Raises:
            UnfitError: it is that of another network, optimizer, precision or length.
        """
        state.check(self._network, range(1, self._steps))
        if state.notes.scaler.keys() != self._scaler.state_dict().keys():
            raise UnfitError("was trained in another precision")
        if state.optimizer or not self._scaler.is_enabled():  # which may have left out all steps
            check_state(self._network, self._optimizer, state.optimizer)

    def take_up(self, state: State) -> tuple[int, float]:
        """Fill it from an interrupted training: the next step, and seconds spent so far."""
        self._network.load_state_dict(dict(state.model))
        restore_state(self._network, self._optimizer, state.optimizer)
        if state.notes.scaler:
            self._scaler.load_state_dict(dict(state.notes.scaler))
        return state.step, state.notes.seconds


class _MeanLoss:
    """The mean of the loss since the last look at it."""

    def __init__(self, steps: int) -> None:
        self.mean = 0.0
        self._steps = steps
        self._losses: list[Tensor] = []

    def add(self, step: int, loss: Tensor) -> None:
        """Take one step's loss; every so often look at it."""
        self._losses.append(loss)
        done = step + 1
        if done % CHECK_EVERY and done < self._steps:
            return
        self.mean = float(sum(self._losses)) / len(self._losses)
        self._losses = []
        if not math.isfinite(self.mean):
            raise DivergenceError(
                f"the loss is {self.mean} by step {done} of {self._steps}; {_CALMER}"
            )


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


class TrainingLoss(nn.Module):
    """Weighted sum of the terms that apply; scalars by name.

    - `main`: cross entropy, or its hard pixels (OHEM), of the final segmentation.
    - `auxiliary`: the same of the auxiliary head; weight 0.4 after PSPNet (Zhao et al. 2017).
    - `affinity`: CPNet's Affinity Loss (Eq. 7) of `extras["prior"]`.
    - `semantic`, `boundary`: RANet's (Section 4) of `extras["categories"]` and
      `extras["boundary"]`, which with `main` and `auxiliary` make its four.

    A weight of 0 leaves a term out.
    """

    def __init__(self, spec: LossSpec) -> None:
        super().__init__()
        self.spec = spec
        self.segmentation: CrossEntropy = (
            OHEMCrossEntropy(threshold=spec.ohem_threshold, min_kept=spec.ohem_min_kept)
            if spec.main == "ohem"
            else CrossEntropy()
        )
        self.affinity = FusedAffinityLoss(
            global_weight=spec.affinity_global, form=spec.affinity_form
        )

    def forward(
        self, output: SegmentorOutput, labels: Tensor, map_size: tuple[int, int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What to minimise, and the terms before their weights, without gradients.

        Args:
            output: of a `Segmentor` in training.
            labels: (B, H, W) integers, void 255.
            map_size: (h, w) of the context module's map.
        """
        terms = {"main": (1.0, self.segmentation(output.logits, labels))}
        if output.auxiliary is not None and self.spec.auxiliary > 0:
            term = self.segmentation(output.auxiliary, labels)
            terms["auxiliary"] = (self.spec.auxiliary, term)
        prior, categories, boundary = map(output.extras.get, ("prior", "categories", "boundary"))
        if isinstance(prior, Tensor | ImplicitPrior) and self.spec.affinity > 0:
            small = downsample_labels(labels, map_size)
            terms["affinity"] = (self.spec.affinity, self.affinity(prior, small))
        if isinstance(categories, Tensor) and self.spec.semantic > 0:
            term = cross_entropy(_precise(categories), labels, void=VOID)
            terms["semantic"] = (self.spec.semantic, term)
        if isinstance(boundary, Tensor) and self.spec.boundary > 0:
            edges = boundary_labels(labels, radius=self.spec.boundary_radius, void=VOID)
            term = boundary_cross_entropy(_precise(boundary), edges, void=VOID)
            terms["boundary"] = (self.spec.boundary, term)
        total = sum((weight * term for weight, term in terms.values()), labels.new_zeros(()))
        assert isinstance(total, Tensor), "the main term is one"
        return total, {name: term.detach() for name, (_, term) in terms.items()}


def _precise(x: Tensor) -> Tensor:
    """Half precision raised to float32: a sum over all pixels of a batch leaves its range."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


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
        parts, lr=spec.learning_rate, momentum=spec.momentum, nesterov=spec.nesterov, fused=fused
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


def check_state(
    network: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]
) -> None:
    """See that an optimizer can have remembered a state, after some steps.

    Raises:
        UnfitError: tensors are missing, of another shape or type, or no numbers.
    """
    if isinstance(optimizer, torch.optim.AdamW):
        names = ["step", "exp_avg", "exp_avg_sq"]
    else:
        names = ["momentum_buffer"] if optimizer.defaults["momentum"] else []
    parameters = dict(network.named_parameters())
    touched = {place.rpartition(_JOINT)[0] for place in state}  # some may have no gradient
    expected = {f"{each}{_JOINT}{name}": (each, name) for each in touched for name in names}
    if bool(names) != bool(state) or state.keys() != expected.keys() or touched - parameters.keys():
        raise UnfitError("has not the tensors of the optimizer")
    for place, (each, name) in expected.items():
        x, of = state[place], parameters[each]
        fits = x.shape == () if name == "step" else (x.shape, x.dtype) == (of.shape, of.dtype)
        if not fits or not x.isfinite().all():
            raise UnfitError(f"has a wrong tensor of the optimizer, {place}")


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


def poly(step: int, steps: int, *, power: float = 0.9, warmup_steps: int = 0) -> float:
    """The factor on the base learning rate: (1 - step / steps) ** power.

    Source: the "poly" policy of CPNet, Section 4.1, GGCF, Section 4.1, and SRNet's supplement;
    power 1 is RANet's linear decay (Section 4). A warm-up rises linearly to the schedule's own
    value, so that the steps behind it do not depend on it.

    Args:
        step: from 0 on.
        steps: of the whole training.
        power: exponent; 0 keeps the rate.
        warmup_steps: steps of the rise; step 0 then has 1 / (warmup_steps + 1) of the rate.

    Returns:
        A factor in (0, 1] for 0 <= step < steps.

    Raises:
        ValueError: `step` is not in the training.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not in a training of {steps} steps")
    factor = (1.0 - step / steps) ** power
    if step < warmup_steps:
        factor *= (step + 1) / (warmup_steps + 1)
    return float(factor)
