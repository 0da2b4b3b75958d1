"""Calls of operators on fake tensors, each worked out once: equal calls have equal answers.

PyTorch remembers them, too, but takes longer to look one up than to add two real tensors: it asks
seventeen questions of every tensor. Here three or four identify one, since all tensors of a case
are dense, on one device and of one mode; whatever is of another kind goes PyTorch's way.
"""

from collections.abc import Mapping, Sequence, ValuesView
from dataclasses import dataclass
from functools import cached_property
from types import MethodType
from typing import Any

import torch
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.torch_version import TorchVersion

_FROM, _BELOW = "2.10", "2.15"
"""Versions that make fake tensors as `Recall` does; others answer every call anew."""

_PLAIN = frozenset(
    {int, float, bool, str, type(None), complex, torch.dtype, torch.layout, torch.memory_format}
)
_DEVICE = torch.ops.prim.device.default
_CPU = torch.device("cpu")

_INDEX = torch.ops.aten.index.Tensor
_NAMESPACES = ("aten", "prims")
_BY_VALUE = (
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
    torch.Tag.inplace_view,
)
"""Tags of operators whose answer hangs on values, or which change an argument's shape."""

Key = tuple[Any, ...]


def remember(mode: FakeTensorMode) -> None:
    """Have a fake mode remember the answers to its calls, where PyTorch is of a known version."""
    if _FROM <= TorchVersion(torch.__version__) < _BELOW:
        mode.__torch_dispatch__ = MethodType(Recall(mode), mode)  # type: ignore[method-assign]
        mode.cache_enabled = False  # two memories would be filled for one to be read


class UnsaidError(Exception):
    """A tensor or another argument that only PyTorch itself can judge."""


def device_asked(func: Any, args: Sequence[Any]) -> torch.device | None:
    """The answer to `tensor.device` of a fake tensor, of which a backward pass asks thousands.

    Only to be asked by a mode above the fake one, where no kernel takes the tensor for another.
    """
    if func is _DEVICE and isinstance(args[0], FakeTensor):
        found: torch.device = args[0].fake_device
        return found
    return None


def key_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Key | None:
    """What a call's answer depends on, without values; `None` where that cannot be said.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """
    if func.__class__ is not OpOverload:
        return None
    parts: list[Any] = [func]
    try:
        _add(parts, args)
        if kwargs:
            parts.extend(kwargs)
            _add(parts, kwargs.values())
    except UnsaidError:
        return None
    return tuple(parts)


def _add(parts: list[Any], values: Any) -> None:
    for value in values:
        kind = value.__class__
        if kind is FakeTensor:
            if not _is_ordinary(value):
                raise UnsaidError
            parts += (value.shape, value.stride(), value.dtype, value.storage_offset())
        elif kind in _PLAIN:
            parts += (kind, value)  # 1, 1.0 and True are equal, and give other types
        elif kind is list or kind is tuple:
            parts += (kind, len(value))
            _add(parts, value)
        elif kind is torch.device:
            parts.append(value)
        else:
            raise UnsaidError


@dataclass(frozen=True)
class _Made:
    """An output: an argument, or a tensor of a layout on its own storage or on an argument's."""

    argument: int | None  # whose storage it has, in the order of tensors among the arguments
    whole: bool  # whether it is that argument
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    offset: int = 0
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class _Answer:
    """What a call returned."""

    made: tuple[_Made | None, ...]  # `None` for an output that is none
    kind: Any  # type of the sequence that holds them; `None`: it is one alone

    @cached_property
    def refers(self) -> bool:
        """Whether an argument is part of it."""
        return any(how is not None and how.argument is not None for how in self.made)


