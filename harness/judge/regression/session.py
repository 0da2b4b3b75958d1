"""A gate on a suite: the user's checkout against another commit, on this machine."""

import inspect
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.instantiate import resolve
from harness.judge.regression.gate import Gated, Listener, Measured, Settings, Side, gate
from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.version import (
    Checkout,
    Version,
    VersionError,
    WorktreeError,
    belongs,
    fingerprint,
    has_harness,
    working_tree,
    worktree,
)
from harness.records.record import finite
from harness.suite.suite import Suite

SCHEMA = 1
PASSED, REGRESSION, UNCLEAR = 0, 1, 3
"""Exit codes; 2 is a mistake of the user's, as everywhere."""

PROCESS_SECONDS = 0.5
"""Of samples in each process. Processes differ from each other, however long each one samples, so
that time is better spent on more of them."""


@dataclass(frozen=True)
class GateReport:
    """What a gate has found, for people and for programs."""

    suite: str  # name of the suite
    before: Checkout  # the version that the checkout is held against
    after: Checkout  # the checkout
    gated: Gated  # verdicts and replicates
    settings: Settings  # that they were made with
    notes: tuple[str, ...]  # sentences for the reader

    @property
    def exit_code(self) -> int:
        """1 with a regression, 3 where only something is undecided, else 0."""
        if self.gated.regressions:
            return REGRESSION
        return UNCLEAR if self.gated.undecided else PASSED

    def as_json(self) -> dict[str, Any]:
        """Plain data: seconds, effects as shares, infinite values `None`."""
        gated = self.gated
        data: dict[str, Any] = finite(
            {
                "schema": SCHEMA,
                "suite": self.suite,
                "before": _plain(self.before),
                "after": _plain(self.after),
                "settings": asdict(self.settings),
                "exit_code": self.exit_code,
                "looks": gated.looks,
                "noise_floor": gated.floor,
                "budget_spent": gated.spent,
                "seconds": gated.seconds,
                "notes": list(self.notes),
                "comparisons": [
                    {
                        **key.as_json(),
                        **asdict(found),
                        "before_seconds": gated.replicates[key].a,
                        "after_seconds": gated.replicates[key].b,
                    }
                    for key, found in gated.comparisons.items()
                ],
            }
        )
        return data


def _plain(checkout: Checkout) -> dict[str, Any]:
    return {"name": checkout.name, "commit": checkout.commit, "dirty": checkout.dirty}


def gate_suite(
    suite: Suite,
    ref: str,
    settings: Settings,
    *,
    process_seconds: float = PROCESS_SECONDS,
    listener: Listener | None = None,
) -> GateReport:
    """Measure every case of a suite with the checkout's files and with those of a commit.

    The suite is that of the checkout. Each version imports the harness and its modules (where the
    repository holds them) and the user's own modules from its own files, and measures as it does.

    Args:
        suite: what to measure; only latency is, whatever it asks for.
        ref: branch, tag or commit of the suite's repository.
        settings: how to decide.
        process_seconds: of samples in each process.
        listener: told before each block.

    Raises:
        WorktreeError: no repository, no such commit, or the checkout changed meanwhile.
        VersionError: a version cannot be imported, stops answering, or runs no case at all; or the
            repository holds none of the code that is measured.
    """
    jobs = _jobs(suite, process_seconds)
    after = working_tree(suite.path.resolve().parent)
    _require_own_code(jobs.values(), after)
    seen = fingerprint(after.root)
    with ExitStack() as stack:
        before = stack.enter_context(worktree(after.root, ref))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-gate-")))
        versions: dict[Side, Version] = {
            "a": stack.enter_context(Version(before, after.root, scratch / "before")),
            "b": stack.enter_context(Version(after, after.root, scratch / "after")),
        }
        hellos = [version.require() for version in versions.values()]

        def measure(side: Side, key: CaseMetric) -> Measured:
            return versions[side].measure(jobs[key])

        for key in list(jobs)[:1]:  # the first process of a version waits for its imports
            for side in versions:
                measure(side, key)
        gated = gate(tuple(jobs), measure, time.perf_counter, settings, listener)
    _require_any(before, gated)
    if fingerprint(after.root) != seen:
        raise WorktreeError(
            f"{after.root} changed while it was measured; run the gate again and leave its files "
            "alone until it has ended"
        )
    return GateReport(suite.name, before, after, gated, settings, _notes(before, after, hellos))


def _jobs(suite: Suite, process_seconds: float) -> dict[CaseMetric, Job]:
    """One job per case: its latency, sampled for a given time."""
    jobs = {}
    for job in suite.all_jobs():
        if job.replicate == 1:
            timing = replace(
                job.timing,
                criterion="budget",
                samples=None,
                min_time=None,
                max_time=process_seconds,
                relative_stdev=None,
            )
            key = CaseMetric(job.suite, job.label, job.case.key)
            jobs[key] = replace(job, metrics=("latency",), timing=timing)
    return jobs


def _require_own_code(jobs: Iterable[Job], checkout: Checkout) -> None:
    """Installed packages are the same in both versions, whatever REF is."""
    home = checkout.root.resolve()
    if has_harness(home):
        return
    for job in jobs:
        with suppress(TypeError, OSError):  # a class that was not read from a file
            if belongs(Path(inspect.getfile(resolve(job.case.module, job.search_path))), home):
                return
    raise VersionError(
        f"no module of the suite lies in {checkout.root}: every version of it runs the same "
        "code; run the gate in the checkout that has the modules, with the suite inside it"
    )


def _require_any(before: Checkout, gated: Gated) -> None:
    """A commit that runs nothing is no version to be held against."""
    found = list(gated.comparisons.values())
    if found and all(each.verdict == "new" for each in found):
        raise VersionError(
            f"{before} runs no case of the suite ({found[0].reason}); choose a commit that has "
            "these modules"
        )


def _notes(
    before: Checkout, after: Checkout, hellos: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    notes = []
    if before.commit == after.commit and not after.dirty:
        notes.append("both versions are the same commit without changes: equal code was compared")
    torches = [hello["torch"] for hello in hellos]
    if len(set(torches)) > 1:
        notes.append(f"PyTorch differs: {torches[0]}, then {torches[1]}")
    return tuple(notes)
