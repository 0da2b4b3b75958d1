"""The subject of a measurement: a case's module and inputs, fake or real."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from harness.case import Case
from harness.instantiate import build, resolve
from harness.measure import inputs
from harness.measure.cuda_attention import attention_as_on
from harness.measure.recall import remember
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


def outputs_of(out: Any) -> list[Tensor]:
    """Tensors of what a module returned, each once and in order, in whatever holds them.

    Sequences, mappings, dataclasses, and objects with attributes, in one another.
    """
    found: dict[int, Tensor] = {}
    seen: dict[int, Any] = {}  # kept alive, since a freed object's identity may come again
    # No function that calls itself: it would hold the tensors until the next garbage collection.
    waiting = [out]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            found.setdefault(id(value), value)
        elif id(value) not in seen and not isinstance(value, _NO_HOLDERS):
            seen[id(value)] = value
            waiting += reversed(_held_by(value))
    return list(found.values())


def _held_by(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    slots = (n for kind in type(value).__mro__ for n in getattr(kind, "__slots__", ()))
    slotted = (getattr(value, name, None) for name in slots)
    return [*getattr(value, "__dict__", {}).values(), *slotted]


# What an output may refer to and does not consist of.
_NO_HOLDERS = (str, bytes, int, float, complex, type, ModuleType, FunctionType, nn.Module)


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
    tensors = outputs_of(out)
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
    # the call that is made of these tensors, where it is not the case that says it
    arrange: Callable[[Sequence[Tensor]], tuple[Sequence[Any], dict[str, Any]]] | None = None

    def forward(self) -> object:
        """One pass of the case: forward alone without gradients, or forward and backward."""
        if self.case.pass_ == "inference":
            with torch.no_grad():
                return self.output()
        out = self.output()
        scalar_loss(out).backward()
        return out

    def output(self) -> object:
        """What the module returns for the inputs, in the case's autocast mode."""
        arrange = self.arrange or partial(inputs.arranged, self.case.call)
        args, kwargs = arrange(tuple(map(_from_a_backbone, self.inputs)))
        if self.case.autocast is None:
            return self.module(*args, **kwargs)
        with torch.autocast(self.case.device, getattr(torch, self.case.autocast)):
            return self.module(*args, **kwargs)

    def clear_gradients(self) -> None:
        """Free the gradients of parameters and inputs."""
        for tensor in (*self.module.parameters(), *self.inputs):
            tensor.grad = None

    @property
    def state(self) -> tuple[Tensor, ...]:
        """Parameters and buffers."""
        return (*self.module.parameters(), *self.module.buffers())


def _from_a_backbone(x: Tensor) -> Tensor:
    """The same values as what a layer gave: no leaf, so that a module may write into it.

    `_unsafe_view` shares the storage and is no view to autograd, which forbids writing into those
    of leaves.
    """
    return torch.ops.aten._unsafe_view.default(x, x.shape) if x.requires_grad else x


def scalar_loss(out: object) -> Tensor:
    """Sum of all floating outputs: gives every output element a gradient."""
    tensors = [t for t in outputs_of(out) if t.is_floating_point()]
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
    device, dtype = torch.device(case.device), getattr(torch, case.dtype)
    # `Module.to` would make complex parameters real ones.
    module = build(case, search_path).to(device)
    module._apply(lambda x: x.to(dtype) if x.is_floating_point() else x)
    subject = _subject(case, module, device)
    if is_lazy_module(module):
        with torch.no_grad():  # the first pass says how large its parameters are
            subject.output()
    return subject


def is_lazy_module(module: nn.Module) -> bool:
    """Whether the first pass has yet to say how large its parameters are."""
    return any(map(is_lazy, (*module.parameters(), *module.buffers())))


@cache
def fakes() -> FakeTensorMode:
    """The fake mode of this process.

    There is one, so that tensors which outlive a pass (constants of a file, caches that a forward
    fills) belong to the passes that follow; real ones among them are taken for fakes.
    """
    mode: Any = FakeTensorMode(allow_non_fake_inputs=True)
    # On the object: operators that take functions know how to run by the mode's very class.
    mode.__deepcopy__ = lambda _memo: mode
    remember(mode)
    made: FakeTensorMode = mode
    return made


