"""Which case of one run is which case of another, though its label may have changed."""

from collections.abc import Mapping
from dataclasses import replace

from harness.regression.observed import Observed
from harness.regression.replicates import CaseId


def renamed(a: Observed, b: Observed) -> dict[CaseId, CaseId]:
    """Cases of a that b has under another label, with their names in b.

    What is measured is the key; a label is for people. Where several cases of a suite share a key,
    nobody knows which is which, and none is renamed.
    """
    gone = [case for case in a.cases if case not in b.conditions]
    new = [case for case in b.cases if case not in a.conditions]
    before, after = _by_key(gone), _by_key(new)
    return {
        before[key][0]: after[key][0]
        for key in before
        if len(before[key]) == 1 and len(after.get(key, ())) == 1
    }


def under_names_of(b: Observed, a: Observed) -> Observed:
    """Run a with every case called as run b calls it."""
    names: Mapping[CaseId, CaseId] = renamed(a, b)
    return replace(
        a,
        replicates={
            replace(key, suite=name.suite, label=name.label): values
            for key, values in a.replicates.items()
            for name in (names.get(key.case, key.case),)
        },
        failures={names.get(case, case): cause for case, cause in a.failures.items()},
        conditions={names.get(case, case): found for case, found in a.conditions.items()},
        flags={names.get(case, case): flags for case, flags in a.flags.items()},
    )


def _by_key(cases: list[CaseId]) -> dict[tuple[str, str], list[CaseId]]:
    found: dict[tuple[str, str], list[CaseId]] = {}
    for case in cases:
        found.setdefault((case.suite, case.key), []).append(case)
    return found
