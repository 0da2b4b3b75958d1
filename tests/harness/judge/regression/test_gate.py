"""The gate on a simulated machine: time and noise are given, verdicts follow."""

import json
import math
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from harness.judge.regression.gate import gate
from harness.judge.regression.interleaved import Timed, apart, floor_of_pairs
from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.session import report_of
from harness.judge.regression.settings import Settings
from harness.judge.regression.version import Checkout
from harness.present.comparison import gate_table, outcome

KEYS = [CaseMetric("suite", name, name) for name in "ABCDEF"]
FAILED = Timed(None, "error", "ValueError: no")


class Machine:
    """Simulated: every process takes a second of a clock, and its noise is log-normal."""

    def __init__(self, effects=None, noise=0.01, seed=0, broken=(), drift=0.0, noises=None):
        self.effects, self.noise, self.broken = effects or {}, noise, set(broken)
        self.noises = noises or {}
        self.rng, self.now, self.drift = random.Random(seed), 0.0, drift
        self.order = []

    def clock(self):
        return self.now

    def measure(self, side, key):
        self.now += 1.0
        self.order.append((side, key))
        if (side, key.label) in self.broken:
            return FAILED
        slower = 1 + self.effects.get(key.label, 0.0) if side == "b" else 1.0
        mood = math.exp(self.drift * self.now)
        noise = self.noises.get(key.label, self.noise)
        return Timed(0.002 * slower * mood * math.exp(self.rng.gauss(0, noise)))

    def gate(self, keys=KEYS, **settings):
        return gate(keys, self.measure, self.clock, Settings(**{"budget": 1e9} | settings))


def test_a_slow_case_is_named_and_the_others_are_the_same():
    found = Machine({"C": 0.10}).gate()
    assert [key.label for key in found.regressions] == ["C"]
    verdicts = {key.label: each.verdict for key, each in found.comparisons.items()}
    assert verdicts == dict.fromkeys("ABDEF", "same") | {"C": "slower"}
    slow = found.comparisons[KEYS[2]]
    assert slow.effect == pytest.approx(0.10, abs=0.02)
    assert slow.low < slow.effect < slow.high
    assert slow.value_b / slow.value_a == pytest.approx(1.10, abs=0.03)
    assert slow.replicates_a == slow.replicates_b == found.replicates[KEYS[2]].pairs


def test_a_faster_case_is_no_regression():
    found = Machine({"A": -0.2}).gate()
    assert found.comparisons[KEYS[0]].verdict == "faster"
    assert not found.regressions


def test_replicates_are_added_only_while_a_verdict_is_missing():
    found = Machine({"A": 0.5}, noise=0.02, seed=3).gate()
    pairs = {key.label: case.pairs for key, case in found.replicates.items()}
    assert pairs["A"] == 13  # as soon as the draw has outcomes enough for six cases
    assert max(pairs.values()) > 13
    assert set(pairs.values()) <= {6, 13, 26, 52, 104, 208}


def test_a_wild_machine_leaves_unclear_what_it_cannot_tell():
    found = Machine(noise=0.3).gate(looks=2)
    assert {each.verdict for each in found.comparisons.values()} == {"unclear"}
    assert len(found.undecided) == len(KEYS)
    assert all("quieter machine" in each.reason for each in found.comparisons.values())


def test_the_budget_ends_it_and_is_named():
    machine = Machine(noise=0.05)
    found = machine.gate(budget=60.0)
    assert found.spent
    assert machine.now < 60.0 + 2
    assert all("budget of 60 s is spent" in c.reason for c in found.comparisons.values())
    barely = Machine().gate(budget=5.0)
    reasons = [each.reason for each in barely.comparisons.values()]
    counts = Counter(reason.partition(":")[0] for reason in reasons)
    assert counts == {"not measured": 3, "1 pairs say nothing": 3}


def sides(machine):
    return "".join(side for side, _ in machine.order)


