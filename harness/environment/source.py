"""Source code as a hash: changed code asks for another measurement, and another training.

Of this project's own code those definitions count that are reached by name from where one begins
(the classes of a network, a metric, the training loop), wherever their files lie: to move or to cut
a file changes nothing. A user's files count whole. Comments, docstrings and layout never count.
"""

import ast
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.environment.searching import OWN

if TYPE_CHECKING:
    from torch import nn

# What is reached and decides no trained number: names, messages, files, how a network is judged. A
# better message shall not ask for a night's trainings again.
_NO_PART = ("harness.case", "harness.messages", "harness.environment", "context_modules.catalog")
_NO_PART_BY_NAME = ("Checkpoint", "EvaluationSpec")

_PYTHON = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}

Named = tuple[str, str]
"""A Python module and a name at its top level; an empty one for all of the file."""


def source_digest(network: "nn.Module", also: Iterable[Callable[..., Any]] = ()) -> str:
    """Hash of the code that the classes of a network are made of, and of all that it reaches.

    Installed libraries are left out; the version of PyTorch is a matter of its own. `also` are
    further classes and functions, such as the training loop.
    """
    return digest_of(map(named, [*{type(part) for part in network.modules()}, *also]))


def named(definition: Any) -> Named:
    """Where a class or a function is defined."""
    return definition.__module__, definition.__qualname__.partition(".")[0]


def digest_of(roots: Iterable[Named]) -> str:
    """Hash of the code of definitions, and of all that it reaches; see `source_digest`."""
    waiting = list(roots)
    found: dict[Named, str] = {}
    while waiting:
        module, name = waiting.pop()
        own = _is_own(module)
        here = (module, name if own else "")
        if here not in found and _counts(*here):
            found[here], below = _definition(module, name) if own else _users_file(module)
            waiting += below
    return hashlib.sha256("\n".join(sorted(found.values())).encode()).hexdigest()[:16]


def _is_own(module: str) -> bool:
    return module.partition(".")[0] in OWN


def _counts(module: str, name: str) -> bool:
    if _is_own(module):
        below = any(f"{module}.".startswith(f"{out}.") for out in _NO_PART)
        return not below and name not in _NO_PART_BY_NAME
    file = _file(module)
    if file is None or _INSTALLED.intersection(file.parts):
        return False
    return not any(map(file.is_relative_to, _PYTHON))


def _file(module: str) -> Path | None:
    try:
        file = inspect.getsourcefile(sys.modules[module])
    except (KeyError, TypeError):  # not imported, or built in
        return None
    return Path(file) if file else None


def _users_file(module: str) -> tuple[str, list[Named]]:
    """The code of a file, and where what it has at its top level comes from.

    The harness itself computes nothing in a network, whatever a user's file does with it.
    """
    path = _file(module)
    assert path is not None, "the caller has looked"
    code, below = code_of(path.read_bytes())
    for value in vars(sys.modules[module]).values():
        if isinstance(value, ModuleType):
            below.append((value.__name__, ""))
        elif isinstance(home := getattr(value, "__module__", None), str):
            name = getattr(value, "__qualname__", "")
            below.append((home, name.partition(".")[0] if isinstance(name, str) else ""))
    return f"{module}\n{code}", [each for each in below if not f"{each[0]}.".startswith("harness.")]


def code_of(content: bytes) -> tuple[str, list[Named]]:
    """The code of a Python file, without comments, docstrings and layout, and what it imports."""
    try:
        tree = ast.parse(content)
        return _code(tree), list(_imported(ast.walk(tree)).values())
    except (SyntaxError, ValueError, RecursionError):
        return content.decode("utf-8", errors="replace"), []


@cache
def _definition(module: str, name: str) -> tuple[str, list[Named]]:
    """The code of a definition of this project, without its place, and what it names."""
    file = _top_level(module)
    if name in file.imported:
        return "", [file.imported[name]]
    nodes = file.defined.get(name)
    if nodes is None and name and _source(f"{module}.{name}") is not None:
        return "", [(f"{module}.{name}", "")]
    if nodes is None:  # all of the file
        nodes = [node for several in file.defined.values() for node in several]
    inside = [each for node in nodes for each in ast.walk(node)]
    imported = {**file.imported, **_imported(inside)}
    uses = {each.id for each in inside if isinstance(each, ast.Name)}
    below = [(module, each) for each in uses & file.defined.keys() - {name}]
    lines = [name, *map(_code, nodes)]
    for each in sorted(uses & imported.keys()):
        below.append(imported[each])
        home, target = imported[each]
        if not _is_own(home):
            lines.append(f"{each} = {home}.{target}")
        elif each != target:
            lines.append(f"{each} = {target}")
    return "\n".join(lines), below


@dataclass(frozen=True)
class _File:
    """What a Python module of this project has at its top level, by name."""

    defined: dict[str, list[ast.AST]] = field(default_factory=dict)
    imported: dict[str, Named] = field(default_factory=dict)


@cache
def _top_level(module: str) -> _File:
    file = _File()
    waiting: list[ast.AST] = list(ast.parse(_source(module) or "").body)
    for node in waiting:  # grows while it is read
        if isinstance(node, ast.If | ast.Try | ast.ExceptHandler):
            waiting += ast.iter_child_nodes(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            file.defined.setdefault(node.name, []).append(node)
        else:
            file.imported.update(_imported([node]))
            for each in ast.walk(node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    file.defined.setdefault(each.id, []).append(node)
    return file


def _source(module: str) -> str | None:
    """The text of a module of this project; `None` where there is no such one."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its parent is no package
        return None
    return None if spec is None else Path(str(spec.origin)).read_text(encoding="utf-8")


def _imported(nodes: Iterable[ast.AST]) -> dict[str, Named]:
    found = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                found[each.asname or each.name] = (node.module or "", each.name)
        elif isinstance(node, ast.Import):
            for each in node.names:
                bound = each.asname or each.name.partition(".")[0]
                found[bound] = (each.name if each.asname else bound, "")
    return found


def _code(node: Any) -> str:
    """A syntax tree as text, alike under each version of Python."""
    if isinstance(node, list):
        return f"[{','.join(_code(each) for each in node if not _is_left_out(each))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (
        f"{name}={_code(value)}"
        for name, value in ast.iter_fields(node)
        if value is not None and value != [] and name != "kind"
    )
    return f"{type(node).__name__}({','.join(fields)})"


def _is_left_out(node: ast.AST) -> bool:
    """A docstring, or an import of this project, which names a file."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return any(_is_own(home) for home, _ in _imported([node]).values())
