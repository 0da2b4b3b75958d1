"""The precision of float32 products on CUDA: as a case asks for it, and as it is in effect.

By default PyTorch lets convolutions use TensorFloat-32 (10 bits of mantissa for 23) and matrix
products not, so that modules of one table, all of them float32, may be several times apart in speed
for that alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from harness.case import Case, UsedGpu
from harness.environment.gpu import state_of, uuid_of


@contextmanager
def float32_products(case: Case) -> Iterator[None]:
    """Within it products are as precise as a case says; CPU cases, which have no choice, as ever.

    The older names of the settings: every release that runs here has them, and those that have
    newer ones keep both in step.
    """
    if case.float32 is None or case.device != "cuda":
        yield
        return
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [each.allow_tf32 for each in backends]
    _allow(backends, [case.float32 == "tf32"] * len(backends))
    try:
        yield
    finally:
        _allow(backends, before)


def _allow(backends: tuple[Any, ...], allowed: list[bool]) -> None:
    for backend, each in zip(backends, allowed, strict=True):
        backend.allow_tf32 = each


def float32_in_effect(backends: Any = torch.backends) -> dict[str, str]:
    """`ieee` or `tf32` of `matmul`, `conv` and `rnn`, as the next product on CUDA will have it.

    Args:
        backends: `torch.backends`, or what stands for it in a test.
    """
    cudnn = backends.cudnn
    parts = {"matmul": backends.cuda.matmul}
    parts |= {name: getattr(cudnn, name, cudnn) for name in ("conv", "rnn")}
    return {name: _precision(each) for name, each in parts.items()}


def _precision(part: Any) -> str:
    newer = getattr(part, "fp32_precision", None)  # PyTorch 2.9 and newer
    return "tf32" if (part.allow_tf32 if newer is None else newer == "tf32") else "ieee"


def cudnn_settings() -> dict[str, bool]:
    """What else of cuDNN decides which kernels run."""
    cudnn = torch.backends.cudnn
    return {name: bool(getattr(cudnn, name)) for name in ("enabled", "benchmark", "deterministic")}


def used_gpu(before: UsedGpu | None = None) -> UsedGpu:
    """The current GPU and how it is set and doing now.

    Args:
        before: what was said of it before the case was measured; now it has been.
    """
    state = state_of(uuid_of())
    return UsedGpu(
        name=torch.cuda.get_device_name(),
        uuid=uuid_of(),
        float32=float32_in_effect(),
        cudnn=cudnn_settings(),
        before=state if before is None else before.before,
        after=None if before is None else state,
    )
