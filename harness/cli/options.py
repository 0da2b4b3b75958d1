"""Options that several commands take, and how their text is read."""

from pathlib import Path
from typing import Annotated

import typer

from harness.case import Shape
from harness.cli import completion
from harness.errors import HarnessError

SuiteFile = Annotated[
    Path,
    typer.Argument(metavar="SUITE", help="A suite file (YAML).", autocompletion=completion.suites),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="B,C,H,W",
        help="Shape of the input of every case; several inputs are separated by ';'.",
    ),
]

EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Where cases run: local, ray or slurm.",
        autocompletion=completion.engines,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="The cluster that the engine asks; its default if absent."
    ),
]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option("--engine-option", metavar="KEY=VALUE", help="Of the engine; repeatable."),
]

MixMachines = Annotated[
    bool,
    typer.Option(
        "--mix-machines", help="Times of different machines may stand in one column; it says so."
    ),
]

Jobs = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Trainings at once on this machine, ahead of the measurements; what is timed runs "
        "alone.",
    ),
]


class OptionError(HarnessError):
    """An option's text cannot be read."""


def parse_shapes(text: str) -> tuple[Shape, ...]:
    """`1,2048,64,96` or `1,1024,97,97;1,2048,97,97`.

    Raises:
        OptionError: not whole numbers, or smaller than 1.
    """
    cure = "write e.g. 1,2048,64,96"
    try:
        shapes = tuple(
            tuple(int(size) for size in shape.split(",")) for shape in text.split(";") if shape
        )
    except ValueError as error:
        what = "sizes are whole numbers separated by commas"
        raise OptionError(f"--input {text}: {what}; {cure}") from error
    if not shapes or min(size for shape in shapes for size in shape) < 1:
        raise OptionError(f"--input {text}: sizes are at least 1; {cure}")
    return shapes


def parse_names(text: str | None) -> tuple[str, ...] | None:
    """`params,flops` as a tuple; `None` stays."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else None


def parse_pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """`["partition=gpu", "time=60"]` as a mapping.

    Raises:
        OptionError: a text without `=`, or a key that is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"{option} {text}: no KEY=VALUE; write e.g. {option} partition=gpu")
        if key.strip() in pairs:
            raise OptionError(f"{option} {text}: {key.strip()} is given twice; leave one")
        pairs[key.strip()] = value.strip()
    return pairs
