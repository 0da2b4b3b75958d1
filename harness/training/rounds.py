"""Seeds by rounds: the rows of a grid that are not told apart yet get more, up to a limit.

What a round needs follows from the scores of the seeds before it alone, and seeds begin with the
case's own: a run that is taken up, and one that is begun anew, have the same rounds. Trainings are
kept as always.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.case import Job, as_plain
from harness.judge.statistics.separation import Separation, separate, sizes
from harness.measure import SeedsStopped
from harness.records.record import Record
from harness.runner import Further
from harness.suite.recipe import EvaluationSpec

Row = tuple[str, str]
"""Label, and key of the case."""


def further(jobs: Sequence[Job]) -> Callable[[Sequence[Record]], Further] | None:
    """What asks for more seeds of the rows that a suite wants separated; `None` if of none.

    Args:
        jobs: of all that is run together.
    """
    grids: dict[str, _Grid] = {}
    for job in jobs:
        spec = _asked(job)
        if spec is None or spec.until_separated is None or job.accuracy is None:
            continue
        # Rows are compared where they were trained on the same data, with the same rounds.
        said = [job.suite, job.accuracy["data"], spec.seeds, spec.until_separated, spec.limit]
        grid = grids.setdefault(json.dumps(said, sort_keys=True), _Grid(job.suite, spec))
        grid.jobs.setdefault((job.label, job.case.key), []).append(job)
    if not grids:
        return None

    def more(records: Sequence[Record]) -> Further:
        found = [grid.further(records) for grid in grids.values()]
        if jobs := [job for each in found for job in each.jobs]:
            return Further(jobs)
        return Further(records=[record for each in found for record in each.records])

    return more


def at_the_limit(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with as many seeds as rounds can give them."""
    specs = [(job, _asked(job)) for job in jobs]
    return [
        job if spec is None or spec.until_separated is None else _with_seeds(job, spec.limit)
        for job, spec in specs
    ]


def _with_seeds(job: Job, seeds: int) -> Job:
    said: Mapping[str, Any] = job.accuracy or {}
    evaluation = {**said["evaluation"], "seeds": max(seeds, said["evaluation"]["seeds"])}
    return replace(job, accuracy={**said, "evaluation": evaluation})


def _asked(job: Job) -> EvaluationSpec | None:
    if "accuracy" not in job.metrics or not job.accuracy:
        return None
    return EvaluationSpec.of(job.accuracy["evaluation"])


@dataclass
class _Grid:
    """Rows that are to be told apart from one another."""

    suite: str
    spec: EvaluationSpec
    jobs: dict[Row, list[Job]] = field(default_factory=dict)  # processes of each

    def further(self, records: Sequence[Record]) -> Further:
        own = {
            (record.label, record.case_key, record.replicate): record
            for record in records
            if record.suite == self.suite and record.status == "ok"
        }
        scores = {row: self._scores(own, row) for row in self.jobs}
        known = {row: each for row, each in scores.items() if each}
        assert self.spec.until_separated is not None, "the caller has looked"
        looks = sizes(self.spec.seeds, self.spec.limit)
        found = separate(known, self.spec.until_separated / 100, looks, len(self.jobs))
        if found.lacking:
            return Further([job for row, n in found.lacking.items() for job in self._more(row, n)])
        return Further(records=list(self._told(found, own.values())))

    def _scores(self, own: Mapping[tuple[str, str, int], Record], row: Row) -> Sequence[float]:
        """Of the seeds that all processes of a row have judged; empty where one has failed."""
        of_all = [own.get((*row, job.replicate)) for job in self.jobs[row]]
        lists = [each.values.get("miou_seeds") if each else None for each in of_all]
        return min((each or () for each in lists), key=len)

    def _more(self, row: Row, seeds: int) -> Iterable[Job]:
        for job in self.jobs[row]:
            yield replace(_with_seeds(job, seeds), metrics=("accuracy",))

    def _told(self, found: Separation[Row], own: Iterable[Record]) -> Iterable[Record]:
        """The records with why their rows got no more seeds, where they do not say it yet."""
        for record in own:
            stopped = found.stopped.get((record.label, record.case_key))
            if stopped is None:
                continue
            said = SeedsStopped(
                stopped.why,
                float(self.spec.until_separated or 0),
                len(self.jobs),
                stopped.values,
                tuple(label for label, _ in stopped.apart),
            )
            if record.values.get("seeds_stopped") != as_plain(said):
                yield replace(record, values={**record.values, "seeds_stopped": as_plain(said)})
