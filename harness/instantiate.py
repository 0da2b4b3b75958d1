"""From the name of a module to an instance: import, signature, construction.

The suite loader checks arguments with what stands here and the worker builds with it, so that a
suite that loads is a suite whose modules can be called.
"""

import copy
import functools
import importlib
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from harness.case import Case, Shape
from harness.environment import used_files
from harness.environment.entry_points import entry_points_of
from harness.environment.interruption import undisturbed
from harness.environment.searching import searching
from harness.messages import CuredError, HarnessError, quote, suggest, text_of

if TYPE_CHECKING:
    from torch import nn


ENTRY_POINT_GROUP = "context_harness.modules"
"""Entry points under which an installed package adds names to the catalog."""

_MAIN = "__main__"
Noun = Literal["class", "function"]

UserFile = tuple[tuple[str, ...], str]
"""A file of a user: folders in which it is looked up, and `package.file`."""

_USER_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class ModuleError(CuredError):
    """A module cannot be found or imported."""


class BuildError(HarnessError):
    """A constructor refused its arguments."""


class ArgumentTypeError(HarnessError):
    """A value does not fit the type hint of its parameter."""


@dataclass(frozen=True)
class Parameter:
    """One keyword parameter of a constructor; `hint` is `Any` where it has none."""

    name: str
    hint: Any
    required: bool
    open: bool = True  # whether it has no default, or one that says that nothing is given (`None`)

    def takes(self, value: Any) -> bool:
        """Whether `build` may fill it in: nothing else is said, and its hint fits."""
        try:
            convert(value, self.hint)
        except ArgumentTypeError:
            return False
        return self.open


@dataclass(frozen=True)
class Signature:
    """What a constructor takes by keyword."""

    parameters: Mapping[str, Parameter]  # by name, in the order of the constructor
    takes_any: bool  # the constructor has `**kwargs`, so that every name is accepted

    def accepts(self, name: str) -> bool:
        """Whether the constructor takes an argument of that name."""
        return name in self.parameters or self.takes_any

    def missing(self, given: typing.Collection[str]) -> tuple[str, ...]:
        """Required parameters that neither `given` names nor `build` fills in."""
        required = [each for each in self.parameters.values() if each.required]
        left = [each for each in required if each.name not in given]
        return tuple(
            each.name
            for each in left
            if each.name not in FILLED or not each.takes(FILLED[each.name])
        )


FILLED: Mapping[str, Any] = {"in_channels": 1, "in_features": 1, "input_size": [1, 1]}
"""Parameters that `build` takes from the first input, with a value of each: channels, features (the
last size) and (H, W)."""


def names() -> tuple[str, ...]:
    """Every name that a suite can write behind `module:`, `package.file:Class` aside."""
    from context_modules.catalog import BY_NAME

    return tuple(sorted({*BY_NAME, *(point.name for point in _entry_points())}))


def resolve(module: str, search_path: Sequence[str] = ()) -> "Callable[..., nn.Module]":
    """What makes a module: the class or function behind a name.

    Args:
        module: a name of the catalog or of an entry point, `package.file:Class`, or
            `package.file:function` for one that returns a module (`timm:create_model`).
        search_path: folders put in front of `sys.path` while a user's file is imported.

    Raises:
        ModuleError: the name is unknown, its import fails, or it makes no `torch.nn.Module`.
    """
    from context_modules.catalog import BY_NAME

    if is_of_session(module):
        if module in _of_session:
            return _of_session[module][1]
        cure = "run what defines it again, or put it into a file"
        raise ModuleError(f"{module} was of a session that is over", cure)
    target = BY_NAME[module].target if module in BY_NAME else target_of(module)
    if target is None:
        cure = suggest(module, names(), "modules") if names() else "write package.file:Class"
        raise ModuleError(f"unknown module {quote(module)}", cure)
    with undisturbed():  # PyTorch is not to be interrupted while it is imported: it may abort
        from torch import nn
    found = load_name(target, search_path if target == module else ())
    makes = issubclass(found, nn.Module) if isinstance(found, type) else callable(found)
    if makes and not isinstance(found, nn.Module):
        maker: Callable[..., nn.Module] = found
        return maker
    cure = "name a class derived from nn.Module, or a function that returns one"
    raise ModuleError(f"{module} is no torch.nn.Module", cure)


