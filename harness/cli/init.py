"""`harness init`: a starter suite, and on request a module and its test."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.output import console
from harness.present.write import write_whole
from harness.starter import SUITE, StarterError, starter


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
    force: Annotated[
        bool, typer.Option("--force", help="Write anew what is there already.")
    ] = False,
) -> None:
    """Write a commented suite that runs at once; with --module an attention block and its test."""
    texts = starter(module)
    _refuse_overwriting(folder, list(texts), force)
    for name, text in texts.items():
        write_whole(folder / name, text.encode("utf-8"))
    where = console()
    written = ", ".join(str(folder / name) for name in texts)
    where.print(f"written: {written}", markup=False, soft_wrap=True)
    where.print("next:")
    if folder.resolve() != Path.cwd():
        where.print(f"  cd {shlex.quote(str(folder))}", markup=False, soft_wrap=True)
    where.print(f"  harness run {SUITE}")
    tests = [name for name in texts if name.startswith("test_")]
    if tests:
        where.print(f"  pytest {tests[0]}", markup=False)


def _refuse_overwriting(folder: Path, names: list[str], force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise StarterError(f"{folder}: a file has that name; give the name of a folder")
    there = [str(folder / name) for name in names if (folder / name).exists()]
    if there and not force:
        raise StarterError(
            f"{', '.join(there)}: there already, and nothing was written; "
            "give another folder, or --force to write anew"
        )
