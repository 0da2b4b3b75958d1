"""The subject of a measurement: a case's module and inputs, fake or real."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from harness.case import Case
from harness.instantiate import build
from harness.measure.leaves import tensors_of


@dataclass
class Subject:
    """A built module with inputs.

    Attributes:
        case: what was built.
        module: in the mode (train, eval), dtype and device of the case.
        inputs: one tensor per shape of the case.
    """

    case: Case
    module: nn.Module
    inputs: tuple[Tensor, ...]

    def forward(self) -> object:
        """One pass of the case: forward alone without gradients, or forward and backward."""
        if self.case.pass_ == "inference":
            with torch.no_grad():
                return self.module(*self.inputs)
        out = self.module(*self.inputs)
        scalar_loss(out).backward()
        return out

    def clear_gradients(self) -> None:
        """Free the gradients of parameters and inputs."""
        for tensor in (*self.module.parameters(), *self.inputs):
            tensor.grad = None

    @property
    def state(self) -> tuple[Tensor, ...]:
        """Parameters and buffers."""
        return (*self.module.parameters(), *self.module.buffers())


def scalar_loss(out: object) -> Tensor:
    """Sum of all floating outputs: gives every output element a gradient."""
    tensors = [t for t in tensors_of(out) if t.is_floating_point()]
    if not tensors:
        raise TypeError(
            "the module returned no floating-point tensor, so there is nothing to train"
        )
    total = tensors[0].sum()
    for tensor in tensors[1:]:
        total = total + tensor.sum()
    return total


def real_subject(case: Case, seed: int, search_path: tuple[str, ...] = ()) -> Subject:
    """Build a case on its device.

    Args:
        case: what to build.
        seed: of parameters and inputs; equal seeds give equal tensors on one device.
        search_path: folders in which a user's module is looked up.
    """
    torch.manual_seed(seed)
    device = torch.device(case.device)
    module = build(case, search_path).to(device=device, dtype=getattr(torch, case.dtype))
    return _subject(case, module, device)


# A fake subject that was looked at and not run, for whoever asks for the same case next.
_unused: dict[tuple[str, tuple[str, ...]], tuple[FakeTensorMode, Subject]] = {}


@contextmanager
def fake_subject(
    case: Case, search_path: tuple[str, ...] = (), *, untouched: bool = False
) -> Iterator[Subject]:
    """Build a case on fake CPU tensors: shapes without memory, the same on every machine.

    Args:
        case: what to build.
        search_path: folders in which a user's module is looked up.
        untouched: the caller only looks (counts parameters), so that the next may have the subject.
    """
    key = (case.key, search_path)
    mode, subject = _unused.pop(key, None) or (FakeTensorMode(), None)
    # The module is built inside the mode, so that its parameters are fake too. Fake parameters
    # cannot be converted afterwards, so the dtype is set as the default while it is built.
    with mode, _default_dtype(getattr(torch, case.dtype)):
        if subject is None:
            subject = _subject(case, build(case, search_path), torch.device("cpu"))
        yield subject
    if untouched:
        _unused.clear()
        _unused[key] = (mode, subject)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _subject(case: Case, module: nn.Module, device: torch.device) -> Subject:
    dtype = getattr(torch, case.dtype)
    module.train(case.pass_ == "training")
    gradients = case.pass_ == "training"
    inputs = tuple(torch.randn(shape, device=device, dtype=dtype) for shape in case.inputs)
    if case.channels_last:
        for parameter in module.parameters():  # `module.to` cannot convert fake ones
            parameter.data = _channels_last(parameter.data)
        inputs = tuple(_channels_last(tensor) for tensor in inputs)
    return Subject(case, module, tuple(tensor.requires_grad_(gradients) for tensor in inputs))


def _channels_last(tensor: Tensor) -> Tensor:
    """The tensor in NHWC order if it has four axes, as PyTorch's `channels_last` wants it."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def shrunk(case: Case, side: int) -> Case:
    """The same case with each spatial side cut to at most `side`, for a cheap check."""

    def small(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:2], *(min(side, size) for size in shape[2:]))

    return replace(case, inputs=tuple(small(shape) for shape in case.inputs))
