"""Signatures of the catalog's modules, read from their files: PyTorch takes seconds to import.

Loading a suite asks what each constructor takes, and no more. A hint is worked out from what its
file imports and assigns, as Python would; what cannot be worked out so (a hint that is a class, a
constructor made by a decorator) has no answer here, and the class is imported after all.
"""

import ast
import builtins
import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import Any

from harness.signature import Parameter, Signature

# Packages whose names hints are made of, imported for real; all others are read.
_IMPORTED = ("typing", "collections.abc", "pathlib", "fractions", "types")
_READ = "context_modules"


class UnreadableError(Exception):
    """What cannot be known without importing it."""


def declared_signature(target: str) -> Signature | None:
    """What a constructor of `context_modules` takes; `None` where only its import can tell.

    Args:
        target: `context_modules.file:Class`, as in the catalog.
    """
    module, _, name = target.partition(":")
    try:
        return _read(module).signature(name)
    except UnreadableError:
        return None


class _File(Mapping[str, Any]):
    """The names of a file, each worked out when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._known: dict[str, Any] = {}
        self._made: dict[str, ast.expr] = {}
        self._imported: dict[str, tuple[str, str]] = {}  # name: file, name there
        self._classes: dict[str, ast.ClassDef] = {}
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef):
                self._classes[node.name] = node
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for each in node.names:
                    self._imported[each.asname or each.name] = (node.module, each.name)
            elif isinstance(node, ast.Assign):
                self._made |= {t.id: node.value for t in node.targets if isinstance(t, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self._made |= {node.target.id: node.value} if node.value is not None else {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._worked_out(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._made, **self._imported, **self._classes})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _worked_out(self, name: str) -> Any:
        if name in self._made:
            return self.value(self._made[name])
        if name in self._imported:
            file, there = self._imported[name]
            if file in _IMPORTED:
                return getattr(importlib.import_module(file), there)
            if file.partition(".")[0] == _READ:
                return _read(file)[there]
        elif hasattr(builtins, name):
            return getattr(builtins, name)
        raise UnreadableError(name)

    def value(self, node: ast.expr) -> Any:
        """What an expression is.

        Raises:
            UnreadableError: it needs what is not read, or calls something.
        """
        if any(
            isinstance(each, ast.Call | ast.Lambda | ast.comprehension) for each in ast.walk(node)
        ):
            raise UnreadableError(ast.unparse(node))
        code = compile(ast.Expression(node), "<hint>", "eval")
        try:
            return eval(code, {"__builtins__": {}}, self)
        except (TypeError, AttributeError, NameError) as error:
            raise UnreadableError(ast.unparse(node)) from error

    def signature(self, name: str) -> Signature:
        """What the constructor of a class takes.

        Raises:
            UnreadableError: only its import can tell.
        """
        found = self._classes.get(name)
        if found is None or found.decorator_list or found.keywords:
            raise UnreadableError(name)
        for node in found.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return self._taken(node)
        return self._inherited(found)

    def _inherited(self, found: ast.ClassDef) -> Signature:
        if [ast.unparse(base) for base in found.bases] == ["nn.Module"]:
            return Signature({}, takes_any=False)
        if len(found.bases) == 1 and isinstance(found.bases[0], ast.Name):
            base = found.bases[0].id
            if base in self._classes:
                return self.signature(base)
            file, there = self._imported.get(base, ("", ""))
            if file.partition(".")[0] == _READ:
                return _read(file).signature(there)
        raise UnreadableError(found.name)

    def _taken(self, constructor: ast.FunctionDef) -> Signature:
        if constructor.decorator_list:
            raise UnreadableError(constructor.name)
        taken = constructor.args
        positional = [*taken.posonlyargs, *taken.args]
        missing = len(positional) - len(taken.defaults)
        defaults: list[ast.expr | None] = [*([None] * missing), *taken.defaults]
        paired = [
            *zip(positional, defaults, strict=True),
            *zip(taken.kwonlyargs, taken.kw_defaults, strict=True),
        ]
        by_keyword = [pair for pair in paired[1:] if pair[0] not in taken.posonlyargs]
        return Signature(
            {argument.arg: self._parameter(argument, default) for argument, default in by_keyword},
            takes_any=taken.kwarg is not None,
        )

    def _parameter(self, argument: ast.arg, default: ast.expr | None) -> Parameter:
        hint: Any = Any
        if argument.annotation is not None:
            hint = self.value(argument.annotation)
            if isinstance(hint, str):  # written in quotes
                hint = self.value(ast.parse(hint, mode="eval").body)
            hint = NoneType if hint is None else hint
        none = isinstance(default, ast.Constant) and default.value is None
        return Parameter(argument.arg, hint, default is None, default is None or none)


@cache
def _read(module: str) -> _File:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise UnreadableError(module)
    return _File(Path(spec.origin))
