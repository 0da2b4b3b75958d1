"""Runs of several processes per case, and what `--resume` takes for measured."""

import pytest
from test_runner import FakeEngine, job, suite

from harness.api.run import Run
from harness.case import Timing
from harness.runner import execute

PAIR = [job("a", replicate=1), job("a", replicate=2)]


def test_each_process_has_a_record_and_the_case_one_row(tmp_path):
    made = suite(*PAIR)
    done = execute(made, tmp_path, engine=FakeEngine())
    assert [record.replicate for record in done.records] == [1, 2]
    (row,) = Run(made, done.directory, done.records).rows()
    assert (row["label"], row["processes"], row["params"]) == ("a", 2, 1)


def test_resuming_measures_the_processes_that_lack(tmp_path):
    execute(suite(*PAIR), tmp_path, engine=FakeEngine(ends_after=1))
    engine = FakeEngine()
    done = execute(suite(*PAIR), tmp_path, engine=engine, resume=True)
    assert engine.measured == ["a"]
    assert [record.replicate for record in done.records] == [1, 2]


@pytest.mark.parametrize(
    ("timing", "measured"),
    [(Timing(), []), (Timing(cache="cold"), ["a"]), (Timing("fixed"), ["a"])],
)
def test_another_way_of_sampling_is_another_measurement(tmp_path, timing, measured):
    execute(suite(job("a")), tmp_path, engine=FakeEngine())
    engine = FakeEngine()
    execute(suite(job("a", timing=timing)), tmp_path, engine=engine, resume=True)
    assert engine.measured == measured


@pytest.mark.parametrize(("force", "measured"), [(False, []), (True, ["a"])])
def test_force_runs_again_what_lacked_memory(tmp_path, force, measured):
    execute(suite(job("a")), tmp_path, engine=FakeEngine(failing=("a",)))
    engine = FakeEngine()
    execute(suite(job("a", force=force)), tmp_path, engine=engine, resume=True, keep_failed=True)
    assert engine.measured == measured
