"""Options that take several values in a row: `--only PPM ASPP` as `--only PPM --only ASPP`."""

from collections.abc import Sequence

SEVERAL = ("--only", "--with")
_SUITE_ENDINGS = (".yaml", ".yml")


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat such an option before each of its values.

    The values end at the next option, at the name of a suite file and at `--`. A label that looks
    like one of these is given as `--only=LABEL`.
    """
    result: list[str] = []
    option: str | None = None
    first = False
    for position, argument in enumerate(arguments):
        if argument == "--":
            return result + list(arguments[position:])
        if argument in SEVERAL:
            option, first = argument, True
            result.append(argument)
            continue
        if argument.startswith("--") or (not first and argument.endswith(_SUITE_ENDINGS)):
            option = None
        if option is not None and not first:
            result.append(option)
        result.append(argument)
        first = False
    return result
