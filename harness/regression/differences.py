"""What a reader has to know about two runs before believing a difference between them."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.regression.metrics import METRICS
from harness.regression.observed import Observed
from harness.regression.pairing import renamed

_LISTED = 3
"""Names in one sentence; the rest is a number."""


def notes(a: Observed, b: Observed) -> tuple[str, ...]:
    """One sentence per difference that is not one of the measured code."""
    return (*_machines(a, b), *_software(a, b), *_records(a, b), *_names(a, b))


def _machines(a: Observed, b: Observed) -> Iterator[str]:
    if a.machine_key != b.machine_key:
        yield (
            f"different machines ({_machine(a)}, then {_machine(b)}): only exact metrics are "
            "compared; latency, energy and measured memory are not"
        )
    elif any(METRICS[key.metric].is_measured for key in b.replicates):
        yield (
            "the runs were measured one after the other, so that what drifted on the machine "
            "between them counts as a difference; harness gate interleaves both versions"
        )
    before, after = a.environment.get("governor"), b.environment.get("governor")
    if before != after:
        yield f"frequency governor: {before}, then {after}"


def _machine(run: Observed) -> str:
    cpu = (run.environment.get("machine") or {}).get("cpu")
    return f"{run.machine_key}, {cpu}" if cpu else run.machine_key


def _software(a: Observed, b: Observed) -> Iterator[str]:
    before, after = _versions(a.environment), _versions(b.environment)
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name) or 'none'}, then {after.get(name) or 'none'}"


def _versions(environment: Mapping[str, Any]) -> dict[str, Any]:
    settings = environment.get("thread_settings") or {}
    versions = {"python": environment.get("python"), **(environment.get("libraries") or {})}
    return {name: value for name, value in (versions | settings).items() if value}


def _records(a: Observed, b: Observed) -> Iterator[str]:
    for which, run in (("first", a), ("second", b)):
        if run.found < run.expected:
            yield (
                f"the {which} run is not complete: {run.found} of {run.expected} processes have "
                "ended; go on with harness run --resume"
            )
        flagged = sorted(case.label for case, flags in run.flags.items() if "throttled" in flags)
        if flagged:
            yield f"throttled while the {which} run measured {_list(flagged)}"


def _names(a: Observed, b: Observed) -> Iterator[str]:
    for old, new in renamed(a, b).items():
        yield f"{new.label!r} was called {old.label!r} before"


def _list(names: list[str]) -> str:
    listed = ", ".join(map(repr, names[:_LISTED]))
    others = len(names) - _LISTED
    return f"{listed} and {others} more" if others > 0 else listed
