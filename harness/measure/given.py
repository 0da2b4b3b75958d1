"""What stands in a session as a subject: a module, a class, a function, and the inputs beside it.

A pass may change a module: gradients, statistics, maps that it keeps. Here it is the user's own, so
that all of it is undone.
"""

import dis
import functools
import inspect
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from harness.case import Case, DType, Pass, Shape
from harness.instantiate import filled_in, resolve
from harness.measure.inputs import Leaf, is_shape
from harness.measure.subject import (
    Subject,
    drawn,
    fake_or_real,
    fakes,
    is_lazy_module,
    to_fakes,
)
from harness.messages import CuredError, HarnessError, one_line, quote, shorten, text_of
from harness.signature import parameters_of

T = TypeVar("T")

SEED = 0
"""Of the values of inputs that are given by their shape."""


class GivenError(CuredError):
    """What was given cannot be measured."""


@dataclass(frozen=True)
class Given:
    """A module and what its `forward` gets."""

    name: str  # of the class or function
    module: nn.Module  # the user's own, or one that holds the user's function
    leaves: tuple[Any, ...]  # of the arguments, flat; a `Leaf` where a shape was given
    spec: Any  # how they are arranged

    def on_fake_or_real(self, pass_: Pass, measure: Callable[[Subject], T]) -> tuple[T, str | None]:
        """Measure on fake tensors on the CPU; on real ones where the module needs values."""
        return fake_or_real(lambda: self.fake(pass_), lambda: self.real(pass_), measure)

    @contextmanager
    def fake(self, pass_: Pass) -> Iterator[Subject]:
        """With fake parameters and inputs on the CPU; the module is as it was afterwards."""

        def made(leaf: Tensor | Leaf) -> Tensor:
            if isinstance(leaf, Leaf):
                return torch.empty(leaf.shape, dtype=self.dtype)
            if leaf.layout is not torch.strided:
                return leaf
            return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype)

        with as_it_was(self.module), _gradients_on():
            to_fakes(self.module)
            with fakes():
                yield self._subject(pass_, made)

    @contextmanager
    def real(self, pass_: Pass) -> Iterator[Subject]:
        """With copies of the inputs; the module and the random state are as they were afterwards.

        Raises:
            GivenError: it is on a device without values, or that nothing here can time.
        """
        device = self.device
        if device.type not in ("cpu", "cuda"):
            raise GivenError(
                f"{self.name} is on {device}", "move it and its inputs to the CPU or to CUDA"
            )

        def made(leaf: Tensor | Leaf) -> Tensor:
            if isinstance(leaf, Leaf):
                return drawn(leaf, self.dtype, device)
            return leaf.detach().clone()  # a module may write into it

        with ExitStack() as stack:
            stack.enter_context(as_it_was(self.module))
            stack.enter_context(_gradients_on())
            devices = [] if device.type == "cpu" else [device]
            stack.enter_context(torch.random.fork_rng(devices))
            for each in devices:
                stack.enter_context(torch.cuda.device(each))
            for buffer in self.module.buffers():
                stack.callback(_write_back, buffer, buffer.detach().clone())
            _seed(device)
            yield self._subject(pass_, made)

    def _subject(self, pass_: Pass, make: Callable[[Tensor | Leaf], Tensor]) -> Subject:
        training = pass_ == "training"
        places = [n for n, leaf in enumerate(self.leaves) if isinstance(leaf, (Tensor, Leaf))]
        tensors: dict[int, Tensor] = {}  # the same one, given twice, stays one
        for n in places:
            leaf = self.leaves[n]
            if id(leaf) not in tensors:
                made = make(leaf)
                floating = made.is_floating_point() or made.is_complex()
                tensors[id(leaf)] = made.requires_grad_(training and floating)

        def arrange(given: Sequence[Tensor]) -> tuple[Sequence[Any], dict[str, Any]]:
            flat = list(self.leaves)
            for n, tensor in zip(places, given, strict=True):
                flat[n] = tensor
            args, kwargs = tree_unflatten(flat, self.spec)
            return args, kwargs

        self.module.train(training)
        inputs = tuple(tensors[id(self.leaves[n])] for n in places)
        dtype = str(self.dtype).removeprefix("torch.")
        case = Case(
            self.name,
            {},
            tuple(tuple(each.shape) for each in inputs),
            device="cuda" if self.device.type == "cuda" else "cpu",
            dtype=dtype if dtype in get_args(DType) else "float32",  # type: ignore[arg-type]
            pass_=pass_,
        )
        return Subject(case, self.module, inputs, arrange)

    @property
    def device(self) -> torch.device:
        """Of the first tensor among the inputs, else of the module."""
        given = [leaf for leaf in self.leaves if isinstance(leaf, Tensor)]
        state = [*given, *self.module.parameters(), *self.module.buffers()]
        return state[0].device if state else torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The module's floating type, else that of the first tensor among the inputs."""
        given = [leaf for leaf in self.leaves if isinstance(leaf, Tensor)]
        state = [*self.module.parameters(), *given]
        floating = (each.dtype for each in state if each.is_floating_point())
        return next(floating, torch.get_default_dtype())

    @contextmanager
    def named(self) -> Iterator[None]:
        """Name the module in what it raises.

        Raises:
            GivenError: in place of whatever a user's module raises, chained to it.
        """
        try:
            yield
        except HarnessError:
            raise
        except (Exception, SystemExit) as error:
            reason = shorten(one_line(text_of(error)), 300)
            kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
            raise GivenError(
                f"{self.name} does not run {self._inputs()}: {kind}{reason}",
                "give what its forward takes, as tensors or shapes",
            ) from error

    def _inputs(self) -> str:
        shapes = [x.shape for x in self.leaves if isinstance(x, (Tensor, Leaf))]
        listed = "; ".join("x".join(map(str, shape)) or "a number" for shape in shapes)
        return f"on {listed}" if listed else "without a tensor"


