"""How a suite says how latency is sampled, what is compiled, and how many processes a case has."""

import pytest

from harness.case import Case, Timing
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.suite import Overrides

BLOCK = "module: 'blocks:Block', input: [1, 8, 4, 4]"


@pytest.fixture
def jobs_of(write):
    def load_jobs(text, **overrides):
        return load(write("s.yaml", "suite: s\n" + text), Overrides(**overrides)).jobs

    return load_jobs


@pytest.fixture
def mistakes_of(write):
    def load_mistakes(text):
        with pytest.raises(SuiteError) as caught:
            load(write("s.yaml", "suite: s\n" + text))
        return [str(problem) for problem in caught.value.problems]

    return load_mistakes


def test_nothing_said_is_the_default(jobs_of):
    (job,) = jobs_of(f"cases: [{{{BLOCK}}}]\n")
    assert (job.timing, job.replicate, job.force) == (Timing(), 1, False)
    assert not job.case.channels_last
    assert not job.case.compile


def test_the_case_comes_before_the_suite_key_by_key(jobs_of):
    text = "latency: {criterion: relative_stdev, samples: 20, cache: cold}\ncases:\n"
    text += f"  - {{label: A, {BLOCK}}}\n"
    text += f"  - {{label: B, {BLOCK}, latency: {{samples: 7, max_time: 2, cuda_graph: true}}}}\n"
    first, second = jobs_of(text)
    assert first.timing == Timing("relative_stdev", samples=20, cache="cold")
    assert second.timing == Timing(
        "relative_stdev", samples=7, max_time=2.0, cache="cold", cuda_graph=True
    )


def test_options_of_the_case(jobs_of):
    text = "channels_last: true\ncompile: true\ncases:\n"
    text += f"  - {{label: A, {BLOCK}}}\n  - {{label: B, {BLOCK}, compile: false}}\n"
    first, second = (job.case for job in jobs_of(text))
    assert (first.channels_last, first.compile) == (True, True)
    assert (second.channels_last, second.compile) == (True, False)
    assert first.key != second.key


def test_precision_of_float32_is_part_of_what_is_measured_on_a_gpu(jobs_of):
    text = "device: cuda\nfloat32: ieee\ncases:\n"
    text += f"  - {{label: A, {BLOCK}}}\n  - {{label: B, {BLOCK}, float32: tf32}}\n"
    text += f"  - {{label: C, {BLOCK}, float32: default}}\n"
    on_gpu, on_cpu = jobs_of(text), jobs_of(text, device="cpu")
    assert [job.case.float32 for job in on_gpu] == ["ieee", "tf32", None]
    assert len({job.case.key for job in on_gpu}) == 3
    assert [job.case.float32 for job in on_cpu] == [None] * 3
    assert len({job.case.key for job in on_cpu}) == 1


def test_options_that_are_off_leave_the_key_as_it_was():
    case = Case("ppm", {"bins": [1, 2]}, ((1, 8, 4, 4),))
    assert case.key == "02c543c55d4fdb8d"  # of the version before there were options
    keys = {
        Case("ppm", {"bins": [1, 2]}, ((1, 8, 4, 4),), **options).key
        for options in ({}, {"compile": True}, {"channels_last": True})
    }
    assert len(keys) == 3


def test_replicates_are_interleaved(jobs_of):
    text = f"repeats: 3\ncases:\n  - {{label: A, {BLOCK}}}\n"
    text += f"  - {{label: B, {BLOCK}, repeats: 1}}\n  - {{label: C, {BLOCK}, repeats: 2}}\n"
    order = [(job.label, job.replicate) for job in jobs_of(text)]
    assert order == [("A", 1), ("B", 1), ("C", 1), ("A", 2), ("C", 2), ("A", 3)]


def test_force_reaches_every_job(jobs_of):
    text = f"repeats: 2\ncases: [{{{BLOCK}}}]\n"
    assert [job.force for job in jobs_of(text, force=True)] == [True, True]


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        ("{criterion: quick}", "latency.criterion: unknown value"),
        ("{cash: cold}", "latency.cash: unknown key; did you mean cache?"),
        ("{samples: 0}", "latency.samples: expected at least 1"),
        ("{samples: 1.5}", "latency.samples: expected a whole number"),
        ("{max_time: 0}", "latency.max_time: expected greater than 0"),
        ("{relative_stdev: 1}", "latency.relative_stdev: expected less than 1"),
        ("{cuda_graph: 1}", "latency.cuda_graph: expected true or false"),
        ("{min_time: 3, max_time: 2}", "min_time is longer than max_time; raise max_time"),
        ("{criterion: fixed, min_time: 1}", "min_time says nothing with criterion fixed; remove"),
        ("{criterion: budget, samples: 9}", "samples says nothing with criterion budget; remove"),
    ],
)
def test_mistakes_have_their_place(mistakes_of, latency, expected):
    lines = mistakes_of(f"latency: {latency}\ncases: [{{{BLOCK}}}]\n")
    assert len(lines) == 1
    assert lines[0].startswith("s.yaml:2:")
    assert expected in lines[0]


@pytest.mark.parametrize("repeats", ["0", "101", "1.5", "yes please"])
def test_so_many_processes_are_a_mistake(mistakes_of, repeats):
    (line,) = mistakes_of(f"repeats: {repeats}\ncases: [{{{BLOCK}}}]\n")
    assert line.startswith("s.yaml:2:")
    assert "repeats" in line