class NeedsValuesError(Exception):
    """What a module computes, or how it is made, hangs on values that fake tensors lack."""


def _fake_module(case: Case, search_path: tuple[str, ...]) -> nn.Module:
    """A module with fake parameters; built for real first where a constructor needs values.

    Raises:
        NeedsValuesError: it holds tensors that have no fakes.
    """
    resolve(case.module, search_path)  # imported outside of the mode, as users do
    try:
        with fakes(), uninitialised(_ASKS_A_VALUE):
            module = build(case, search_path)
    except Exception as error:
        if _why_values(error) is None and not isinstance(error, RuntimeError):
            raise
        module = build(case, search_path)
        if is_lazy_module(module):
            module = _known_by_meta(case, search_path)
    to_fakes(module, getattr(torch, case.dtype))
    return module


def _known_by_meta(case: Case, search_path: tuple[str, ...]) -> nn.Module:
    """A module with lazy layers, after the pass that says how large they are."""
    try:
        with torch.device("meta"), torch.no_grad():
            module = build(case, search_path)
            _subject(case, module, torch.device("meta")).output()
    except (RuntimeError, NotImplementedError) as error:
        raise NeedsValuesError(f"lazy layers: {first_line(error)}") from error
    return module


_ASKS_A_VALUE = "_no_grad_trunc_normal_"  # the initialiser that fakes cannot answer


@contextmanager
def uninitialised(*names: str) -> Iterator[None]:
    """Without initialisers, which take the time of a small pass: no count hangs on a value.

    Args:
        names: of those in `torch.nn.init` to be left out; all if absent.
    """
    init: Any = nn.init
    every = (n for n in vars(init) if n.endswith("_") and not n.endswith("__"))
    known = {n: getattr(init, n) for n in names or every if hasattr(init, n)}
    try:
        for name in known:
            setattr(init, name, lambda tensor, *_, **__: tensor)
        yield
    finally:
        for name, function in known.items():
            setattr(init, name, function)


def to_fakes(module: nn.Module, dtype: torch.dtype | None = None) -> None:
    """Make parameters and buffers fake ones on the CPU, each shared one once.

    Args:
        module: changed in place.
        dtype: floating type of all; if absent, each keeps its own.

    Raises:
        NeedsValuesError: it holds tensors that have no fakes.
    """
    tensors = [*module.parameters(), *module.buffers()]
    if any(each.layout is not torch.strided for each in tensors):
        raise NeedsValuesError("sparse tensors")
    made: dict[int, Tensor] = {}

    def fake(x: Tensor) -> Tensor:
        wanted = dtype if dtype is not None and x.is_floating_point() else x.dtype
        if isinstance(x, FakeTensor) and x.dtype == wanted and x.fake_mode is fakes():
            return x
        if id(x) not in made:
            with fakes():
                y = torch.empty_strided(x.shape, x.stride(), dtype=wanted)
            parameter = isinstance(x, nn.Parameter)
            made[id(x)] = nn.Parameter(y, requires_grad=x.requires_grad) if parameter else y
        return made[id(x)]

    for part in module.modules():
        for owned in (part._parameters, part._buffers):
            for name, x in owned.items():
                if x is not None and (y := fake(x)) is not x:
                    owned[name] = y  # type: ignore[assignment]
        if isinstance(part, nn.RNNBase):  # which holds its parameters a second time
            part._flat_weights = [part._parameters.get(n) for n in part._flat_weights_names]


# A fake subject that was looked at and not run, for whoever asks for the same case next.
_unused: dict[tuple[str, tuple[str, ...]], Subject] = {}


@contextmanager
def fake_subject(
    case: Case, search_path: tuple[str, ...] = (), *, untouched: bool = False
) -> Iterator[Subject]:
    """Build a case on fake CPU tensors: shapes without memory, the same on every machine.

    Attention takes the operator of the case's device.

    Args:
        case: what to build.
        search_path: folders in which a user's module is looked up.
        untouched: the caller only looks (counts parameters), so that the next may have the subject.
    """
    key = (case.key, search_path)
    subject = _unused.pop(key, None)
    module = None if subject is not None else _fake_module(case, search_path)
    with fakes():
        if module is not None:
            subject = _subject(case, module, torch.device("cpu"))
        assert subject is not None, "one of both is there"
        with attention_as_on(case):
            yield subject
    if untouched:
        _unused.clear()
        _unused[key] = subject


