"""The nearest known name, for error messages."""

from collections.abc import Iterable
from difflib import get_close_matches


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known name is near."""
    by_folded = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.5)
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""
