"""How many processes a case has, and what is said where each has one."""

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

import harness
from harness.api.progress import Reporter
from harness.case import Outcome
from harness.engines.engine import Finished, Started
from harness.runner import Progress

CASES = [
    {"label": "timed", "module": "blocks:Block", "measure": ["params", "latency"]},
    {"label": "often", "module": "blocks:Block", "measure": "latency", "repeats": 4},
    {"label": "counted", "module": "blocks:Block", "measure": "static"},
    {"label": "twice", "module": "blocks:Block", "measure": "static", "repeats": 2},
]
SUITE = {"suite": "mine", "input": [1, 8, 6, 6], "cases": CASES}


def processes(**options):
    return Counter(job.label for job in harness.validate(SUITE, **options).jobs)


def test_an_option_sets_the_processes_of_what_is_timed():
    assert processes() == {"timed": 1, "often": 4, "counted": 1, "twice": 2}
    assert processes(repeats=3) == {"timed": 3, "often": 3, "counted": 1, "twice": 2}
    assert processes(repeats=1) == {"timed": 1, "often": 1, "counted": 1, "twice": 2}
    assert processes(repeats=3, metrics="latency") == dict.fromkeys(processes(), 3)


def test_each_case_has_had_its_turn_before_the_next_process_of_any():
    jobs = harness.validate(SUITE, repeats=2, metrics="latency").jobs
    assert [job.replicate for job in jobs] == 4 * [1] + 4 * [2]
    assert [job.label for job in jobs] == 2 * ["timed", "often", "counted", "twice"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repeats": 0}, "suite: option repeats: expected at least 1, not 0; correct the number"),
        ({"repeats": 101}, "suite: option repeats: expected at most 100, not 101"),
        ({"repeats": 2.5}, "suite: option repeats: expected a whole number, not 2.5"),
        ({"repeats": 2, "metrics": "static"}, "suite: option repeats: no case is timed, and every"),
    ],
)
def test_numbers_that_say_nothing(options, said):
    with pytest.raises(harness.HarnessError) as refused:
        harness.validate(SUITE, **options)
    assert str(refused.value).startswith(said)


def said_of(suite, event, done, **options):
    """What a reporter has said when something has happened."""
    where = StringIO()
    with Reporter(Console(file=where, width=200), suite, **options) as reporter:
        reporter(Progress(event, done, len(suite.all_jobs()), None))
    return where.getvalue()


def warned(**options):
    suite = harness.validate(SUITE, **options)
    return said_of(suite, Started(suite.all_jobs()[0]), 0).splitlines()


def test_what_a_single_process_cannot_tell_is_said_before_the_run():
    head, said = warned()
    assert head == "mine: 4 cases, 8 processes, cpu, float32 (Ctrl-C keeps what is done)"
    assert said.startswith("latency: one process per case")
    assert "--repeats 5" in said


@pytest.mark.parametrize(
    "options", [{"repeats": 2}, {"metrics": "params"}, {"only": "timed"}, {"only": "often"}]
)
def test_nothing_is_said_of_several_processes_one_row_or_counts(options):
    assert len(warned(**options)) == 1


ONE = {
    "suite": "one",
    "title": "Table 1: costs",
    "input": [1, 8, 4, 4],
    "measure": "params",
    "module": "se",
}


@pytest.mark.parametrize(
    ("status", "options", "lines"),
    [
        ("ok", {}, ["one: 1 case, cpu, float32", "[1/1] Table 1: 1 of 1 ok, 0 s"]),
        ("ok", {"expected": 130.0}, ["about 2 min 10 s (Ctrl-C", "[1/1] Table 1: 1 of 1 ok"]),
        ("ok", {"quiet": True}, []),
        ("ok", {"verbose": True}, ["one: 1", "[1/1] se: ok, 0.2 s", "[1/1] Table 1: 1 of 1 ok"]),
        ("oom", {}, ["one: 1", "[1/1] se: oom, 0.2 s: too large", "0 of 1 ok, 1 oom, 0 s"]),
        ("oom", {"quiet": True}, ["[1/1] se: oom, 0.2 s: too large"]),
    ],
)
def test_a_log_has_a_line_a_table_and_one_of_each_case_that_fails(status, options, lines):
    suite = harness.validate(ONE)
    cause = "" if status == "ok" else "too large"
    event = Finished(suite.all_jobs()[0], Outcome(status, cause, elapsed=0.2))
    said = said_of(suite, event, 1, **options).splitlines()
    assert len(said) == len(lines)
    assert all(part in line for part, line in zip(lines, said, strict=True))


def test_a_matrix_of_cases_with_several_processes_is_one():
    grid = {"key_channels": [2, 4], "value_channels": [2, 4]}
    pivot = {"rows": "key_channels", "columns": "value_channels", "value": "latency"}
    suite = {
        "suite": "grid", "input": [1, 8, 4, 4], "measure": ["params", "latency"], "repeats": 3,
        "module": "self_attention", "grid": grid, "tables": [{"pivot": pivot}],
    }  # fmt: skip
    assert len(harness.validate(suite).jobs) == 12