def target_of(module: str) -> str | None:
    """`package.file:Class` behind a name that is not the catalog's; `None` where there is none."""
    from context_modules.catalog import BY_NAME

    if ":" in module or module in BY_NAME:
        return None if module in BY_NAME else module
    points = (point for point in _entry_points() if point.name == module)
    return next((f"{point.module}:{point.attr}" for point in points), None)


def file_of(target: str | None) -> str | None:
    """The file that `load_name` imports for a name; `None` where it imports none."""
    file = target.partition(":")[0] if target and _USER_NAME.fullmatch(target) else _MAIN
    return None if file in (_MAIN, _SESSION) else file


_SESSION = "__session__"
_of_session: "dict[str, tuple[Any, Callable[..., nn.Module]]]" = {}
"""What only this process has, and what makes a module of it, by name; never replaced, since a suite
that is loaded names it."""


def is_of_session(module: str) -> bool:
    """Whether a name is of something that no other process can import."""
    return module.startswith(f"{_SESSION}:")


def shown_name(module: str) -> str:
    """A name as people read it: of what only this session has, what it is called there."""
    return module.partition(":")[2].partition("-")[0] if is_of_session(module) else module


def name_of(made: "type | Callable[..., nn.Module] | nn.Module") -> str:
    """The name under which a suite finds a class, a function that makes a module, or a module.

    Returns:
        `package.file:Class`, which other processes can import; of what is written in a notebook, in
        the script that runs, or inside a function, and of a module that is made already, a name
        that holds in this process.

    """
    from torch import nn

    if isinstance(made, nn.Module):
        return _session_name(type(made).__name__, made, lambda: copy.deepcopy(made))
    maker = made.func if isinstance(made, functools.partial) else made
    name = str(getattr(maker, "__qualname__", type(maker).__name__))
    file = getattr(maker, "__module__", _MAIN)
    if maker is made and "<" not in name and file != _MAIN and _is_importable(file):
        return f"{file}:{name}"
    return _session_name(name.rpartition(".")[2].strip("<>"), made, made)


def _is_importable(file: str) -> bool:
    """Whether a process with the same folders finds a module; not one that was only executed."""
    if file in sys.modules:
        return getattr(sys.modules[file], "__spec__", None) is not None
    try:
        return find_spec(file) is not None
    except (ImportError, ValueError):
        return False


def _session_name(name: str, made: Any, maker: "Callable[..., nn.Module]") -> str:
    known = next((each for each, (found, _) in _of_session.items() if found is made), None)
    if known is not None:
        return known
    number = 1 + sum(each.partition(":")[2].partition("-")[0] == name for each in _of_session)
    own = f"{_SESSION}:{name}" + (f"-{number}" if number > 1 else "")
    _of_session[own] = (made, maker)
    return own


def _entry_points() -> Sequence[Any]:
    return entry_points_of(ENTRY_POINT_GROUP)


def load_name(target: str, search_path: Sequence[str] = (), noun: Noun = "class") -> Any:
    """What a user's file has under a name: `package.file:Class`, `package.file:function`.

    Args:
        target: file and name.
        search_path: folders put in front of `sys.path` while the file is imported.
        noun: what the name should be of, for messages.

    Raises:
        ModuleError: the file cannot be imported, or has no such name.
    """
    if is_of_session(target):
        raise _in_main(target.partition(":")[2], noun)
    if not _USER_NAME.fullmatch(target):
        cure = f"write package.file:{'Class' if noun == 'class' else noun}"
        raise ModuleError(f"{quote(target)} names no {noun}", cure)
    file, _, attribute = target.partition(":")
    if file == _MAIN:
        raise _in_main(attribute, noun)
    with searching(tuple(search_path)), used_files.building():
        try:
            found: Any = importlib.import_module(file)
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            text = " ".join(text_of(error).split())
            what = f"{file} cannot be imported ({type(error).__name__}: {text})"
            cure = "check the name, and that the file imports under Python"
            raise ModuleError(what, cure) from error
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise _no_attribute(file, part, found, noun)
            found = getattr(found, part)
    return found


