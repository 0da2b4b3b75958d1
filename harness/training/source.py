"""The source of a network as a hash: a changed layer asks for another training."""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

# What the training loop imports and no trained number depends on: names, messages, how a case is
# written down and timed. A better message shall not ask for a night's trainings again.
_NO_PART = frozenset(
    {
        "modules.catalog",
        "harness.case",
        "harness.errors",
        "harness.searching",
        "harness.timing",
        "harness.wording",
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
    for name in sorted(_closure({*roots, *(module.__name__ for module in also)})):
        path = _file(sys.modules[name])
        if path is not None:
            digest.update(f"{name}\n{_code(path)}\n".encode())
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
    return path is not None and "site-packages" not in path.parts and name not in _NO_PART


def _file(module: ModuleType) -> Path | None:
    try:
        file = inspect.getsourcefile(module)
    except TypeError:  # built in
        return None
    return Path(file) if file else None


def _code(path: Path) -> str:
    """The code of a file without comments and docstrings; its text where it does not parse."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