def given(what: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Given:
    """Something that was given, with its inputs.

    Args:
        what: a module; a class of modules (or a `partial` of one, or a name of the catalog), which
            is made without further arguments; or a function, which is called.
        args: positional inputs; a tuple or list of whole numbers is the shape of a tensor, also
            within lists and tuples.
        kwargs: named inputs, passed as they are.

    Raises:
        GivenError: it is none of these, cannot be made, or a shape is none.
    """
    leaves, spec = tree_flatten(([_shaped(each) for each in args], dict(kwargs)))
    if isinstance(what, str):
        what = resolve(what)
    if isinstance(what, nn.Module):
        if is_lazy_module(what):
            name = type(what).__name__
            raise GivenError(
                f"{name} has lazy layers", "run it once, so that their sizes are known"
            )
        return Given(type(what).__name__, what, tuple(leaves), spec)
    maker = what.func if isinstance(what, functools.partial) else what
    if isinstance(maker, type):
        return _made(what, maker, leaves, spec)
    if not callable(what):
        raise GivenError(
            f"{quote(what)} is no module", "give an nn.Module, a class of one, or a function"
        )
    name = str(getattr(maker, "__name__", type(maker).__name__)).strip("<>")
    return Given(name, Called(what), tuple(leaves), spec)


def _shaped(node: Any) -> Any:
    """An input with a `Leaf` in place of each shape."""
    if is_shape(node):
        if min(node) < 1:
            raise GivenError(f"{quote(tuple(node))} is no shape", "write whole numbers from 1")
        return Leaf(tuple(node))
    if type(node) in (list, tuple):
        return type(node)(map(_shaped, node))
    return node


def _made(maker: Callable[..., Any], kind: type, leaves: Sequence[Any], spec: Any) -> Given:
    """A class, made on the device and in the type of the inputs."""
    if not issubclass(kind, nn.Module):
        raise GivenError(f"{kind.__name__} is no torch.nn.Module", "derive it from nn.Module")
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    shapes: list[Shape] = [tuple(x.shape) for x in leaves if isinstance(x, (Tensor, Leaf))]
    signature = parameters_of(maker)
    arguments = filled_in(signature, (), shapes)
    missing = [n for n in signature.missing(()) if n not in arguments]
    if missing:
        cure = f"give an instance: {kind.__name__}({', '.join(f'{n}=...' for n in missing)})"
        raise GivenError(f"{kind.__name__} needs {', '.join(missing)}", cure)
    with torch.random.fork_rng([]):
        _seed(torch.device("cpu"))
        try:
            module = maker(**arguments)
        except (Exception, SystemExit) as error:  # a user's constructor may raise anything
            reason = shorten(one_line(text_of(error)), 300)
            what = f"{kind.__name__} cannot be made: {type(error).__name__}: {reason}"
            raise GivenError(what, "give an instance, or another input") from error
    if tensors:
        floating = next((x.dtype for x in tensors if x.is_floating_point()), None)
        module._apply(
            lambda x: x.to(tensors[0].device, floating if x.is_floating_point() else None)
        )
    found = Given(kind.__name__, module, tuple(leaves), spec)
    if is_lazy_module(module):
        with found.named(), found.real("inference") as subject, torch.no_grad():
            subject.output()
    return found


class Called(nn.Module):
    """A function as a module, with the modules and tensors that it refers to as parts."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        for name, held in _held_by(function):
            own = name
            while hasattr(self, own):
                own += "_"
            if isinstance(held, nn.Module):
                self.add_module(own, held)
            elif isinstance(held, nn.Parameter):
                self.register_parameter(own, held)
            elif isinstance(held, Tensor):
                self.register_buffer(own, held, persistent=False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns.

        Raises:
            GivenError: a module, which is what should have been given.
        """
        out = self.function(*args, **kwargs)
        if isinstance(out, nn.Module):
            raise GivenError("the function returned a module", "give that module itself")
        return out


def _held_by(function: Any) -> list[tuple[str, Any]]:
    """Modules and tensors that a function refers to, and those of functions that it calls."""
    found: list[tuple[str, Any]] = []
    seen: dict[int, Any] = {}

    def search(name: str, value: Any) -> None:
        if id(value) in seen:
            return
        seen[id(value)] = value
        if isinstance(value, (nn.Module, Tensor)):
            found.append((name, value))
        elif isinstance(value, functools.partial):
            search(name, value.func)
            for n, each in enumerate(value.args):
                search(f"argument{n}", each)
            for own, each in value.keywords.items():
                search(own, each)
        elif inspect.ismethod(value):
            search(type(value.__self__).__name__, value.__self__)
        elif inspect.isfunction(value) and not value.__module__.startswith("torch."):
            for own, each in _named_in(value):
                search(own, each)

    search("function", function)
    return found


def _named_in(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals and variables of enclosing functions that the code of a function reads."""
    known = function.__globals__
    for instruction in dis.get_instructions(function):
        if instruction.opname == "LOAD_GLOBAL" and instruction.argval in known:
            yield instruction.argval, known[instruction.argval]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a name without a value yet
            yield name, cell.cell_contents


@contextmanager
def _gradients_on() -> Iterator[None]:
    """Whatever mode the session is in: passes choose theirs."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def _seed(device: torch.device) -> None:
    """Of one device alone: `torch.manual_seed` would reach those whose state nobody restores."""
    torch.default_generator.manual_seed(SEED)
    if device.type == "cuda":
        torch.cuda.manual_seed(SEED)


def _write_back(buffer: Tensor, values: Tensor) -> None:
    """What a buffer held before passes wrote into it, such as the statistics of batch norm.

    Only where it is another now, since a graph of the user's may wait for its backward pass. The
    count of writes does not tell: batch norm writes without it.
    """
    if not torch.equal(buffer, values):
        with torch.inference_mode(mode=buffer.is_inference()), torch.no_grad():
            buffer.copy_(values)


_CONTAINERS = (dict, OrderedDict, defaultdict, list, deque, set)


@contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Undo what passes do to a module: attributes, hooks, containers, gradients, modes, caches.

    Values that are written into tensors stay, since copies of all of them would double the memory.
    Gradients are none while the context lasts.
    """
    parts = list(module.modules())
    modes = [(part, part.training) for part in parts]
    containers: dict[int, tuple[Any, Any]] = {}
    tensors: dict[int, Tensor] = {}
    for part in parts:
        _remember(vars(part), containers, tensors)
    gradients = [(each, each.grad) for each in tensors.values() if each.is_leaf]
    for each, _ in gradients:
        each.grad = None
    caches = {cache: cache.cache_info().misses for cache in _caches_of(parts)}
    try:
        yield
    finally:
        for now, before in containers.values():
            _restore(now, before)
        for part, mode in modes:
            if part.training != mode:  # of TorchScript, which keeps its own
                part.training = mode
        for each, gradient in gradients:
            each.grad = gradient
        for cache, misses in caches.items():
            if cache.cache_info().misses != misses:  # what it keeps is of our tensors' kind
                cache.cache_clear()


def _remember(
    value: Any, containers: dict[int, tuple[Any, Any]], tensors: dict[int, Tensor]
) -> None:
    if isinstance(value, Tensor):
        tensors[id(value)] = value
    elif type(value) in _CONTAINERS and id(value) not in containers:
        containers[id(value)] = (value, copy(value))
        for each in value.values() if isinstance(value, dict) else value:
            _remember(each, containers, tensors)
    elif type(value) is tuple:
        for each in value:
            _remember(each, containers, tensors)


def _restore(now: Any, before: Any) -> None:
    now.clear()
    if isinstance(now, (dict, set)):
        now.update(before)
    else:
        now.extend(before)


def _caches_of(parts: Sequence[nn.Module]) -> list[Any]:
    """The `lru_cache`s of the files that modules and functions come from, and of the classes."""
    classes = {kind for part in parts for kind in type(part).__mro__}
    functions = [part.function for part in parts if isinstance(part, Called)]
    names = {str(getattr(each, "__module__", "")) for each in (*classes, *functions)}
    theirs = ("torch.", "builtins", "functools")
    own = [sys.modules[n] for n in names if n in sys.modules and not n.startswith(theirs)]
    held = [each for owner in (*own, *classes) for each in vars(owner).values()]
    return [each for each in held if isinstance(each, functools._lru_cache_wrapper)]
