"""From the name of a module to an instance: import, signature, construction.

The suite loader checks arguments with what stands here and the worker builds with it, so that a
suite that loads is a suite whose modules can be called.
"""

import copy
import functools
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from harness.case import Case, Shape
from harness.declared import declared_signature
from harness.environment import used_files
from harness.environment.entry_points import entry_points_of
from harness.environment.interruption import undisturbed
from harness.environment.searching import searching
from harness.messages import CuredError, HarnessError, quote, suggest, text_of
from harness.signature import FILLED, ArgumentTypeError, Signature, convert, parameters_of

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


def signature_of(module: str, search_path: Sequence[str] = ()) -> Signature:
    """What makes a module takes; of the catalog's own without importing PyTorch, where that goes.

    Raises:
        ModuleError: as `resolve`.
    """
    from context_modules.catalog import BY_NAME

    declared = declared_signature(BY_NAME[module].target) if module in BY_NAME else None
    return declared or parameters_of(resolve(module, search_path))


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
