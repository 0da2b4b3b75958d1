"""`harness init`: a starter suite or a shipped one, and on request a module and its test."""

import keyword
import re
import shlex
import sys
from importlib.machinery import PathFinder
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from harness.cli.options import suite_names
from harness.cli.output import console, say
from harness.environment.searching import CHECKOUT, OWN
from harness.messages import HarnessError
from harness.present.write import write_whole
from harness.suite.shipped import named, unknown
from harness.suite.writer import SCHEMA, SCHEMA_LINE

SUITE = "suite.yaml"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_GRIDS = {
    True: ("${file}, pool {pool}", "${file}:${class_name}", "pool: [1, 2, 4]"),
    False: ("PPM, {bins}", "ppm", "bins: [[1], [1, 2], [1, 2, 3, 6]]"),
}


class StarterError(HarnessError):
    """A starter cannot be made."""


def starter(module: str | None = None) -> dict[str, str]:
    """Texts by file name.

    Args:
        module: name of the module to begin with, `my_attention` or `MyAttention`.

    Raises:
        StarterError: no file or class can have that name, or an installed package has it.
    """
    from harness.suite.schema import schema_text

    if module is None:
        return {SUITE: _suite({}), SCHEMA: schema_text()}
    names = _names(module)
    return {
        SUITE: _suite(names),
        SCHEMA: schema_text(),
        f"{names['file']}.py": _filled("module.py", names),
        f"test_{names['file']}.py": _filled("test_module.py", names),
    }


def copied(name: str) -> dict[str, str]:
    """Texts by file name: a shipped suite, what it includes in folders as there, and the schema.

    Raises:
        SuiteError: no shipped suite has that name.
    """
    from harness.suite import reader, tree
    from harness.suite.schema import schema_text

    path = named(Path(name))
    if path is None:
        raise unknown(Path(name))
    texts = {}
    for source in tree.read(reader.read_file(path), path.parent).walk():
        found = source.document.path
        place = found.relative_to(path.resolve().parent)
        first, _, rest = found.read_text(encoding="utf-8").partition("\n")
        below = rest if first.startswith(SCHEMA_LINE) else f"{first}\n{rest}"
        header = f"{SCHEMA_LINE}{'../' * (len(place.parts) - 1)}{SCHEMA}\n"
        texts[str(place)] = header + below
    return texts | {SCHEMA: schema_text()}


def _suite(names: dict[str, str]) -> str:
    own = '  - {label: ${class_name}, module: "${file}:${class_name}"}\n' if names else ""
    label, module, grid = (Template(each).substitute(names) for each in _GRIDS[bool(names)])
    name = names.get("file", "starter").replace("_", "-").strip("-")
    known = {
        "suite": name,
        "title": f"{names['class_name']} beside OCNet's Table 4" if names else "Context modules",
        "own": Template(own).substitute(names),
        "grid": f'{{label: "{label}", module: "{module}", grid: {{{grid}}}}}',
    }
    return _filled("suite.yaml", known)


def _filled(template: str, names: dict[str, str]) -> str:
    text = files("harness.cli").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(names)


def _names(module: str) -> dict[str, str]:
    """The names of a file, in snake case, and of a class, in capitals."""
    if not _NAME.fullmatch(module):
        raise StarterError(
            f"--module {module}: no name of a Python file; write letters, digits and underscores, "
            "such as my_attention"
        )
    file = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", module).lower().strip("_")
    others = (Path.cwd(), CHECKOUT)  # a file of the current folder is no installed package
    folders = [each for each in sys.path if Path(each).resolve() not in others]
    installed = file in OWN or PathFinder.find_spec(file, folders) is not None
    if keyword.iskeyword(file) or file in sys.stdlib_module_names or installed:
        raise StarterError(
            f"--module {module}: {file}.py would stand in the way of a package of that name; "
            f"choose another, such as my_{file}"
        )
    in_capitals = module[0].isupper() and "_" not in module
    class_name = (
        module if in_capitals else "".join(word[:1].upper() + word[1:] for word in file.split("_"))
    )
    return {"file": file, "class_name": class_name}


def _differs(path: Path, text: str) -> bool:
    """Whether a file is there that is not this text, such as that of another version."""
    return path.exists() and not (path.is_file() and path.read_bytes() == text.encode("utf-8"))


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Where to write; made if it is not there.")
    ] = Path(),
    module: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Begin a module of this name, too, with its test: my_attention."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SUITE",
            help="Copy a suite that comes with the harness, to be changed: a name of "
            "`harness list suites`.",
            autocompletion=suite_names,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write anew what is there already.")
    ] = False,
) -> None:
    """Write a commented suite that runs at once; with --module an attention block and its test.

    With --from, copy a shipped suite instead, with what that includes.
    """
    if from_ is not None and module is not None:
        raise StarterError("--from copies a suite, --module begins another; give one of them")
    texts = starter(module) if from_ is None else copied(from_)
    if folder.exists() and not folder.is_dir():
        raise StarterError(f"{folder}: a file has that name; give the name of a folder")
    there = [str(folder / name) for name, text in texts.items() if _differs(folder / name, text)]
    if there and not force:
        raise StarterError(
            f"{', '.join(there)}: there already, and nothing was written; "
            "give another folder, or --force to write anew"
        )
    for name, text in texts.items():
        write_whole(folder / name, text.encode("utf-8"))
    where = console()
    written = ", ".join(str(folder / name) for name in texts)
    say(f"written: {written}", where)
    where.print("next:")
    if folder.resolve() != Path.cwd():
        say(f"  cd {shlex.quote(str(folder))}", where)
    where.print(f"  harness run {next(iter(texts))}", markup=False)
    tests = [name for name in texts if name.startswith("test_")]
    if tests:
        where.print(f"  pytest {tests[0]}", markup=False)
