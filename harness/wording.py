"""Words of messages: texts of any origin in one line, and the name that was probably meant."""

import difflib
from collections.abc import Iterable

LONGEST_QUOTE = 160
"""Characters of a user's text that a message repeats."""

LONGEST_LIST = 30
"""Names that a message lists before it stops."""


def printable(text: str) -> str:
    """The text with line breaks and control characters written as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """A text of any origin as one non-empty printable line."""
    return printable(" ".join(text.split())) or "''"


def quote(value: object) -> str:
    """A value as a message shows it: one line, cut when long."""
    text = printable(value if isinstance(value, str) else repr(value))
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