def _in_main(name: str, noun: Noun) -> ModuleError:
    # Each case is measured in a process of its own, which imports it by its name.
    what = f"{noun} {name} is written in this notebook or script, which no other process can import"
    file = name.partition(".")[0].lower()
    cure = f"put it into {file}.py (in a notebook: %%writefile {file}.py above the class)"
    key = "module" if noun == "class" else "measure"
    return ModuleError(what, f"{cure} and write {key}: '{file}:{name}'")


def _no_attribute(file: str, attribute: str, owner: Any, noun: Noun) -> ModuleError:
    from torch import nn

    def fits(value: Any) -> bool:
        if noun == "function":
            return inspect.isfunction(value)
        return isinstance(value, type) and issubclass(value, nn.Module)

    own = {name: value for name, value in vars(owner).items() if not name.startswith("_")}
    known = [name for name, value in own.items() if fits(value)]
    plural = "classes" if noun == "class" else "functions"
    return ModuleError(f"{file} has no {attribute}", suggest(attribute, known, plural))


def build(case: Case, search_path: Sequence[str] = ()) -> "nn.Module":
    """An instance of a case's module, prepared, on the default device, in the default dtype.

    `in_channels` and `input_size` are taken from the first input, (B, C, H, W), and `in_features`
    from its last size, where the constructor has parameters of these names and the case does not
    give them.

    Raises:
        ModuleError: the class cannot be found or imported.
        BuildError: an argument is unknown, of a wrong type, missing, or refused by the constructor;
            what was made is no module, or cannot be prepared as the case says.
    """
    maker = resolve(case.module, search_path)
    signature = parameters_of(maker)
    arguments = _converted(case, signature)
    arguments |= filled_in(signature, arguments, case.inputs)
    try:
        with used_files.building():
            made = maker(**arguments)
            for step in case.prepare:
                made = _prepared(_module(made, case.module), step, search_path)
    except (ValueError, TypeError) as error:
        raise BuildError(f"{case.module}: {' '.join(str(error).split())}") from error
    used_files.built(_module(made, case.module), arguments.values())
    return made


def filled_in(
    signature: Signature, given: typing.Collection[str], shapes: Sequence[Shape]
) -> dict[str, Any]:
    """What `FILLED` names, of the first input, where a constructor waits for it."""
    shape = shapes[0] if shapes else ()
    several = len(shape) > 1
    known = {
        "in_channels": shape[1] if several else None,
        "in_features": shape[-1] if several else None,
        "input_size": tuple(shape[2:]),
    }
    plain = {name: list(v) if isinstance(v, tuple) else v for name, v in known.items()}
    waiting = {name: p for name, p in signature.parameters.items() if name not in given}
    return {n: known[n] for n in FILLED if n in waiting and waiting[n].takes(plain[n])}


def _module(made: Any, maker: str) -> "nn.Module":
    from torch import nn

    if isinstance(made, nn.Module):
        return made
    raise BuildError(f"{maker} returned {type(made).__name__}, no torch.nn.Module")


