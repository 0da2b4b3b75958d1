"""Messages: errors that a user can mend, and texts of any origin as something printable."""

import difflib
from collections.abc import Iterable
from difflib import get_close_matches

# Errors that a user can cause; each says what to do, and none is shown as a traceback.


class HarnessError(Exception):
    """A mistake that the user can mend. The CLI prints it as one line and ends with `exit_code`."""

    exit_code = 2


# The nearest known name, for error messages.


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name is near."""
    by_folded = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.5)
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""


# Text of unknown origin as lines that a terminal, a file and JSON can take.


def printable(text: str) -> str:
    """The text without control characters, escapes, direction marks and lone surrogates.

    Line feeds stay, tabs become spaces; everything else that does not print becomes U+FFFD.
    """
    text = text.expandtabs(4)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


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


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, if any is near."""
    found = difflib.get_close_matches(word[:LONGEST_QUOTE], list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def suggest(word: str, names: Iterable[str], noun: str) -> str:
    """A cure for an unknown name: the nearest one, else the list of all.

    Args:
        word: what was written.
        names: what exists.
        noun: what the names are, in plural ("keys", "arguments").
    """
    known = sorted(names)
    if (near := nearest(word, known)) is not None:
        return f"did you mean {near}?"
    if not known:
        return f"leave it out, there are no {noun} here"
    shown = ", ".join(known[:LONGEST_LIST])
    more = len(known) - LONGEST_LIST
    return f"the {noun} are {shown}" + (f" and {more} more" if more > 0 else "")
