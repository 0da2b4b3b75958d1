"""What one metric has built and run, the next need not."""

from dataclasses import replace

import made_subjects
import pytest
from made_jobs import made_job

from harness.case import Timing
from harness.measure.latency import measure_latency
from harness.measure.memory import measure_resident

JOB = replace(made_job("Traced"), timing=Timing("fixed", samples=3))


@pytest.fixture(autouse=True)
def noted():
    made_subjects.Traced.noted.clear()
    return made_subjects.Traced.noted


def test_the_pass_whose_memory_was_read_is_the_first_of_the_warm_up(noted):
    measure_latency(JOB)  # nothing is left of an earlier test
    noted.clear()
    measure_resident(JOB)
    assert noted == ["built", "pass"]
    figures = measure_latency(JOB)
    assert noted.count("built") == 1
    passes = len(figures["latency_warmup_seconds"]) + len(figures["latency_samples_seconds"])
    assert noted.count("pass") == passes


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, seed=1),
        replace(JOB, case=replace(JOB.case, dtype="float64")),
        replace(JOB, search_path=(*JOB.search_path, "/")),
    ],
    ids=["seed", "case", "folders"],
)
def test_another_job_gets_another_module(noted, other):
    measure_resident(JOB)
    measure_latency(other)
    assert noted.count("built") == 2
    measure_latency(JOB)
    assert noted.count("built") == 3, "what was left was of no use, and is not held"


def test_a_subject_is_handed_on_once(noted):
    measure_resident(JOB)
    measure_latency(JOB)
    measure_latency(JOB)
    assert noted.count("built") == 2