def test_a_coin_of_its_own_says_of_each_pair_which_version_runs_first():
    machine = Machine(noise=0.3)
    machine.gate(KEYS[:1])
    order = sides(machine)
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    assert set(pairs) == {"ab", "ba"}
    assert 0.35 < pairs.count("ab") / len(pairs) < 0.65
    followed = Counter(map("".join, pairwise(pairs)))
    assert min(followed[x] for x in ("abab", "abba", "baab", "baba")) > 0.15 * len(pairs)
    again = Machine(noise=0.3)
    again.gate(KEYS[:1])
    assert again.order == machine.order
    other = Machine(noise=0.3)
    other.gate(KEYS[:1], seed=1)
    assert sides(other) != order


def test_time_goes_to_the_case_that_is_nearest_to_a_verdict():
    """Five cases far too noisy to be told, and one that needs a few pairs more."""
    noisy = dict.fromkeys("ABCDE", 0.3)
    machine = Machine({"F": 0.06}, noise=0.02, noises=noisy, seed=1)
    found = machine.gate(budget=6 * 12 + 50)
    pairs = {key.label: case.pairs for key, case in found.replicates.items()}
    assert found.comparisons[KEYS[5]].verdict == "slower"
    assert pairs["F"] > max(pairs[x] for x in "ABCDE" if pairs[x] == 6)


def test_a_drift_of_the_machine_is_no_difference():
    """The machine slows down by 1 % per process, ten times what is between the versions."""
    found = Machine(drift=0.01, noise=0.005).gate(KEYS[:1])
    assert found.comparisons[KEYS[0]].verdict == "same"


def test_what_fails_is_told_apart():
    machine = Machine(broken={("a", "A"), ("b", "B"), ("a", "C"), ("b", "C")})
    found = machine.gate()
    verdicts = {key.label: each for key, each in found.comparisons.items()}
    assert [verdicts[x].verdict for x in "ABC"] == ["new", "failed", "failed"]
    assert [verdicts[x].regression for x in "ABC"] == [False, True, False]
    assert "fails in both versions: error: ValueError: no" in verdicts["C"].reason
    assert verdicts["D"].verdict == "same"
    assert [key.label for key in found.regressions] == ["B"]
    assert [key.label for key in found.undecided] == ["C"]
    runs = Counter((side, key.label) for side, key in machine.order)
    assert all(runs[side, x] <= 2 for side in "ab" for x in "ABC")  # not again and again


def test_a_crash_after_many_replicates_counts():
    machine = Machine()

    def measure(side, key):
        late = side == "b" and machine.now > 15
        return FAILED if late else machine.measure(side, key)

    found = gate(KEYS[:1], measure, machine.clock, Settings())
    assert found.comparisons[KEYS[0]].verdict == "failed"
    assert found.comparisons[KEYS[0]].regression


def test_false_alarms_stay_rare_though_it_looks_six_times():
    alarms = trials = 0
    for seed in range(40):
        found = Machine(noise=0.04, seed=seed).gate(min_effect=0.0)
        verdicts = [each.verdict for each in found.comparisons.values()]
        alarms += sum(verdict in ("slower", "faster") for verdict in verdicts)
        trials += len(verdicts)
    assert trials == 240
    assert alarms <= 2


def test_the_floor_is_that_of_pairs_and_shrinks_with_their_number():
    rng = random.Random(0)
    differences = [0.5 + rng.gauss(0, 0.02) for _ in range(1600)]
    found = math.log1p(floor_of_pairs(differences, 0.5))  # what the versions differ by is no noise
    assert found == pytest.approx(2 * 0.02 / 40, rel=0.1)
    fewer = math.log1p(floor_of_pairs(differences[:400], 0.5))
    assert fewer == pytest.approx(2 * found, rel=0.1)
    assert floor_of_pairs([], 0.0) == floor_of_pairs([0.1] * 9, 0.1) == 0.0


