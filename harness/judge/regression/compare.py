"""Two runs compared: a verdict per case and metric."""

from dataclasses import asdict, replace
from typing import Literal, get_args

from harness.judge.regression.labels import differing, nearest, paired
from harness.judge.regression.observed import (
    CaseId,
    CaseMetric,
    Observed,
    caveats,
    notes,
    renamed,
    under_names,
)
from harness.judge.regression.together import flagged, shifts
from harness.judge.regression.verdict import (
    DEFAULT_LIMITS,
    Finding,
    Findings,
    Limits,
    Report,
    decide,
)
from harness.judge.statistics.significance import CONFIDENCE
from harness.messages import HarnessError, one_line, quote, suggest
from harness.records.quantities.registry import CASE, COMPARED


class NothingInCommonError(HarnessError):
    """Two runs share no case."""


By = Literal["case", "label"]
"""What makes two cases the same one: all that is measured, or their labels alone."""


def compare(a: Observed, b: Observed, limits: Limits = DEFAULT_LIMITS, by: str = "case") -> Report:
    """What b has changed against a.

    Exact metrics are compared on any machines; measured ones only where both runs are of one
    machine, and of each case only where it was measured alike. A case that failed in b is one
    verdict, whatever it failed to measure, and a regression unless it failed in a as well.

    Args:
        a: what was before.
        b: what is now.
        limits: what makes a difference a verdict.
        by: `case`, or `label`: what differs beside the label is then said, not refused.

    Raises:
        NothingInCommonError: the runs are of different cases altogether.
        HarnessError: `by` is neither.
    """
    if by not in get_args(By):
        raise HarnessError(f"by {quote(by)}: {suggest(by, get_args(By), 'choices')}")
    names = renamed(a, b) if by == "case" else paired(a, b)
    before = under_names(names, a)
    if not before.conditions.keys() & b.conditions.keys():
        runs = f"{a.path} (suite {a.suite}) and {b.path} (suite {b.suite})"
        raise NothingInCommonError(
            f"{runs} have no case in common; compare runs of one suite, or --by label"
            if by == "case"
            else f"{runs} have no label in common{nearest(a, b)}; label alike what you compare"
        )
    if by == "case":
        said = [f"{new.label!r} was called {old.label!r} before" for old, new in names.items()]
    else:
        said = list(differing(before, b))
    values = _compared_values(before, b, limits)
    shared = shifts(values, limits.min_effect) if by == "case" else {}
    found = flagged(values, shared) | _failed_cases(before, b)
    cases = {case: place for place, case in enumerate(dict.fromkeys((*b.cases, *before.cases)))}
    metrics = {name: place for place, name in enumerate((CASE, *COMPARED))}
    order = sorted(found, key=lambda key: (cases[key.case], metrics.get(key.metric, len(metrics))))
    return Report(
        b.suite,
        _side(a),
        _side(b),
        Findings({key: found[key] for key in order}),
        _rule(limits),
        (*(shift.note for shift in shared.values()), *notes(a, b), *said),
        {
            "a": a.as_json(),
            "b": b.as_json(),
            "by": by,
            "same_machine": a.machine_key == b.machine_key,
            "limits": asdict(limits) | {"confidence": CONFIDENCE},
        },
        caveats(a, b),
    )


def _rule(limits: Limits) -> str:
    floors = ", ".join(f"{name} {floor:.1%}" for name, floor in limits.noise_floor.items())
    return (
        "faster, slower, less, more: adjusted p < "
        f"{limits.alpha:g} (Welch's t on logarithms of per-process medians, Benjamini-Hochberg "
        f"over the grid) and at least {limits.min_effect:.1%}"
        + (f" and the noise floor ({floors})" if floors else "")
        + "; same: the whole interval within that; exact metrics: compared exactly"
    )


def _side(run: Observed) -> str:
    """In words."""
    commit = f"commit {run.commit}, " if run.commit else ""
    return one_line(f"{commit}machine {run.machine_key}, {run.found} processes, {run.path}")


def _compared_values(a: Observed, b: Observed, limits: Limits) -> dict[CaseMetric, Finding]:
    """Verdicts of every metric that both sides can be asked for."""
    unlike: dict[CaseMetric, str] = {}
    before, after = {}, {}
    for key in dict.fromkeys((*b.replicates, *a.replicates)):
        if key.quantity.is_measured and a.machine_key != b.machine_key:
            continue
        # What a failed case lacks is not gone; the failure has a verdict of its own.
        if key not in b.replicates and key.case in b.failures:
            continue
        if reason := _why_unlike(key, a, b):
            unlike[key] = reason
            continue
        if key in a.replicates:
            before[key] = a.replicates[key]
        if key in b.replicates:
            after[key] = b.replicates[key]
    found = decide(before, after, limits)
    for key, each in found.items():
        if each.verdict in ("new", "gone"):
            run, when = (a, "before") if each.verdict == "new" else (b, "now")
            found[key] = replace(each, reason=_why_without(key.case, run, when))
    for key, reason in unlike.items():
        counts = len(a.replicates[key]), len(b.replicates[key])
        found[key] = Finding(
            "unclear", replicates_a=counts[0], replicates_b=counts[1], reason=reason
        )
    return found


def _why_unlike(key: CaseMetric, a: Observed, b: Observed) -> str:
    """Why two values of a measured metric are not values of the same thing; empty if they are."""
    both = key in a.replicates and key in b.replicates
    if not both or not key.quantity.is_measured:
        return ""
    before, after = a.conditions[key.case], b.conditions[key.case]
    changed = [
        f"{name} {before.get(name)}, then {after.get(name)}"
        for name in after
        if before.get(name) != after.get(name)
    ]
    return f"measured under other conditions: {'; '.join(changed)}" if changed else ""


def _why_without(case: CaseId, run: Observed, when: str) -> str:
    """Why a run has no value of a case; empty where it has not even the label."""
    if case in run.failures:
        return f"failed {when}: {run.failures[case]}"
    if case in run.conditions:
        return f"not measured {when}"
    if (case.suite, case.label) in run.labels:
        return "another case has this label in the other run: arguments, input or options differ"
    return ""


def _failed_cases(a: Observed, b: Observed) -> dict[CaseMetric, Finding]:
    """Verdicts of cases as a whole: failed now, or failed before and gone."""
    found = {}
    for case, cause in b.failures.items():
        before = a.failures.get(case)
        reason = cause
        if before is not None:
            reason += " (failed before, too" + (")" if before == cause else f": {before})")
        found[CaseMetric(*case, CASE)] = Finding("failed", reason=reason, regression=before is None)
    for case, cause in a.failures.items():
        if case not in b.conditions:
            found[CaseMetric(*case, CASE)] = Finding("gone", reason=f"failed before: {cause}")
    return found
