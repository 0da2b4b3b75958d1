"""How many processes a case has, and what is said where each has one."""

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

import harness
from harness.api.progress import Reporter

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


def warned(**options):
    where = StringIO()
    with Reporter(Console(file=where), harness.validate(SUITE, **options)):
        pass
    return where.getvalue()


def test_what_a_single_process_cannot_tell_is_said_before_the_run():
    said = warned()
    assert said.count("\n") == 1
    assert said.startswith("latency: one process per case")
    assert "--repeats 5" in said


@pytest.mark.parametrize(
    "options", [{"repeats": 2}, {"metrics": "params"}, {"only": "timed"}, {"only": "often"}]
)
def test_nothing_is_said_of_several_processes_one_row_or_counts(options):
    assert warned(**options) == ""
