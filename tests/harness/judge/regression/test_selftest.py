"""The self-test of the gate: simulated noises, known slow-downs, and rules that others use."""

import json
import math
import random

import pytest

from harness.judge.regression.interleaved import Timed
from harness.judge.regression.neighbour import noisy_neighbours
from harness.judge.regression.noises import NOISES, Noise
from harness.judge.regression.selftest import REAL, TriedNoise, TriedRule, self_test
from harness.judge.regression.workload import SAMPLES, WORK_UNITS, measure_workload
from harness.judge.statistics.share import Share
from harness.present.self_test import self_test_table

BY_NAME = {noise.name: noise for noise in NOISES}


def tried(names, grids, **options):
    noises = [BY_NAME[name] for name in names]
    return self_test(grids, noises=noises, **{"real_grids": 0} | options)


@pytest.fixture(scope="module")
def small():
    """Every noise, a few grids each."""
    return self_test(3, real_grids=0)


def test_under_all_noises_false_alarms_are_rare_and_slow_downs_are_found(small):
    assert len(small.noises) == len(NOISES)
    assert small.passed
    own = [noise.rules[0] for noise in small.noises]
    alarms = sum(rule.false_alarms.hits for rule in own)
    grids = sum(rule.false_alarms.total for rule in own)
    assert grids == 3 * len(NOISES)
    assert alarms <= 0.01 * grids + 3  # more of a rate of 1 % come once in fifty self-tests
    quiet = [noise.rules[0].found for noise in small.noises if noise.quiet]
    assert sum(found.hits for found in quiet) >= 0.9 * sum(found.total for found in quiet)


def test_common_rules_on_single_runs_alarm_under_nearly_every_noise(small):
    mean, ranks = ([noise.rules[place].false_alarms for noise in small.noises] for place in (1, 2))
    assert sum(each.hits > 0 for each in mean) > len(NOISES) / 2
    assert sum(each.share == 1 for each in ranks) > 0.9 * len(NOISES)


def test_rhythms_and_modes_that_fooled_blocks_of_four_are_no_difference():
    """Blocks A B B A alarmed in half of these grids with the rhythm, in 6.7 % with the modes."""
    found = tried(["sine 5 %, period 4", "even modes 10 %"], 20)
    assert [noise.rules[0].false_alarms.hits for noise in found.noises] == [0, 0]


def test_a_self_test_is_reproducible_and_counts_its_grids():
    told = []
    one = tried(["normal 1 %"], 2, listener=lambda done, total: told.append((done, total)))
    assert told == [(n, 4) for n in range(1, 5)]
    assert tried(["normal 1 %"], 2).noises == one.noises
    assert tried(["normal 1 %"], 2, seed=1).noises != one.noises
    assert json.loads(json.dumps(one.as_json()))["passed"] is True


class Simulated:
    """Real processes stood in for: they differ by 1 %, samples within one by 0.3 %."""

    def __init__(self, honest=True):
        self.rng, self.honest = random.Random(5), honest

    def __call__(self, units):
        mood = math.exp(self.rng.gauss(0, 0.01))
        units = units if self.honest else WORK_UNITS
        samples = [1e-5 * units * mood * math.exp(self.rng.gauss(0, 0.003)) for _ in range(15)]
        return Timed(sorted(samples)[7], samples=tuple(samples))


def on_this_machine(run):
    return self_test(noises=(), real_grids=6, run=run, neighbours=0)


def test_real_processes_are_tried_alike():
    (found,) = on_this_machine(Simulated()).noises
    assert found.noise == REAL
    assert found.passed
    assert found.rules[0].found == Share(6, 6)
    assert found.called_same == Share(60, 60)


def test_a_gate_that_finds_nothing_does_not_pass():
    verified = on_this_machine(Simulated(honest=False))
    assert not verified.passed
    assert verified.noises[0].rules[0].found.hits == 0
    assert f"not reached: under {REAL}" in " ".join(self_test_table(verified).footnotes)


def test_a_gate_that_alarms_does_not_pass():
    def line(alarms):
        own = TriedRule("gate", Share(alarms, 1000), Share(0, 1000))
        return TriedNoise("rhythm", False, (own,), Share(0, 1), Share(0, 1000), 60.0)

    assert line(10).passed
    assert not line(30).passed


def test_the_table_has_a_row_for_each_noise_and_both_rates_of_each_rule():
    table = self_test_table(tried(["normal 1 %", "normal 3 %"], 2))
    assert [line[0] for line in table.lines] == ["normal 1 %", "normal 3 %"]
    assert [column.group for column in table.columns[1:]] == [
        "gate", "gate", "mean:5%", "mean:5%", "Mann-Whitney", "Mann-Whitney",
    ]  # fmt: skip
    assert table.lines[0][1:3] == ["0 (0–66)", "100 (34–100)"]
    assert "nothing speaks against it, but so few grids" in table.footnotes[1]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_noises_are_of_the_size_that_their_name_says(noise: Noise):
    import numpy as np

    levels = noise.levels(np.random.default_rng(0), 600)
    assert levels.shape == (600,)
    assert np.isfinite(levels).all()
    inner = np.quantile(levels, 0.9) - np.quantile(levels, 0.1)
    assert 0.002 < inner < 1.5
    same = noise.levels(np.random.default_rng(0), 600)
    other = noise.levels(np.random.default_rng(1), 600)
    assert (levels == same).all()
    assert not (levels == other).all()


def test_a_workload_runs_in_a_process_of_its_own_and_grows_with_its_units():
    short = min(measure_workload(WORK_UNITS // 4).seconds for _ in range(5))
    long = min(measure_workload(WORK_UNITS).seconds for _ in range(5))
    assert 2 < long / short < 8
    assert len(measure_workload(10).samples) == SAMPLES


def test_neighbours_leave_with_the_block(monkeypatch):
    import subprocess

    started, start = [], subprocess.Popen

    def noted(*arguments, **options):
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    with noisy_neighbours(2, 0):
        assert [process.poll() for process in started] == [None, None]
    assert [process.poll() for process in started] == [0, 0]
