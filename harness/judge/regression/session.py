"""A gate on a suite: the user's checkout against another commit, on this machine."""

import inspect
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path

from harness.case import Job
from harness.environment.git import GitError
from harness.instantiate import resolve
from harness.judge.regression.gate import Gated, Standing, gate
from harness.judge.regression.interleaved import Side, Timed
from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.settings import PROCESS_SECONDS, Settings
from harness.judge.regression.verdict import Report
from harness.judge.regression.version import (
    Checkout,
    Version,
    VersionError,
    belongs,
    has_harness,
    state_hash,
    working_tree,
    worktree,
)
from harness.suite.shipped import home
from harness.suite.suite import Suite


def gate_suite(
    suite: Suite,
    ref: str,
    settings: Settings,
    *,
    process_seconds: float = PROCESS_SECONDS,
    listener: Callable[[Standing], None] | None = None,
) -> Report:
    """Measure every case of a suite with the checkout's files and with those of a commit.

    The suite is that of the checkout. Each version imports the harness and its modules (where the
    repository holds them) and the user's own modules from its own files, and measures as it does.

    Args:
        suite: what to measure; only latency is, whatever it asks for.
        ref: branch, tag or commit of the suite's repository.
        process_seconds: of samples in each process.

    Raises:
        GitError: no repository, no such commit, or the checkout changed meanwhile.
        VersionError: a version cannot be imported, stops answering, or runs no case at all; or the
            repository holds none of the code that is measured.
    """
    jobs = {
        CaseMetric(job.suite, job.label, job.case.key): _for_seconds(process_seconds, job)
        for job in suite.all_jobs()
        if job.replicate == 1
    }
    after = working_tree(home(suite.path.resolve()))
    jobs, foreign = _that_can_differ(jobs, after)
    seen = state_hash(after.root)
    before, gated, torches = _gated(jobs, after, ref, settings, listener)
    if state_hash(after.root) != seen:
        raise GitError(
            f"{after.root} changed while it was measured; run the gate again and leave its files "
            "alone until it has ended"
        )
    notes = []
    if foreign:
        notes.append(
            f"not measured, since their modules lie outside of {after.root} and are the same in "
            f"both versions: {', '.join(foreign)}"
        )
    if before.commit == after.commit and not after.dirty:
        notes.append("both versions are the same commit without changes: equal code was compared")
    if torches[0] != torches[1]:
        notes.append(f"PyTorch differs: {torches[0]}, then {torches[1]}")
    return report_of(suite.name, before, after, gated, settings, *notes)


def _gated(
    jobs: Mapping[CaseMetric, Job],
    after: Checkout,
    ref: str,
    settings: Settings,
    listener: Callable[[Standing], None] | None,
) -> tuple[Checkout, Gated, list[str]]:
    """The version before, what the gate has found, and PyTorch's version in both."""
    with ExitStack() as stack:
        before = stack.enter_context(worktree(after.root, ref))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-gate-")))
        versions: dict[Side, Version] = {
            "a": Version(before, after.root, scratch / "before"),
            "b": Version(after, after.root, scratch / "after"),
        }
        for version in versions.values():
            stack.callback(version.close)  # first: Ctrl-C may come at any moment from here on
            version.start()
        torches = [version.require()["torch"] for version in versions.values()]

        def measure(side: Side, key: CaseMetric) -> Timed:
            return versions[side].measure(jobs[key])

        for key in list(jobs)[:1]:  # the first process of a version waits for its imports
            for side in versions:
                measure(side, key)
        gated = gate(tuple(jobs), measure, time.perf_counter, settings, listener)
    findings = list(gated.comparisons.values())
    if findings and all(each.verdict == "new" for each in findings):
        raise VersionError(
            f"{before} runs no case of the suite ({findings[0].reason}); choose a commit that has "
            "these modules"
        )
    return before, gated, torches


def report_of(
    suite: str, before: Checkout, after: Checkout, gated: Gated, settings: Settings, *notes: str
) -> Report:
    """What a gate has found, with what was compared and how."""
    rule = (
        f"faster, slower: p < {settings.alpha:g} over all looks together (signed ranks of pairs of "
        f"processes whose order was drawn, seed {settings.seed}; Benjamini-Hochberg over the grid) "
        f"and at least {settings.min_effect:.1%} and the noise floor of the case's pairs "
        f"({gated.floor:.1%} for the median case); same: the whole interval within "
        f"{settings.min_effect:.1%}"
    )
    conditions = {
        "suite": suite,
        "before": before.as_json(),
        "after": after.as_json(),
        "settings": asdict(settings),
    }
    return Report(suite, str(before), str(after), gated, rule, notes, conditions)


def _for_seconds(seconds: float, job: Job) -> Job:
    """The latency of a job alone, sampled for a given time."""
    timing = replace(
        job.timing,
        criterion="budget",
        samples=None,
        min_time=None,
        max_time=seconds,
        relative_stdev=None,
    )
    return replace(job, metrics=("latency",), timing=timing)


def _that_can_differ(
    jobs: Mapping[CaseMetric, Job], checkout: Checkout
) -> tuple[dict[CaseMetric, Job], list[str]]:
    """The jobs whose code lies in the checkout, and the labels of the others.

    Installed packages are the same in both versions, whatever REF is.

    Raises:
        VersionError: none of the code that is measured lies in the checkout.
    """
    home = checkout.root.resolve()
    if has_harness(home):
        return dict(jobs), []
    own = {}
    for key, job in jobs.items():
        with suppress(TypeError, OSError):  # a class that was not read from a file
            if belongs(Path(inspect.getfile(resolve(job.case.module, job.search_path))), home):
                own[key] = job
    if not own:
        raise VersionError(
            f"no module that is measured lies in {checkout.root}: every version of it runs the "
            "same code; run the gate in the checkout that has the modules, with the suite inside it"
        )
    return own, [key.label for key in jobs if key not in own]
