"""Earlier networks: what a kept training was after some of its steps, trained that far again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from harness.case import Job
from harness.environment.searching import searching
from harness.messages import HarnessError
from harness.training.accuracy import training_plan
from harness.training.checkpoint import Checkpoint, State, training_key
from harness.training.kept import KeptNetwork
from harness.training.network import build_network, trained_arguments
from harness.training.trainer import Trainer


class NotRepeatableError(HarnessError):
    """A training that cannot be done again as it was."""


def earlier_networks(
    job: Job, key: str, last: KeptNetwork, steps: Sequence[int]
) -> dict[int, KeptNetwork]:
    """The network of a case after some steps of its training, and as it was kept after all.

    On the CPU a training is a function of its arguments: the same key leads through the same
    parameters, to the last bit, up to the step that is asked for.

    Args:
        job: the case.
        key: of its training.
        last: what it led to.
        steps: after which the network is asked for, from 1 on.

    Raises:
        NotRepeatableError: the training has no such step, was not on the CPU, or would be another
            one with the code, PyTorch and threads of now.
    """
    total = last.plan.recipe.steps_on(len(last.plan.train))
    for step in steps:
        if not 1 <= step <= total:
            raise NotRepeatableError(
                f"step {step}: its training has {total}; choose from 1 to {total}"
            )
    before = sorted({*steps} - {total})
    found = {total: last} if total in steps else {}
    for step, model in _trained_until(job, key, last.seed, before).items() if before else ():
        network = build_network(last.plan.network, last.seed)
        network.load_state_dict(model)
        found[step] = replace(last, network=network.eval())
    return {step: found[step] for step in dict.fromkeys(steps)}


def _trained_until(job: Job, key: str, seed: int, steps: list[int]) -> dict[int, dict[str, Tensor]]:
    """Parameters and buffers by name after each of the steps, on as many threads as once."""
    if job.case.device != "cpu":
        raise NotRepeatableError(
            f"it was trained on {job.case.device}, where no training is repeated to the last bit; "
            "leave the steps out"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads or threads)
    try:
        with searching(job.search_path):
            plan = training_plan(job)
            network = build_network(trained_arguments(plan.network), seed)
            if training_key(plan.description(network, seed)) != key:
                raise NotRepeatableError(
                    "its code, PyTorch or number of threads is another now, and the steps would be "
                    "those of another training; leave them out, or run the suite again"
                )
            watched = _Watched(steps)
            with watched.to_the_end():
                Trainer(
                    *(network, plan.train, plan.recipe, seed, plan.device, watched),
                    save_every=0.0,
                    save_share=inf,
                ).run()
            return watched.models
    finally:
        torch.set_num_threads(threads)


class _ReachedError(Exception):
    """The last step that is asked for."""


class _Watched(Checkpoint):
    """In place of the store: keeps the network after some steps, and nothing on disk."""

    def __init__(self, steps: Sequence[int]) -> None:
        super().__init__(Path(), {})
        self.models: dict[int, dict[str, Tensor]] = {}
        self._steps = steps

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """End the block when the last step is reached."""
        try:
            yield
        except _ReachedError:
            return

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else wants it."""
        yield

    def finished(self, network: nn.Module, steps: int) -> None:
        """It is trained from its beginning."""

    def progress(self, check: Callable[[State], None]) -> None:
        """It is trained from its beginning."""

    def save_progress(self, state: State) -> None:
        """Keep the steps that are asked for; raises after the last."""
        if state.step in self._steps:
            self.models[state.step] = {name: x.clone() for name, x in state.model.items()}
        if state.step == max(self._steps):
            raise _ReachedError

    def save_finished(self, state: State) -> NoReturn:
        """No step that is asked for is the last."""
        raise AssertionError(f"step {state.step} is kept")