def test_the_floor_sees_a_second_mode_and_no_disturbed_few():
    """Of two modes half of the pairs meet the same one; their median distance is 0."""
    modes = [0.0, 0.1, 0.0, -0.1] * 6
    assert floor_of_pairs(modes, 0.0) > 0.02
    assert floor_of_pairs([0.0] * 20 + [0.5, -0.5, 0.6, -0.4], 0.0) == 0.0


def test_two_speeds_of_one_version_are_told_from_a_spread():
    rng = random.Random(1)
    level = lambda: math.log(1.1) * rng.randrange(2)  # noqa: E731
    modes = [math.exp(level() + rng.gauss(0, 0.002)) for _ in range(24)]
    assert apart(modes) == pytest.approx(0.1, abs=0.01)
    assert apart(modes[:8]) is None  # too few
    assert apart([1.0] * 24) is None
    assert not any(apart([math.exp(rng.gauss(0, 0.02)) for _ in range(24)]) for _ in range(100))


def test_what_is_unclear_says_what_would_help():
    rng = random.Random(2)

    def two_speeds(side, key):
        return Timed(math.exp(0.15 * rng.randrange(2) + rng.gauss(0, 0.001)))

    now = iter(range(10**6))
    found = gate(KEYS, two_speeds, lambda: float(next(now)), Settings(budget=100))
    reasons = [each.reason for each in found.comparisons.values() if each.verdict == "unclear"]
    assert any("two speeds 15." in reason and "pin the clocks" in reason for reason in reasons)
    assert not any("two speeds" in reason for reason in reasons if "after 6 pairs" in reason)
    spent = Machine(noise=0.03).gate(budget=80.0)
    reasons = [each.reason for each in spent.comparisons.values() if each.verdict == "unclear"]
    assert any("pairs would settle it with this spread: raise it" in each for each in reasons)
    assert all("budget of 80 s is spent" in reason for reason in reasons)
    assert all("quieter machine" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("machine", "code", "said"),
    [
        (Machine(), 0, "passed: none of 6 cases worse"),
        (Machine({"B": 0.2}), 1, "failed: 1 of 6 cases worse: B (+"),
        (Machine(broken={("b", "E")}), 1, "failed: 1 of 6 cases worse: E (failed)"),
        (Machine(noise=0.5), 3, "undecided: 6 of 6 cases: A, B, C, D, E, F"),
        (Machine(broken={("a", "A"), ("b", "A")}), 3, "undecided: 1 of 6 cases: A"),
        (Machine({"B": 0.2}, broken={("a", "A"), ("b", "A")}), 1, "failed: 1 of 6 cases worse"),
        (Machine(broken={("a", "A")}), 0, "passed: none of 6 cases worse"),
    ],
)
def test_exit_code_summary_table_and_json_say_the_same(machine, code, said):
    here = Path("/somewhere")
    before, after = (Checkout(name, here, "0" * 40, False) for name in ("main", "working tree"))
    report = report_of("mine", before, after, machine.gate(), Settings(), "a note")
    assert report.found.exit_code == code
    assert outcome(report).startswith(said)
    data = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert data["exit_code"] == code
    verdicts = {each["label"]: each["verdict"] for each in data["comparisons"]}
    table = gate_table(report)
    assert {line[0]: line[-1] for line in table.lines} == verdicts
    if code == 1:
        assert verdicts[table.lines[0][0]] in ("slower", "failed")
    assert "a note" in table.footnotes


@pytest.mark.parametrize(
    "wrong", [{"looks": 0}, {"budget": 0.0}, {"alpha": 1.0}, {"min_effect": -0.1}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"looks is|budget is"):
        Settings(**wrong)


def test_no_verdict_is_taken_back_by_what_comes_later():
    """After its verdict a case is not measured again, whatever becomes of the others."""
    machine = Machine({"A": 0.5}, noise=0.03, seed=4)
    found = machine.gate()
    last = max(i for i, (_, key) in enumerate(machine.order) if key.label == "A")
    assert found.comparisons[KEYS[0]].verdict == "slower"
    assert last < len(machine.order) / 2
