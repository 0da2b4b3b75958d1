"""Arguments as people write them, as the parser takes them: `--only PPM ASPP`."""

from collections.abc import Sequence
from pathlib import Path

# Imports stand where they are needed: `harness --help` has none of these arguments.

# Options that take several values in a row: `--only PPM ASPP` as `--only PPM --only ASPP`.

RESUME = "--resume"
SEVERAL = ("--only", "--with", "--grid")
PAIRS = ("--with", "--grid")


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat such an option before each of its values; say what `--resume` leaves out.

    The values end at the next option, at the name of a suite, at `--`, and those that are
    `NAME=VALUE` at what is none. A label that looks like one of these is given as `--only=LABEL`.
    """
    result: list[str] = []
    option: str | None = None
    first = False
    for position, argument in enumerate(arguments):
        if argument == "--":
            return result + list(arguments[position:])
        if argument == RESUME:
            following = [*arguments[position + 1 :], "--"][0]
            if following.startswith("-") or _is_suite(following) or _is_module(following):
                option = None
                result.append(f"{RESUME}={_latest()}")
                continue
        if argument in SEVERAL:
            option, first = argument, True
            result.append(argument)
            continue
        ends = option in PAIRS and "=" not in argument
        if option is not None and (
            argument.startswith("--") or (not first and (ends or _is_suite(argument)))
        ):
            option = None
        if option is not None and not first:
            result.append(option)
        result.append(argument)
        first = False
    return result


def _latest() -> str:
    from harness.records.run_directory import LATEST

    return LATEST


def _is_suite(argument: str) -> bool:
    from harness.suite.shipped import ENDINGS, named

    return argument.endswith(ENDINGS) or named(Path(argument)) is not None


def _is_module(argument: str) -> bool:
    from context_modules.catalog import BY_NAME

    return ":" in argument or argument in BY_NAME
