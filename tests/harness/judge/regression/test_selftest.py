import math
import random

from harness.judge.regression.gate import Timed
from harness.judge.regression.neighbour import noisy_neighbours
from harness.judge.regression.selftest import SAMPLES, WORK_UNITS, measure_workload, self_test
from harness.present.comparison import self_test_table


class Simulated:
    """Processes that differ by 2 %, some met by a burst; samples within one differ by 0.3 %."""

    def __init__(self, between=0.02, honest=True):
        self.rng, self.between, self.honest = random.Random(5), between, honest

    def __call__(self, units):
        mood = math.exp(self.rng.gauss(0, self.between))
        if self.rng.random() < 0.05:
            mood *= 1.6
        units = units if self.honest else WORK_UNITS
        samples = [1e-5 * units * mood * math.exp(self.rng.gauss(0, 0.003)) for _ in range(15)]
        return Timed(sorted(samples)[7], samples=tuple(samples))


def tried(run):
    return self_test(60, 3, run=run, clock=lambda: 0.0, neighbours=0)


def test_the_gate_reaches_its_aims_where_rules_on_single_runs_do_not():
    told = []
    verified = self_test(
        60, 3, run=Simulated(), clock=lambda: 0.0, neighbours=0,
        listener=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    own, mean, ranks = verified.rules
    assert verified.passed
    assert own.false_alarms.hits == 0
    assert own.false_alarms.total == 60
    assert [rate.total for rate in own.found] == [12, 12]
    assert [rate.share for rate in own.found] == [1.0, 1.0]
    assert mean.false_alarms.share > 0.02  # one process of a pair met a burst
    assert ranks.false_alarms.share > 0.5  # samples of one process are no replicates
    assert told == [(n, 6) for n in range(1, 7)]
    assert verified.called_same.total == 60


def test_a_gate_that_finds_nothing_does_not_pass():
    verified = tried(Simulated(honest=False))
    assert not verified.passed
    assert verified.rules[0].found[0].hits == 0
    assert "not reached" in " ".join(self_test_table(verified).footnotes)


def test_the_table_shows_every_rule():
    verified = tried(Simulated())
    table = self_test_table(verified)
    assert [line[0].partition(",")[0] for line in table.lines] == [
        "gate", "pytest-benchmark mean:5%", "Mann-Whitney p < 0.05",
    ]  # fmt: skip
    assert table.lines[0][1] == "0.0% (0 of 60)"


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
