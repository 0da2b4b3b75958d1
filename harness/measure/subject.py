"""The subject of a measurement: a case's module and inputs, fake or real."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.utils._pytree import tree_leaves

from harness.case import Case
from harness.instantiate import build
from harness.messages import first_line


def tensors_of(value: Any) -> list[Tensor]:
    """Tensors of a nested value, in order.

    A dispatch mode asks this several times per operator call, and nearly always of a tensor or a
    flat sequence, for which PyTorch's general flattening takes ten times as long.
    """
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        found: list[Tensor] = []
        for item in value:
            if isinstance(item, Tensor):
                found.append(item)
            elif isinstance(item, (list, tuple, dict)):
                found += tensors_of(item)
        return found
    if value is None or isinstance(value, (bool, int, float, str)):
        return []
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


class NonFiniteOutputError(Exception):
    """The module returned NaN or infinity, so that its time and memory mean nothing."""


class NoOutputError(Exception):
    """The module returned no tensor at all."""


def require_finite(out: object) -> None:
    """Check every floating-point or complex tensor of an output.

    Raises:
        NoOutputError: there is none, nor one of integers.
        NonFiniteOutputError: how many elements are NaN or infinite.
    """
    tensors = tensors_of(out)
    if not tensors:
        raise NoOutputError(f"the module returned no tensor: {type(out).__name__}")
    for tensor in tensors:
        if tensor.is_floating_point() or tensor.is_complex():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise NonFiniteOutputError(
                    f"{bad} of {tensor.numel()} output elements are NaN or infinite"
                )


@dataclass
class Subject:
    """A built module with inputs."""

    case: Case  # what was built
    module: nn.Module  # in the mode (train, eval), dtype and device of the case
    inputs: tuple[Tensor, ...]  # one tensor per shape of the case

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
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, case.dtype))
    try:
        with mode:
            if subject is None:
                subject = _subject(case, build(case, search_path), torch.device("cpu"))
            yield subject
    finally:
        torch.set_default_dtype(before)
    if untouched:
        _unused.clear()
        _unused[key] = (mode, subject)


def _subject(case: Case, module: nn.Module, device: torch.device) -> Subject:
    dtype, gradients = getattr(torch, case.dtype), case.pass_ == "training"
    module.train(gradients)
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
    small = tuple((*s[:2], *(min(side, size) for size in s[2:])) for s in case.inputs)
    return replace(case, inputs=small)


T = TypeVar("T")

# Raised where control flow, shapes or constructor arguments depend on values, or where an operator
# has no implementation on fake tensors.
_NEEDS_VALUES = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
# PyTorch raises these two as plain RuntimeError: a custom operator without `register_fake`, and
# `tensor.numpy()`.
_NEEDS_VALUES_TEXTS = ("no fake impl registered", "not supported for tensor subclasses")


def on_fake_or_real(
    case: Case,
    seed: int,
    search_path: tuple[str, ...],
    measure: Callable[[Subject], T],
    *,
    untouched: bool = False,
) -> tuple[T, str | None]:
    """Measure a case on fake tensors; on real ones where its module needs values.

    Args:
        case: what to build.
        seed: of real parameters and inputs.
        search_path: folders in which a user's module is looked up.
        measure: what to do with the built case.
        untouched: `measure` only looks at it, see `fake_subject`.

    Returns:
        What `measure` returned, and why real tensors were taken (`None` for fake ones).
    """
    try:
        with fake_subject(case, search_path, untouched=untouched) as subject:
            return measure(subject), None
    except Exception as error:
        if isinstance(error, _NEEDS_VALUES):
            reason = type(error).__name__
        elif isinstance(error, RuntimeError) and any(t in str(error) for t in _NEEDS_VALUES_TEXTS):
            reason = first_line(error)
        else:
            raise
    return measure(real_subject(case, seed, search_path)), f"counted on real tensors: {reason}"
