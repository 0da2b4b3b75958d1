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
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.environment.searching import OWN

if TYPE_CHECKING:
    from torch import nn

# What is reached and decides no trained number: names, messages, files, how a network is judged. A
# better message shall not ask for a night's trainings again. Names of published weights count where
# there are weights (`TrainingPlan.description`).
_NO_PART = (
    "harness.case", "harness.messages", "harness.environment", "harness.training.checkpoint",
    "context_modules.catalog", "context_modules.published",
)  # fmt: skip
_NO_PART_BY_NAME = ("EvaluationSpec",)
# Lists of names that grow, and how many of their entries count: one more data set says nothing of
# trainings on the others, and what is trained on stands in the key itself.
_GROWING = {"DataName": 6}

_PYTHON = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
INSTALLED = {"site-packages", "dist-packages"}
"""Names of the folders that hold installed packages."""

Named = tuple[str, str]
"""A Python module and a name at its top level; an empty one for all of the file."""


def source_digest(network: "nn.Module", also: Iterable[Callable[..., Any]] = ()) -> str:
    """Hash of the code that the classes of a network are made of, and of all that it reaches.

    Installed libraries are left out; the version of PyTorch is a matter of its own. `also` are
    further classes and functions, such as the training loop.
    """
    classes = {each for part in network.modules() for each in type(part).__mro__}
    return digest_of(map(named, [*classes, *also]))


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
    if file is None or INSTALLED.intersection(file.parts):
        return False
    return not any(map(file.is_relative_to, _PYTHON))


def _file(module: str) -> Path | None:
    """The source of a module, whether or not it has been imported; nothing is imported here."""
    if module in sys.modules:
        try:
            source = inspect.getsourcefile(sys.modules[module])
        except TypeError:  # built in
            return None
        return Path(source) if source else None
    path: Iterable[str] | None = None  # of the top level
    spec: ModuleSpec | None = None
    for name in accumulate(module.split("."), "{}.{}".format):
        if spec is not None and path is None:  # no package
            return None
        spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        if spec is None:
            return None
        path = spec.submodule_search_locations
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file and file.suffix == ".py" and file.is_file() else None


def _users_file(module: str) -> tuple[str, list[Named]]:
    """The code of a file, and where what it imports comes from, wherever in it that stands.

    Only what is written counts, not what has been imported so far, which hangs on what else the
    process has done. The harness itself computes nothing in a network, whatever a user's file does
    with it.
    """
    path = _file(module)
    assert path is not None, "the caller has looked"
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    code, below = code_of(path.read_bytes(), package)
    return f"{module}\n{code}", [each for each in below if not f"{each[0]}.".startswith("harness.")]


def code_of(content: bytes, package: str = "") -> tuple[str, list[Named]]:
    """The code of a Python file, without comments, docstrings and layout, and what it imports.

    Args:
        content: of the file.
        package: that of relative imports.
    """
    try:
        tree = ast.parse(content)
        return _code(tree), [each for node in ast.walk(tree) for each in _reached(node, package)]
    except (SyntaxError, ValueError, RecursionError):
        return content.decode("utf-8", errors="replace"), []


def _reached(node: ast.AST, package: str) -> Iterator[Named]:
    """Where an import statement of a user's file leads; `package` is that of relative ones."""
    if isinstance(node, ast.Import):
        pairs = [(each.name, "") for each in node.names]
    elif isinstance(node, ast.ImportFrom):
        around = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
        home = ".".join(filter(None, [*around, node.module]))
        pairs = [(home, each.name) for each in node.names]
    else:
        return
    for home, name in pairs:
        if _is_own(home):
            yield home, name
            continue
        if name:
            yield f"{home}.{name}", ""  # where it is a file
        for parent in accumulate(home.split("."), "{}.{}".format):  # each of them is run
            yield parent, ""


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
    lines = [name, *(_code(_counted(name, node)) for node in nodes)]
    for each in sorted(uses & imported.keys()):
        below.append(imported[each])
        home, target = imported[each]
        if not _is_own(home):
            lines.append(f"{each} = {home}.{target}")
        elif each != target:
            lines.append(f"{each} = {target}")
    return "\n".join(lines), below


def _counted(name: str, node: ast.AST) -> ast.AST:
    """A definition, of a list that grows its first entries alone."""
    if name not in _GROWING:
        return node
    node = deepcopy(node)
    for each in ast.walk(node):
        if isinstance(each, ast.Tuple):
            del each.elts[_GROWING[name] :]
    return node


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
    fields = ((name, _code(value)) for name, value in ast.iter_fields(node) if name != "kind")
    # What is empty without docstrings is as empty as what has none.
    said = (f"{name}={text}" for name, text in fields if text not in ("None", "[]"))
    return f"{type(node).__name__}({','.join(said)})"


def _is_left_out(node: ast.AST) -> bool:
    """A docstring, or an import of this project, which names a file."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return any(_is_own(home) for home, _ in _imported([node]).values())
