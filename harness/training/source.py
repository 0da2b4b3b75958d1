"""The source of a network as a hash: a changed layer asks for another training."""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from harness.environment.searching import OWN

# Packages and files that once had another name, under which they are still hashed: trainings that
# are kept stay valid when a file moves. What lies in a package follows it.
_HASHED_AS = {"context_modules": "modules"}

# By those names: what the training loop imports and no trained number depends on, namely names,
# messages, how a case is written down and timed. A better message shall not ask for a night's
# trainings again.
_NO_PART = frozenset(
    {
        "harness.case",
        "harness.messages",
        "harness.environment.searching",
        "modules.catalog",
    }
)


def source_digest(network: nn.Module, also: Iterable[ModuleType] = ()) -> str:
    """Hash of the code that the classes of a network are made of.

    The files that define them, and the files of the same top-level package (or lone file) that
    these import from, directly or not. Comments, docstrings and layout do not count. Installed
    libraries are left out; the version of PyTorch is a matter of its own.

    Args:
        network: whose classes count.
        also: further Python modules, such as the training loop.
    """
    roots = {type(part).__module__ for part in network.modules()}
    digest = hashlib.sha256()
    found = _closure({*roots, *(module.__name__ for module in also)})
    for name in sorted(found, key=lambda name: (_hashed_name(name), name)):
        path = _file(sys.modules[name])
        if path is not None:
            code = _code(path, ours=name.partition(".")[0] in OWN)
            digest.update(f"{_hashed_name(name)}\n{code}\n".encode())
    return digest.hexdigest()[:16]


def _closure(names: set[str]) -> set[str]:
    waiting = [name for name in names if _is_own(name)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [below for below in _used(sys.modules[name]) if _is_own(below)]
    return found


def _used(module: ModuleType) -> Iterator[str]:
    """Python modules of the same package whose contents a module names."""
    root = module.__name__.partition(".")[0]
    for value in vars(module).values():
        name: Any = value.__name__ if isinstance(value, ModuleType) else None
        name = name or getattr(value, "__module__", None)
        if isinstance(name, str) and name.partition(".")[0] == root and name in sys.modules:
            yield name


def _is_own(name: str) -> bool:
    path = _file(sys.modules[name]) if name in sys.modules else None
    return (
        path is not None
        and "site-packages" not in path.parts
        and _hashed_name(name) not in _NO_PART
    )


def _file(module: ModuleType) -> Path | None:
    try:
        file = inspect.getsourcefile(module)
    except TypeError:  # built in
        return None
    return Path(file) if file else None


def _hashed_name(name: str) -> str:
    head, tail = name, ""
    while head and head not in _HASHED_AS:
        head, dot, last = head.rpartition(".")
        tail = f"{dot}{last}{tail}"
    return _HASHED_AS.get(head, "") + tail


def _code(path: Path, *, ours: bool) -> str:
    """The code of a file without comments and docstrings; its text where it does not parse.

    Args:
        path: of the file.
        ours: whether it is one of this project, whose imports stand in the order of their names.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    _with_hashed_names(tree, in_order=ours)
    return ast.dump(tree)


def _with_hashed_names(tree: ast.Module, *, in_order: bool) -> None:
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            node.module = _hashed_name(node.module)
        elif isinstance(node, ast.alias):
            node.name = _hashed_name(node.name)
    for node in nodes if in_order else ():
        if isinstance(body := getattr(node, "body", None), list):
            runs = groupby(body, lambda statement: bool(_imported(statement)[1]))
            node.body = [  # type: ignore[attr-defined]
                each for own, run in runs for each in (sorted(run, key=_imported) if own else run)
            ]


def _imported(statement: ast.stmt) -> tuple[bool, str]:
    """What a statement imports of this project, as ruff sorts it: `import a` before `from b`."""
    name = ""
    if isinstance(statement, ast.Import):
        name = statement.names[0].name
    elif isinstance(statement, ast.ImportFrom):
        name = statement.module or ""
    own = name.partition(".")[0] in map(_hashed_name, OWN)
    return isinstance(statement, ast.ImportFrom), name if own else ""


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
