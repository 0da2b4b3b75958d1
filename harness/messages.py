"""Messages: errors that a user can mend, and texts of any origin as something printable."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any
from unicodedata import category


class HarnessError(Exception):
    """A mistake that the user can mend. The CLI prints it as one line and ends with `exit_code`."""

    exit_code = 2


class OptionError(HarnessError):
    """An option that cannot be used."""


class CuredError(HarnessError):
    """What is wrong and what to do about it, apart, for who shows them in places of their own."""

    def __init__(self, what: str, cure: str) -> None:
        self.what, self.cure = what, cure
        super().__init__(f"{what}; {cure}")


def text_of(error: BaseException) -> str:
    """What an exception of any origin says; nothing where its `__str__` raises, too."""
    with suppress(BaseException):
        return str(error)
    return ""


def first_line(error: Exception) -> str:
    """The first line of an error that a library raised, cut when long."""
    return str(error).strip().partition("\n")[0][:200]


def last_line(text: str) -> str:
    """What a program said last, cut when long."""
    return (text.strip().splitlines() or ["nothing was said"])[-1][:300]


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name is near."""
    by_folded = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.5)
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""


def printable(text: str) -> str:
    """The text without control characters, escapes, direction marks and lone surrogates.

    Line feeds stay, as do spaces of other widths; tabs become spaces; everything else that does not
    print becomes U+FFFD.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" or category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}"
        for c in text.expandtabs(4)
    )


def last_lines(text: str, count: int, width: int = 500) -> tuple[str, ...]:
    """The last lines of a text, each printable and at most `width` characters long."""
    return tuple(line[:width] for line in printable(text).split("\n") if line.strip())[-count:]


LONGEST_QUOTE = 160
"""Characters of a user's text that a message repeats."""

LONGEST_LIST = 30
"""Names that a message lists before it stops."""


def escaped(text: str) -> str:
    """The text with line breaks and control characters written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """A text of any origin as one non-empty printable line."""
    return escaped(" ".join(text.split())) or "''"


def quote(value: object) -> str:
    """A value as a message shows it: one line, cut when long."""
    text = escaped(value if isinstance(value, str) else repr(value))
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 3] + "..."


def listed(names: Sequence[str], most: int = LONGEST_LIST) -> str:
    """`A, B, C`; of more than `most` the number of the others: `A, B and 3 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def suggest(word: str, names: Iterable[str], noun: str) -> str:
    """A cure for an unknown name: the nearest one, else the list of all.

    Args:
        word: what was written.
        names: what exists.
        noun: what the names are, in plural ("keys", "arguments").
    """
    known = sorted(names)
    if near := get_close_matches(word[:LONGEST_QUOTE], known, n=1, cutoff=0.6):
        return f"did you mean {near[0]}?"
    if not known:
        return f"leave it out, there are no {noun} here"
    return f"the {noun} are {listed(known)}"


# Labels: values of grid axes as the names of cases write them.

LONGEST_VALUE = 100
"""Characters of one axis' value in a label."""

LONGEST_LABEL = 400
"""Characters; a label is a row's name in tables and plots."""


def shorten(text: str, most: int) -> str:
    """The text, its end replaced by dots when it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def with_axes(label: str, texts: Mapping[str, str]) -> str:
    """`label (axis=value, ...)`; the label itself without axes."""
    listed = ", ".join(f"{axis}={text}" for axis, text in texts.items())
    return shorten(f"{label} ({listed})" if listed else label, LONGEST_LABEL)


def axis_text(value: Any) -> str:
    """A value of an axis in a label: sizes as 1x512x97x97, names as A, B; long ones are cut."""
    return shorten(_whole_text(value), LONGEST_VALUE)


def _whole_text(value: Any) -> str:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list) and value and not any(isinstance(v, (list, dict)) for v in value):
        # A list of names is read as a list, one of numbers as a size.
        names = any(isinstance(v, str) for v in value)
        return (", " if names else "x").join(map(_whole_text, value))
    if isinstance(value, list) and value and all(isinstance(v, list) for v in value):
        return " + ".join(map(_whole_text, value))
    return json.dumps(value, sort_keys=True)