class Recall:
    """What a fake mode answers, in place of its `__torch_dispatch__`.

    Args:
        mode: whose answers are remembered, for as long as it lives.
    """

    def __init__(self, mode: FakeTensorMode) -> None:
        self._mode = mode
        self._ask = mode.__torch_dispatch__
        self._known: dict[Key, _Answer | None] = {}
        # What a fake tensor holds in Python when it is new.
        self._new = vars(FakeTensor(mode, torch.empty(0, device="meta"), _CPU)).copy()
        unsafe = mode._allow_unsafe_data_ptr_access
        without_values = torch._C._set_warn_deprecated_on_mutable_data_ptr
        self._without_values = without_values if unsafe else torch._C._set_throw_on_mutable_data_ptr

    def __call__(
        self, _mode: Any, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """What `func(*args, **kwargs)` gives on fake tensors."""
        if func is _DEVICE:
            return self._ask(func, types, args, kwargs or {})
        kwargs = kwargs or {}
        key = key_of(func, args, kwargs)
        if key is None:
            return self._ask(func, types, args, kwargs)
        key = (torch.get_default_dtype(), torch.is_inference_mode_enabled(), *key)
        if key in self._known:
            known = self._known[key]
            if known is None:
                return self._ask(func, types, args, kwargs)
            return self._again(known, args, kwargs)
        out = self._ask(func, types, args, kwargs)
        try:
            self._known[key] = self._answer(func, args, kwargs, out)
        except UnsaidError:
            self._known[key] = None
        return out

    def _answer(self, func: Any, args: Any, kwargs: Any, out: Any) -> _Answer | None:
        """How to give the same again; `None` where it cannot be said."""
        given = _tensors((args, kwargs.values()))
        if not self._hangs_on_shapes(func, given):
            return None
        kind = type(out) if isinstance(out, (tuple, list)) else None
        outs = out if kind else (out,)
        made = tuple(self._made(each, given) for each in outs)
        fresh = [
            each.untyped_storage()._cdata
            for each, how in zip(outs, made, strict=True)
            if how is not None and how.argument is None
        ]
        shared = len(set(fresh)) < len(fresh)
        return None if shared or kind not in (tuple, list, None) else _Answer(made, kind)

    def _hangs_on_shapes(self, func: Any, given: Sequence[FakeTensor]) -> bool:
        by_value = any(tag in _BY_VALUE for tag in func.tags)
        if func is _INDEX:
            by_value = any(each.dtype in (torch.bool, torch.uint8) for each in given)
        changes_shapes = any(argument.is_out for argument in func._schema.arguments)
        known = func.namespace in _NAMESPACES and func not in self._mode.lift_fns
        ours = all(each.fake_mode is self._mode for each in given)
        return known and ours and not by_value and not changes_shapes

    def _made(self, out: Any, given: Sequence[FakeTensor]) -> _Made | None:
        """How an output is made.

        Raises:
            UnsaidError: by PyTorch alone.
        """
        if out is None:
            return None
        for place, each in enumerate(given):
            if each is out:
                return _Made(place, whole=True)
        if not _is_ordinary(out) or out.fake_mode is not self._mode or out.requires_grad:
            raise UnsaidError
        storage = out.untyped_storage()
        layout = tuple(out.shape), out.stride(), out.storage_offset(), out.dtype
        places = [n for n, x in enumerate(given) if x.untyped_storage()._cdata == storage._cdata]
        found = _Made(places[0] if places else None, False, *layout)
        again = self._tensor(found, given)
        keys = torch._C._dispatch_key_set
        if again.untyped_storage().nbytes() != storage.nbytes() or keys(again) != keys(out):
            raise UnsaidError
        return found

    def _again(self, answer: _Answer, args: Any, kwargs: Any) -> Any:
        given: Sequence[FakeTensor] = ()
        if answer.refers:
            given = _tensors((args, kwargs.values()))
        outs = [None if how is None else self._tensor(how, given) for how in answer.made]
        return outs[0] if answer.kind is None else answer.kind(outs)

    def _tensor(self, how: _Made, given: Sequence[FakeTensor]) -> FakeTensor:
        if how.whole:
            assert how.argument is not None, "it is one of them"
            return given[how.argument]
        with torch._C._DisableTorchDispatch():
            made = torch.empty_strided(how.shape, how.stride, dtype=how.dtype, device="meta")
            if how.argument is not None:
                storage = given[how.argument].untyped_storage()
                made.set_(storage, how.offset, how.shape, how.stride)
            # As FakeTensor(mode, made, device) does, whose checks take longer than all the rest.
            fake: FakeTensor = FakeTensor._make_subclass(
                FakeTensor, made, False, dispatch_device=True, device_for_backend_keys=_CPU
            )
        self._without_values(fake)
        vars(fake).update(self._new)
        return fake


def _is_ordinary(x: Any) -> bool:
    """Whether a tensor is one of those that shape, strides, offset and type describe."""
    if x.__class__ is not FakeTensor or x.constant is not None or x.layout is not torch.strided:
        return False
    if x.fake_device != _CPU or x.is_quantized:
        return False
    return not (x.is_neg() or x.is_conj())


def _tensors(values: Any) -> list[FakeTensor]:
    found: list[FakeTensor] = []
    for value in values:
        if value.__class__ is FakeTensor:
            found.append(value)
        elif isinstance(value, (list, tuple, ValuesView)):
            found += _tensors(value)
    return found
