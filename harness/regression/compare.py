"""Two runs compared: a verdict per case and metric."""

from dataclasses import replace

from harness.errors import HarnessError
from harness.regression.differences import notes
from harness.regression.limits import DEFAULT_LIMITS, Limits
from harness.regression.metrics import CASE, METRICS
from harness.regression.observed import Observed
from harness.regression.pairing import under_names_of
from harness.regression.replicates import CaseId, CaseMetric
from harness.regression.report import Report
from harness.regression.verdict import Comparison, decide


class NothingInCommonError(HarnessError):
    """Two runs share no case."""


def compare(a: Observed, b: Observed, limits: Limits = DEFAULT_LIMITS) -> Report:
    """What b has changed against a.

    Exact metrics are compared on any machines; measured ones only where both runs are of one
    machine, and of each case only where it was measured alike. A case that failed in b is one
    verdict, whatever it failed to measure, and a regression unless it failed in a as well.

    Args:
        a: run before.
        b: run after.
        limits: of verdicts.

    Raises:
        NothingInCommonError: the runs are of different cases altogether.
    """
    before = under_names_of(b, a)
    if not before.conditions.keys() & b.conditions.keys():
        raise NothingInCommonError(
            f"{a.path} (suite {a.suite}) and {b.path} (suite {b.suite}) have no case in common; "
            "compare two runs of one suite"
        )
    found = _metrics(before, b, limits) | _cases(before, b)
    comparisons = {key: found[key] for key in sorted(found, key=_order(before, b))}
    return Report(a, b, comparisons, limits, notes(a, b))


def _metrics(a: Observed, b: Observed, limits: Limits) -> dict[CaseMetric, Comparison]:
    every = dict.fromkeys((*b.replicates, *a.replicates))
    keys = [key for key in every if _is_compared(key, a, b)]
    unlike = {key: reason for key in keys if (reason := _difference(key, a, b))}
    judged = decide(
        {key: a.replicates[key] for key in keys if key in a.replicates and key not in unlike},
        {key: b.replicates[key] for key in keys if key in b.replicates and key not in unlike},
        alpha=limits.alpha,
        min_effect=limits.min_effect,
        noise_floor=limits.noise_floor,
    )
    explained = {key: _explained(key, each, a, b) for key, each in judged.items()}
    return explained | {key: _unlike(key, reason, a, b) for key, reason in unlike.items()}


def _is_compared(key: CaseMetric, a: Observed, b: Observed) -> bool:
    if METRICS[key.metric].is_measured and a.machine_key != b.machine_key:
        return False
    # What a failed case lacks is not gone; the failure has a verdict of its own.
    return key in b.replicates or key.case not in b.failures


def _difference(key: CaseMetric, a: Observed, b: Observed) -> str:
    """Why two values of a measured metric are not values of the same thing; empty if they are."""
    both = key in a.replicates and key in b.replicates
    if not both or not METRICS[key.metric].is_measured:
        return ""
    before, after = a.conditions[key.case], b.conditions[key.case]
    changed = [
        f"{name} {before.get(name)}, then {after.get(name)}"
        for name in after
        if before.get(name) != after.get(name)
    ]
    return f"measured under other conditions: {'; '.join(changed)}" if changed else ""


def _unlike(key: CaseMetric, reason: str, a: Observed, b: Observed) -> Comparison:
    return Comparison(
        "unclear",
        replicates_a=len(a.replicates[key]),
        replicates_b=len(b.replicates[key]),
        reason=reason,
    )


def _explained(key: CaseMetric, found: Comparison, a: Observed, b: Observed) -> Comparison:
    """New and gone with what is known of the other side."""
    if found.verdict == "new":
        return replace(found, reason=_why_without(key.case, a, "before"))
    if found.verdict == "gone":
        return replace(found, reason=_why_without(key.case, b, "now"))
    return found


def _why_without(case: CaseId, run: Observed, when: str) -> str:
    """Why a run has no value of a case; empty where it has not even the label."""
    if case in run.failures:
        return f"failed {when}: {run.failures[case]}"
    if case in run.conditions:
        return f"not measured {when}"
    if (case.suite, case.label) in run.labels:
        return "another case has this label in the other run: arguments, input or options differ"
    return ""


def _cases(a: Observed, b: Observed) -> dict[CaseMetric, Comparison]:
    """Verdicts of cases as a whole: failed now, or failed before and gone."""
    found = {}
    for case, cause in b.failures.items():
        before = a.failures.get(case)
        reason = cause if before is None else f"{cause} (failed before, too: {before})"
        regression = before is None
        found[CaseMetric(*case, CASE)] = Comparison("failed", reason=reason, regression=regression)
    for case, cause in a.failures.items():
        if case not in b.conditions:
            found[CaseMetric(*case, CASE)] = Comparison("gone", reason=f"failed before: {cause}")
    return found


class _order:  # noqa: N801 - used as a function
    """Cases as the second run has them, what it lacks last; metrics as `METRICS` has them."""

    def __init__(self, a: Observed, b: Observed) -> None:
        cases = dict.fromkeys((*b.cases, *a.cases))
        self._case = {case: place for place, case in enumerate(cases)}
        self._metric = {name: place for place, name in enumerate((CASE, *METRICS))}

    def __call__(self, key: CaseMetric) -> tuple[int, int]:
        return self._case[key.case], self._metric[key.metric]
