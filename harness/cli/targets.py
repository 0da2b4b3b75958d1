"""Modules on the command line in place of a suite: their options, and the suite that is saved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.api.show import DEFAULT_INPUT
from harness.cli.options import parse_arguments, parse_axes, suites_or_modules
from harness.cli.output import console, say
from harness.environment.files import write_atomically
from harness.instantiate import names, resolve
from harness.messages import OptionError
from harness.signature import parameters_of
from harness.suite.document import SuiteError
from harness.suite.reader import Given
from harness.suite.shipped import ENDINGS
from harness.suite.suite import Overrides
from harness.suite.targets import Asked, Target, read
from harness.suite.writer import SCHEMA, suite_text

METRICS = ("params", "flops", "memory", "latency")
"""What is measured of modules where nobody says it."""

What = Annotated[
    list[str],
    typer.Argument(
        metavar="SUITE|MODULE",
        help="A suite file (YAML), or a name of `harness list suites`; or modules: names of "
        "`harness list`, package.file:Class, LABEL=MODULE.",
        autocompletion=suites_or_modules,
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAME=VALUE",
        help="An argument of every module, or of one, LABEL.NAME=VALUE; repeatable.",
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        metavar="AXIS=V,V",
        help="An argument, input, dtype or pass, each value of which is a case; repeatable, "
        "LABEL.AXIS for one module.",
    ),
]


@dataclass(frozen=True)
class Chosen:
    """What is to be measured, as it was named."""

    suite: Path | Given  # its file, or what a file would hold
    overrides: Overrides  # what options change that the suite does not say itself
    asked: Asked | None = None  # of modules: what was asked

    @property
    def conditions(self) -> Mapping[str, Any]:
        """The overrides of every case, as `harness.validate` calls them."""
        said = self.overrides
        return {
            "input": said.inputs,
            "metrics": said.metrics,
            "device": said.device,
            "dtype": said.dtype,
            "threads": said.threads,
            "repeats": said.repeats,
            "until_separated": said.until_separated,
            "max_seeds": said.max_seeds,
        }

    @contextmanager
    def words(self) -> Iterator[None]:
        """Tell mistakes of modules in words of the command line, which has no keys of a file."""
        try:
            yield
        except SuiteError as error:
            if self.asked is None:
                raise
            raise self.asked.told(error) from error


def choose(
    what: list[str], with_: list[str] | None, grid: list[str] | None, overrides: Overrides
) -> Chosen:
    """What to measure, from arguments and options of a command; says what nobody has asked for.

    Args:
        what: a suite, or modules.
        with_: texts behind `--with`.
        grid: texts behind `--grid`.
        overrides: what other options change; of modules they are a part of the suite.

    Raises:
        SuiteError: there is neither suite nor module of a name.
        TargetError: names or options do not go together.
        OptionError: an option for modules beside a suite; a value that cannot be read.
    """
    targets = read(what)
    if isinstance(targets, Path):
        for option, given in (("--with", with_), ("--grid", grid)):
            if given:
                cure = f"write {option[2:]}: into a copy of it (harness init --from SUITE)"
                raise OptionError(f"{option}: for modules, and {what[0]} is a suite; {cure}")
        if what[0] in names():
            name = f"{what[0]}={what[0]}"
            _note(f"{what[0]}: the suite {targets}; the module of that name is {name}")
        return Chosen(targets, overrides)
    asked = Asked(
        targets,
        parse_arguments("--with", with_ or []),
        parse_axes("--grid", grid or []),
        _conditions(overrides),
    )
    if not asked.has_input():
        asked = replace(asked, conditions={"input": _usual_input(targets), **asked.conditions})
    kept = ("repeats", "only", "until_separated", "max_seeds")
    rest = Overrides(**{name: getattr(overrides, name) for name in kept})
    return Chosen(asked.suite(), rest, asked)


def _conditions(said: Overrides) -> dict[str, Any]:
    shapes = [list(shape) for shape in said.inputs or ()]
    known = {
        "input": shapes[0] if len(shapes) == 1 else shapes or None,
        "measure": list(said.metrics or METRICS),
        "device": said.device,
        "dtype": said.dtype,
        "threads": said.threads,
        "repeats": said.repeats,
    }
    return {key: value for key, value in known.items() if value is not None}


def _usual_input(targets: tuple[Target, ...]) -> list[int]:
    """The size at which modules of the catalog are shown, where each takes one feature map."""
    for target in targets:
        if ":" in target.module or not _takes_one_map(resolve(target.module)):
            cure = "add --input B,C,H,W, or the shape that its forward takes"
            raise OptionError(f"--input: {target.given} has no usual size; {cure}")
    shape = ",".join(map(str, DEFAULT_INPUT))
    _note(f"input: {shape} (batch, channels, height, width); --input says another")
    return list(DEFAULT_INPUT)


def _note(text: str) -> None:
    """Say it on stderr; one that cannot be written is no reason to end a run."""
    with suppress(OSError):
        say(text, console(stderr=True))


def _takes_one_map(maker: Any) -> bool:
    width = parameters_of(maker).parameters.get("in_channels")
    forward = getattr(maker, "forward", None)
    if width is None or not width.required or forward is None:
        return False
    taken = list(signature(forward).parameters.values())[1:]
    return sum(each.default is each.empty for each in taken) == 1


def require_savable(chosen: Chosen, file: Path, *others: object) -> None:
    """Refuse to save what the file could not hold, or where it could not be written.

    Args:
        chosen: what is to be measured.
        file: of the suite.
        others: `--only` and `--weights`, which no suite can say.

    Raises:
        OptionError: names the cure.
    """
    if chosen.asked is None:
        cure = "copy it, or take one that is shipped by harness init --from"
        raise OptionError(f"--save {file}: for modules, and {chosen.suite} is a suite; {cure}")
    if any(others):
        cure = "leave --only out; write --weights FILE as --with weights=FILE"
        raise OptionError(f"--save {file}: a suite cannot say --only and --weights; {cure}")
    if file.suffix not in ENDINGS:
        raise OptionError(f"--save {file}: a suite ends in .yaml; write --save {file}.yaml")
    if not file.parent.is_dir():
        cure = "make it, or name a file in one that is there"
        raise OptionError(f"--save {file}: there is no folder {file.parent}; {cure}")
    if file.exists() and not _is_written(chosen.asked, file):
        raise OptionError(f"--save {file}: there already; name another file, or remove it")


def write_suite(chosen: Chosen, file: Path) -> None:
    """Write the suite of modules, and the schema that editors check it with, if there is none.

    Raises:
        OptionError: the file cannot be written.
    """
    from harness.suite.schema import schema_text

    if chosen.asked is None or _is_written(chosen.asked, file):
        return
    texts = {file: suite_text(chosen.asked.suite())}
    if not (file.parent / SCHEMA).exists():
        texts[file.parent / SCHEMA] = schema_text()
    for path, text in texts.items():
        try:
            write_atomically(path, text)
        except OSError as error:
            what = f"--save {path}: cannot be written ({error.strerror or error})"
            raise OptionError(f"{what}; name a file in another folder") from error
    _note(f"written: {', '.join(map(str, texts))}")


def _is_written(asked: Asked, file: Path) -> bool:
    """Whether the file holds this suite: the command has been interrupted, and goes on."""
    return file.is_file() and file.read_bytes() == suite_text(asked.suite()).encode("utf-8")