def _prepared(module: "nn.Module", step: str, search_path: Sequence[str]) -> Any:
    """A module after a step of `prepare`: what the step returned, or the module that it changed."""
    from torch import nn

    if ":" in step:
        made = load_name(step, search_path, "function")(module)
        return module if made is None else _module(made, step)
    if callable(getattr(module, step, None)):
        made = getattr(module, step)()
        return made if isinstance(made, nn.Module) else module
    parts = [part for part in module.modules() if callable(getattr(part, step, None))]
    if not parts:
        kinds = {kind for part in module.modules() for kind in type(part).__mro__}
        theirs = (kind for kind in kinds if not kind.__module__.startswith("torch."))
        named = {name for kind in theirs for name in vars(kind) if not name.startswith("_")}
        own = named.difference(dir(nn.Module))
        cure = suggest(step, own, "methods")
        raise BuildError(f"prepare: neither the module nor a part of it has {quote(step)}; {cure}")
    for part in parts:
        getattr(part, step)()
    return module


def _converted(case: Case, signature: Signature) -> dict[str, Any]:
    converted = {}
    for name, value in case.arguments.items():
        parameter = signature.parameters.get(name)
        try:
            converted[name] = convert(value, parameter.hint) if parameter else value
        except ArgumentTypeError as error:
            raise BuildError(f"{case.module}: argument {name}: {error}") from error
    return converted


def parameters_of(maker: "Callable[..., nn.Module]") -> Signature:
    """What a constructor, or a function that makes modules, takes by keyword; hints resolved."""
    from torch import nn

    is_class = isinstance(maker, type)
    constructor: Any = maker.__init__ if is_class else maker
    if constructor is nn.Module.__init__:  # (*args, **kwargs), of which it accepts none
        return Signature({}, takes_any=False)
    try:
        declared = list(inspect.signature(constructor).parameters.values())[int(is_class) :]
    except (TypeError, ValueError):
        return Signature({}, takes_any=True)
    try:
        hints = typing.get_type_hints(constructor, include_extras=True)
    except Exception:  # names imported under TYPE_CHECKING, misspelt hints: no check, then
        hints = {}
    keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return Signature(
        {
            p.name: Parameter(
                p.name,
                hints.get(p.name, Any),
                p.default is p.empty,
                p.default is p.empty or p.default is None,
            )
            for p in declared
            if p.kind in keyword
        },
        takes_any=any(p.kind is p.VAR_KEYWORD for p in declared),
    )


def convert(value: Any, hint: Any) -> Any:
    """A JSON value as the type of a hint: lists to tuples, whole numbers to floats.

    Values of hints that JSON cannot express (a `torch.dtype`, say) pass unchanged.

    Raises:
        ArgumentTypeError: the value does not fit; the message names the expected type.
    """
    if hint is Any:
        return value
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
    except Exception:  # pydantic raises errors of many kinds for types it has no schema for
        return value
    try:
        converted = adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ArgumentTypeError(f"expected {type_name(hint)}") from error
    except PydanticUserError:  # a hint that names what cannot be found
        return value
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError("expected a value that YAML can hold") from error
    if not _same_truths(value, converted):
        raise ArgumentTypeError(f"expected {type_name(hint)}")
    return converted


def _same_truths(value: Any, converted: Any) -> bool:
    """Whether no truth value has become a number: pydantic finds `True` in `Literal[1]`."""
    if isinstance(value, bool) or isinstance(converted, bool):
        return value is converted
    if isinstance(value, list) and isinstance(converted, Sequence):
        return all(map(_same_truths, value, converted))
    if isinstance(value, dict) and isinstance(converted, Mapping):
        return all(map(_same_truths, value.values(), converted.values()))
    return True


def type_name(hint: Any) -> str:
    """A type hint in words for a message: `int`, `int or list of int`, `one of 'a', 'b'`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return type_name(inner[0])
    if origin is typing.Literal:
        return ("one of " if len(inner) > 1 else "") + ", ".join(map(repr, inner))
    if hint is None or hint is type(None):
        return "null"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(type_name, inner)))
    return _container_name(hint, origin, inner)


def _container_name(hint: Any, origin: Any, inner: tuple[Any, ...]) -> str:
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        length = f"{len(inner)} " if origin is tuple and Ellipsis not in inner else ""
        return f"list of {length}{type_name(inner[0])}" if inner else "a list"
    return hint.__name__ if isinstance(hint, type) else str(hint)
