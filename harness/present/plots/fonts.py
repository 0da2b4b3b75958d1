"""Fonts: families that are installed, by their names."""

from contextlib import suppress
from difflib import get_close_matches

from matplotlib.font_manager import findSystemFonts, fontManager

from harness.messages import HarnessError, listed, quote

_NEAR = 0.5  # of difflib


def installed(name: str) -> str:
    """The family of that name as it writes itself.

    Raises:
        HarnessError: there is none; names those near it.
    """
    wanted = " ".join(name.split()).casefold()
    if wanted not in _families():
        _look_again()
    known = _families()
    if wanted in known:
        return known[wanted]
    close = get_close_matches(wanted, sorted(known), n=3, cutoff=_NEAR)
    # `Times` is no letters' neighbour of `Times New Roman`, but means it.
    close += [each for each in sorted(known) if wanted and wanted in each and each not in close]
    near = [known[each] for each in close[:3]]
    cure = f"did you mean {' or '.join(near)}?" if near else f"there are {_some(known)}"
    raise HarnessError(f"font {quote(name)}: not installed here; {cure}")


def _families() -> dict[str, str]:
    return {font.name.casefold(): font.name for font in fontManager.ttflist}


def _some(known: dict[str, str]) -> str:
    return listed(sorted(known.values()))


def _look_again() -> None:
    """Matplotlib keeps its list between sessions: fonts installed since are not in it."""
    known = {font.fname for font in fontManager.ttflist}
    for path in findSystemFonts():
        if path not in known:
            with suppress(Exception):  # a file that is no font it can read
                fontManager.addfont(path)
