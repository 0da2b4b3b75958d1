"""Figures of long simulations: what the documentation claims, and that they can be made again."""

import json
import sys
from pathlib import Path

import pytest

import harness
from harness.judge.regression.noises import NOISES
from harness.judge.regression.selftest import (
    LEAST_POWER,
    MOST_FALSE_ALARMS,
    REAL,
    self_test,
)
from harness.judge.regression.settings import GRIDS
from harness.judge.statistics.share import Share

sys.path.append(str(Path(harness.__file__).parents[1] / "docs" / "generate"))

import noises as figures

GATE = {each["noise"]: each for each in json.loads(figures.GATE.read_text("utf-8"))["noises"]}
RUNS = {each["noise"]: each for each in json.loads(figures.RUNS.read_text("utf-8"))}
SOME = ("normal 3 %", "AR(1) 0.9, 3 %", "sticky modes 10 %", "sine 5 %, period 4")


def share(of):
    return Share(**of)


def test_every_noise_is_kept_under_its_name():
    names = [noise.name for noise in NOISES]
    assert list(GATE) == [*names, REAL]
    assert list(RUNS) == [*names, figures.HOURS.name]
    assert {each["rules"][0]["false_alarms"]["total"] for each in GATE.values()} >= {GRIDS}


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_the_gate_keeps_its_promises_under_every_simulated_noise(noise):
    own = GATE[noise.name]["rules"][0]
    alarms = share(own["false_alarms"])
    assert alarms.total == GRIDS
    assert alarms.share <= MOST_FALSE_ALARMS
    assert alarms.high <= 2 * MOST_FALSE_ALARMS
    assert share(own["found"]).share >= LEAST_POWER or not noise.quiet
    assert share(GATE[noise.name]["missed"]).share <= 1 / 40


def test_the_gate_keeps_its_promises_on_this_projects_machine():
    own = GATE[REAL]["rules"][0]
    assert not share(own["false_alarms"]).exceeds(MOST_FALSE_ALARMS)


def test_what_is_said_of_runs():
    """Claims of docs/explanations/statistics.md."""
    hours = RUNS[figures.HOURS.name]
    assert share(hours["alarms"]).share > 0.3
    assert share(hours["unflagged"]).share < share(hours["alarms"]).share / 5
    for name in ("normal 1 %", "normal 3 %", "Student t1, 1 %", "coarse clock 1 %"):
        assert not share(RUNS[name]["alarms"]).exceeds(0.01)
    for name in ("AR(1) 0.99, 3 %", "random walk 0.5 %", "linear drift 0.2 %"):
        assert share(RUNS[name]["alarms"]).exceeds(0.01)
        assert share(RUNS[name]["changes"]).exceeds(0.1)
    for period, in_step in (
        (2, True),
        (2.5, True),
        (5, True),
        (10, True),
        (3, False),
        (7.3, False),
    ):
        alarms = share(RUNS[f"sine 5 %, period {period}"]["alarms"])
        assert alarms.exceeds(0.01) is in_step


def agree(few, kept):
    """Neither has more hits than the other's interval allows."""
    most, least = (min(max(end, 1e-9), 1 - 1e-9) for end in (kept.high, kept.low))
    return not (few.exceeds(most) or few.rest.exceeds(1 - least))


def test_a_small_self_test_agrees_with_the_kept_one():
    for found in self_test(5, noises=[n for n in NOISES if n.name in SOME], real_grids=0).noises:
        kept = GATE[found.noise]
        for rule, its in zip(found.rules, kept["rules"], strict=True):
            assert agree(rule.false_alarms, share(its["false_alarms"])), (found.noise, rule.name)
            assert agree(rule.found, share(its["found"])), (found.noise, rule.name)


@pytest.mark.parametrize("noise", [*NOISES[:7:3], figures.HOURS], ids=lambda noise: noise.name)
def test_a_few_comparisons_agree_with_the_kept_ones(noise):
    found = figures.held(noise, 8)
    for name, kept in RUNS[noise.name].items():
        if name != "noise":
            assert agree(getattr(found, name), share(kept)), name


def test_the_tables_have_a_row_for_each_noise():
    for made, kept in ((figures.gate_table(), GATE), (figures.runs_table(), RUNS)):
        head, _, *rows = made.splitlines()
        assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(kept)
        assert {row.count("|") for row in rows} == {head.count("|")}
