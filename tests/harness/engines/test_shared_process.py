"""Static cases of the catalog share processes, and what a row says does not hang on that."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.case import Case, Job
from harness.engines.engine import Finished, Started, Waiting, may_share
from harness.engines.local import LocalEngine

MAP = ((1, 32, 12, 12),)
MODULES = ("ppm", "aspp", "cgnl", "efficient_attention", "rcca", "interlaced")


def job(label, module=None, timeout=60.0, metrics=("params", "flops", "memory"), **arguments):
    case = Case(module or label, arguments, MAP)
    return Job("shared", label, case, metrics, timeout, search_path=(str(Path.cwd()),))


def wrong(label="wrong"):
    return job(label, "ppm", no_such_argument=1)


def below():
    """Processes below this one."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def run(jobs, slots=1, seen=lambda event: None):
    engine = LocalEngine(slots)
    for each in jobs:
        engine.submit(each)
    told = []
    for event in engine.events():
        told.append(event)
        seen(event)
    return told


def outcomes(told):
    return {each.job.label: each.outcome for each in told if isinstance(each, Finished)}


def test_one_process_serves_all_and_gives_what_each_gives_alone():
    began = []
    told = run(map(job, MODULES), seen=lambda e: isinstance(e, Started) and began.append(below()))
    assert [e.job.label for e in told if isinstance(e, Finished)] == list(MODULES)
    first = began[1]  # when the first case began, its process was still being forked
    assert all(each == first for each in began[1:]), "no process came or went between two cases"
    for label, outcome in outcomes(told).items():
        (alone,) = outcomes(run([job(label)])).values()
        assert outcome.status == "ok"
        assert (outcome.values, outcome.warnings, outcome.used) == (
            alone.values,
            alone.warnings,
            alone.used,
        )


def test_two_slots_have_two_processes_and_half_of_the_cases_each():
    run([job("fcn")])
    before, seen = below(), set()
    told = run(map(job, MODULES), slots=2, seen=lambda _: seen.update(below() - before))
    assert [each.status for each in outcomes(told).values()] == ["ok"] * len(MODULES)
    assert len(seen) == 4, "two workers, each below its supervisor"


def test_a_case_that_fails_among_others_is_told_once_and_as_if_it_were_alone():
    jobs = [job("ppm"), wrong(), job("cgnl"), job("rcca")]
    told = run(jobs)
    found = outcomes(told)
    (alone,) = outcomes(run([wrong()])).values()
    assert [found[each.label].status for each in jobs] == ["ok", "error", "ok", "ok"]
    assert (found["wrong"].cause, found["wrong"].tail) == (alone.cause, alone.tail)
    assert sum(isinstance(each, Finished) for each in told) == len(jobs)
    (waited,) = (each for each in told if isinstance(each, Waiting))
    assert waited.job.label == "wrong"
    assert "its own" in waited.cause


def test_after_a_failure_no_two_cases_share_a_process():
    began = {}

    def look(event):
        if isinstance(event, Started):
            began[event.job.label] = below()

    run([job("ppm"), wrong(), job("cgnl"), job("rcca"), job("aspp")], seen=look)
    assert began["cgnl"] != began["rcca"] != began["aspp"] != began["cgnl"]


def test_the_first_case_of_a_process_fails_for_itself():
    told = run([wrong(), job("cgnl"), job("rcca")])
    assert [outcomes(told)[n].status for n in ("wrong", "cgnl", "rcca")] == ["error", "ok", "ok"]
    assert not any(isinstance(each, Waiting) for each in told)


def test_a_killed_process_costs_none_of_its_cases():
    killed = []

    def kill(event):
        if isinstance(event, Started) and event.job.label == "cgnl" and not killed:
            workers = [p for p in psutil.Process().children(recursive=True) if not p.children()]
            for each in workers:
                if each.pid not in before:
                    killed.append(each.pid)
                    os.kill(each.pid, signal.SIGKILL)

    run([job("warm up", "fcn")])
    before = below()  # the server stays
    found = outcomes(run(map(job, ("ppm", "cgnl", "rcca")), seen=kill))
    assert killed
    assert {each.status for each in found.values()} == {"ok"}
    assert len(found) == 3


def test_each_case_has_its_own_time():
    jobs = [job("ppm"), job("brief", "pyramid_oc", timeout=0.001), job("cgnl", timeout=60)]
    found = outcomes(run(jobs))
    assert [found[each.label].status for each in jobs] == ["ok", "timeout", "ok"]
    assert "0.001 s" in found["brief"].cause


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": ("params", "latency")},
        {"case": Case("mine:Gate", {}, MAP)},
        {"case": Case("ppm", {}, MAP, device="cuda")},
        {"case": Case("ppm", {}, MAP, prepare=("mine:fold",))},
        {"counting": {"mine::gram": "mine:rule"}},
        {"declared": {"mine": {}}},
        {"depends_on": ("/weights",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_timed_or_of_a_user_has_a_process_of_its_own(change):
    assert may_share(job("ppm"))
    assert not may_share(replace(job("ppm"), **change))


def test_a_timed_case_is_overtaken_by_none_that_came_after_it():
    timed = job("timed", "ppm", metrics=("latency",))
    jobs = [job("ppm"), job("cgnl"), timed, job("rcca")]
    assert list(outcomes(run(jobs))) == ["ppm", "cgnl", "timed", "rcca"]