def _subject(case: Case, module: nn.Module, device: torch.device) -> Subject:
    dtype, gradients = getattr(torch, case.dtype), case.pass_ == "training"
    module.train(gradients)
    given = [drawn(leaf, dtype, device) for leaf in inputs.of_case(case)]
    if case.channels_last:
        for parameter in module.parameters():  # `module.to` cannot convert fake ones
            parameter.data = _channels_last(parameter.data)
        given = [_channels_last(tensor) for tensor in given]
    for tensor in given:
        tensor.requires_grad_(gradients and (tensor.is_floating_point() or tensor.is_complex()))
    return Subject(case, module, tuple(given))


def drawn(leaf: inputs.Leaf, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of an input: normally distributed, or evenly where bounds are said."""
    kind = getattr(torch, leaf.dtype) if leaf.dtype else dtype
    if kind is torch.bool:
        return torch.randint(2, leaf.shape, device=device).to(kind)
    if leaf.high is None:
        return torch.randn(leaf.shape, device=device, dtype=kind)
    low, high = leaf.low or 0, leaf.high
    if kind.is_floating_point:
        return torch.rand(leaf.shape, device=device, dtype=kind) * (high - low) + low
    return torch.randint(int(low), int(high), leaf.shape, device=device, dtype=kind)


def _channels_last(tensor: Tensor) -> Tensor:
    """The tensor in NHWC order if it has four axes, as PyTorch's `channels_last` wants it."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


T = TypeVar("T")

# Raised where control flow, shapes or constructor arguments depend on values, or where an operator
# has no implementation on fake tensors.
_NEEDS_VALUES = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
# PyTorch raises these as plain errors: a custom operator without `register_fake`, `tensor.numpy()`,
# and a quantised operator, whose packed weights cannot be compared.
_NEEDS_VALUES_TEXTS = (
    "no fake impl registered",
    "not supported for tensor subclasses",
    "not implemented for __torch__",
    "fake",
)


def _why_values(error: Exception) -> str | None:
    """Why an error is one of fake tensors, which real ones would not meet; `None`: it is not.

    It may stand behind another: what makes modules from configurations raises an error of its own
    in place of the constructor's.
    """
    behind: BaseException | None = error
    while isinstance(behind, Exception):
        reason = _of_fakes(behind)
        if reason is not None:
            return reason
        behind = behind.__cause__ or behind.__context__
    return None


def _of_fakes(error: Exception) -> str | None:
    if isinstance(error, NeedsValuesError):
        return str(error)
    if isinstance(error, _NEEDS_VALUES):
        return type(error).__name__
    text = str(error)
    plain = isinstance(error, (RuntimeError, AssertionError, TypeError, NotImplementedError))
    known = any(each in text.lower() for each in _NEEDS_VALUES_TEXTS)
    return first_line(error) if plain and known else None


@contextmanager
def _eager_flex_attention() -> Iterator[None]:
    """`flex_attention` as one operator: by itself it calls a compiler, which sees no mode."""
    from torch.nn.attention import flex_attention

    module: Any = flex_attention
    name = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"
    before = getattr(module, name, None)
    setattr(module, name, True)
    try:
        yield
    finally:
        setattr(module, name, before)


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
    return fake_or_real(
        lambda: fake_subject(case, search_path, untouched=untouched),
        lambda: nullcontext(real_subject(case, seed, search_path)),
        measure,
    )


def fake_or_real(
    fake: Callable[[], AbstractContextManager[Subject]],
    real: Callable[[], AbstractContextManager[Subject]],
    measure: Callable[[Subject], T],
) -> tuple[T, str | None]:
    """Measure the fake subject, or the real one where its module needs values.

    Returns:
        What `measure` returned, and why real tensors were taken (`None` for fake ones).
    """
    # `torch.cond` goes through a compiler that would take our modes for a part of the module.
    with _eager_flex_attention(), torch.compiler.set_stance("force_eager"):
        try:
            with fake() as subject:
                return measure(subject), None
        except Exception as error:
            reason = _why_values(error)
            if reason is None:
                raise
        with real() as subject:
            return measure(subject), f"counted on real tensors: {reason}"
