"""The table or plot that is asked for by name or number."""

from collections.abc import Mapping
from typing import TypeVar

from harness.messages import HarnessError, suggest

Asked = TypeVar("Asked")


class NotThereError(HarnessError):
    """There is no such table or plot."""


def one(known: Mapping[str, Asked], which: str | int | None, noun: str) -> tuple[str, Asked]:
    """The entry of that name or number; without either, the only one.

    Raises:
        NotThereError: there is none, or more than one; names them.
    """
    names = list(known)
    listed = f": {', '.join(names)}" if names else ""
    if isinstance(which, int):
        if not -len(names) <= which < len(names):
            raise NotThereError(f"no number {which}: there are {len(names)} {noun}{listed}")
        which = names[which]
    if which is None and len(names) == 1:
        which = names[0]
    if which is None:
        what = f"{len(names)} {noun}, so that one has to be named" if names else f"no {noun}"
        raise NotThereError(f"the suite has {what}{listed}")
    if which not in known:
        cure = suggest(which, names, noun)
        raise NotThereError(f"nothing is called {which!r} among the {noun}; {cure}")
    return which, known[which]
