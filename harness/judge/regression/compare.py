"""Two runs compared: a verdict per case and metric."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from harness.judge.regression.observed import CaseId, CaseMetric, Observed, notes, under_names_of
from harness.judge.regression.verdict import DEFAULT_LIMITS, Comparison, Limits, Verdict, decide
from harness.judge.statistics.significance import CONFIDENCE
from harness.messages import HarnessError
from harness.records.quantities.registry import CASE, COMPARED
from harness.records.record import finite

# What comparing two runs gave, for people and for programs.

SCHEMA = 1
SAME, REGRESSION, UNCLEAR = 0, 1, 3
"""Exit codes; 2 is a mistake of the user's, as everywhere."""


@dataclass(frozen=True)
class Report:
    """Verdicts of a comparison."""

    a: Observed  # run before
    b: Observed  # run after
    comparisons: Mapping[CaseMetric, Comparison]  # in the order of b's cases
    limits: Limits  # that the verdicts were made with
    notes: tuple[str, ...] = ()  # sentences about the two runs

    @property
    def same_machine(self) -> bool:
        """Whether measured metrics could be compared."""
        return self.a.machine_key == self.b.machine_key

    @property
    def regressions(self) -> tuple[CaseMetric, ...]:
        """What b has made worse."""
        return tuple(key for key, each in self.comparisons.items() if each.regression)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How often each verdict was given; those never given are left out."""
        found = Counter(each.verdict for each in self.comparisons.values())
        return {verdict: found[verdict] for verdict in get_args(Verdict) if found[verdict]}

    @property
    def exit_code(self) -> int:
        """1 with a regression, 3 where only something is unclear, else 0."""
        if self.regressions:
            return REGRESSION
        return UNCLEAR if "unclear" in self.counts else SAME

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units, effects as shares, infinite ones `None`."""
        data: dict[str, Any] = finite(
            {
                "schema": SCHEMA,
                "a": _run(self.a),
                "b": _run(self.b),
                "same_machine": self.same_machine,
                "limits": asdict(self.limits) | {"confidence": CONFIDENCE},
                "exit_code": self.exit_code,
                "counts": self.counts,
                "notes": list(self.notes),
                "comparisons": [
                    key.as_json() | asdict(each) for key, each in self.comparisons.items()
                ],
            }
        )
        return data


def _run(run: Observed) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "suite": run.suite,
        "machine_key": run.machine_key,
        "commit": run.commit,
        "processes": run.found,
    }


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
    if key.quantity.is_measured and a.machine_key != b.machine_key:
        return False
    # What a failed case lacks is not gone; the failure has a verdict of its own.
    return key in b.replicates or key.case not in b.failures


def _difference(key: CaseMetric, a: Observed, b: Observed) -> str:
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
    """Cases as the second run has them, what it lacks last; metrics as `COMPARED` has them."""

    def __init__(self, a: Observed, b: Observed) -> None:
        cases = dict.fromkeys((*b.cases, *a.cases))
        self._case = {case: place for place, case in enumerate(cases)}
        self._metric = {name: place for place, name in enumerate((CASE, *COMPARED))}

    def __call__(self, key: CaseMetric) -> tuple[int, int]:
        return self._case[key.case], self._metric.get(key.metric, len(self._metric))
