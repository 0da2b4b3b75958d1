"""Fit a small module on the made scene, so that its picture shows something learned."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Parameter


def minimise(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[Parameter],
    scene: Tensor,
    *,
    steps: int,
    learning_rate: float = 1e-2,
    batch: int = 1,
    noise: float = 0.5,
    seed: int = 0,
) -> None:
    """Minimise a loss over noisy views of one scene by Adam; fresh noise in every step.

    Args:
        loss: from features, (batch, C, H, W), to a scalar.
        parameters: what is fitted.
        scene: clean features, (1, C, H, W).
        steps: number of updates.
        learning_rate: of Adam.
        batch: views per step.
        noise: standard deviation of the noise.
        seed: of the noise.
    """
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    with one_thread():
        for _ in range(steps):
            optimiser.zero_grad()
            loss(noisy(scene, noise, generator, batch=batch)).backward()
            optimiser.step()


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread: sums keep their order everywhere, and small maps gain nothing by more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def noisy(scene: Tensor, noise: float, generator: torch.Generator, *, batch: int = 1) -> Tensor:
    """Views of a scene under white noise: (1, C, H, W) -> (batch, C, H, W)."""
    views = scene.expand(batch, -1, -1, -1)
    return views + noise * torch.randn(views.shape, generator=generator)
