"""Cases of two runs paired by their labels alone, and what else differs between them."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from harness.judge.regression.observed import CaseId, Observed
from harness.messages import axis_text, quote

_LISTED = 3
"""Labels, or changes, in one sentence; the rest is a number."""


def paired(a: Observed, b: Observed) -> dict[CaseId, CaseId]:
    """Cases of a that have their label in b, with their names there.

    A label that several cases of a run have is one of its suite's first; where it stays several
    times, nobody knows which is meant, and none is paired.
    """
    found: dict[CaseId, CaseId] = {}
    keys: tuple[Callable[[CaseId], Hashable], ...] = (
        lambda case: (case.suite, case.label),
        lambda case: case.label,
    )
    for key in keys:
        before = _unique((case for case in a.cases if case not in found), key)
        after = _unique((case for case in b.cases if case not in found.values()), key)
        found |= {before[each]: after[each] for each in before if each in after}
    return found


def _unique(
    cases: Iterable[CaseId], key: Callable[[CaseId], Hashable]
) -> Mapping[Hashable, CaseId]:
    found: dict[Hashable, list[CaseId]] = {}
    for case in cases:
        found.setdefault(key(case), []).append(case)
    return {each: alike[0] for each, alike in found.items() if len(alike) == 1}


def differing(a: Observed, b: Observed) -> Iterator[str]:
    """How cases were paired, and a sentence for each kind of difference between them.

    Args:
        a: with every case called as b calls it.
    """
    suites = f"suite {quote(a.suite)}" + ("" if a.suite == b.suite else f", then {quote(b.suite)}")
    yield f"cases are paired by their labels alone: {suites}"
    kinds: dict[str, dict[str, list[str]]] = {}
    for case, after in b.measured.items():
        before = a.measured.get(case, after)
        for kind, change in _changes(before, after):
            kinds.setdefault(kind, {}).setdefault(change, []).append(case.label)
    for kind, changes in kinds.items():
        told = [
            f"{change} ({_some(list(map(repr, labels)))})" for change, labels in changes.items()
        ]
        yield f"{kind}: {_some(told, '; ')}"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind, and the two values, of each part of two cases that differs."""
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        if (old or None) == (new or None):  # an option that is not used may be left out
            continue
        if name == "arguments" and isinstance(old, Mapping) and isinstance(new, Mapping):
            told = [
                f"{each} {_shown(old, each)}, then {_shown(new, each)}"
                for each in dict.fromkeys((*new, *old))
                if old.get(each) != new.get(each)
            ]
            yield name, "; ".join(told)
        else:
            kind = name.rstrip("_")
            yield kind, f"{_shown(before, name)}, then {_shown(after, name)}"


def _shown(values: Mapping[str, Any], name: str) -> str:
    return quote(axis_text(values[name])) if values.get(name) is not None else "none"


def _some(texts: list[str], between: str = ", ") -> str:
    more = len(texts) - _LISTED
    return between.join(texts[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def nearest(a: Observed, b: Observed) -> str:
    """The labels of two runs that are most alike; empty where none are."""
    known = [case.label for case in a.cases]
    for case in b.cases:
        if near := get_close_matches(case.label, known, n=1):
            return f"; the nearest are {near[0]!r} and {case.label!r}"
    return ""
