"""The process that follows a run needs no memory for what has ended."""

import gc
from pathlib import Path

import psutil
import pytest

from harness.case import Case, Job, Outcome
from harness.engines.engine import Finished, Started
from harness.runner import execute
from harness.suite.suite import Suite

RECORDS = 10_000
SAMPLES = 100
WARM = 1_000
"""Records after which caches and arenas have their size."""


class Endless:
    """Answers every job at once with as many samples as a real case has."""

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)

    def events(self):
        for n, job in enumerate(self.jobs):
            yield Started(job)
            samples = [n + m * 1e-9 for m in range(SAMPLES)]
            yield Finished(job, Outcome("ok", values={"latency_samples_seconds": samples}))

    def cancel(self):
        self.jobs.clear()


class Leaving(Exception):
    """Ends the run before its records are read back for tables."""


def test_memory_is_flat_over_ten_thousand_records(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)  # the disk is not what is looked at
    jobs = tuple(
        Job("s", f"case {n}", Case("se", {"n": n}, ((1, 8, 4, 4),)), ("latency",), 60.0)
        for n in range(RECORDS)
    )
    sizes = []

    def listen(progress):
        if isinstance(progress.event, Finished) and progress.done in (WARM, RECORDS):
            gc.collect()
            sizes.append(psutil.Process().memory_info().rss)
            if progress.done == RECORDS:
                raise Leaving

    suite = Suite("s", "S", Path(__file__), jobs)
    with pytest.raises(Leaving):
        execute(suite, tmp_path, listener=listen, engine=Endless())
    (lines,) = (len(p.read_bytes().split(b"\n")) - 1 for p in tmp_path.glob("s/*Z-*/records.jsonl"))
    assert lines == RECORDS
    # Kept in memory, each record would be some 4 KB of samples alone: 36 MB.
    assert sizes[1] - sizes[0] < 12e6
