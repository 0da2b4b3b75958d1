"""The gate on a simulated machine: time and noise are given, verdicts follow."""

import json
import math
import random
from collections import Counter
from pathlib import Path

import pytest

from harness.judge.regression.gate import Interleaved, Settings, Timed, floor_of_pairs, gate
from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.session import report_of
from harness.judge.regression.version import Checkout
from harness.present.comparison import gate_table, outcome

KEYS = [CaseMetric("suite", name, name) for name in "ABCDEF"]
FAILED = Timed(None, "error", "ValueError: no")


class Machine:
    """Simulated: every process takes a second of a clock, and its noise is log-normal."""

    def __init__(self, effects=None, noise=0.01, seed=0, broken=(), drift=0.0):
        self.effects, self.noise, self.broken = effects or {}, noise, set(broken)
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
        return Timed(0.002 * slower * mood * math.exp(self.rng.gauss(0, self.noise)))

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
    assert pairs["A"] == 6
    assert max(pairs.values()) > 6
    assert set(pairs.values()) <= {6, 12, 24, 48}


def test_a_wild_machine_leaves_unclear_what_it_cannot_tell():
    found = Machine(noise=0.3).gate(looks=(6, 12))
    assert {each.verdict for each in found.comparisons.values()} == {"unclear"}
    assert len(found.undecided) == len(KEYS)
    assert all("quieter machine" in each.reason for each in found.comparisons.values())


def test_the_budget_ends_it_and_is_named():
    machine = Machine(noise=0.05)
    found = machine.gate(budget=60.0)
    assert found.spent
    assert machine.now < 60.0 + 4
    assert all("budget of 60 s is spent" in c.reason for c in found.comparisons.values())
    barely = Machine().gate(budget=5.0)
    reasons = [each.reason for each in barely.comparisons.values()]
    assert Counter(reason.partition(":")[0] for reason in reasons)["not measured"] == 4


def test_processes_of_both_versions_alternate_in_balanced_blocks():
    machine = Machine()
    machine.gate(KEYS[:1], looks=(12,))
    sides = "".join(side for side, _ in machine.order)
    blocks = [sides[i : i + 4] for i in range(0, len(sides), 4)]
    assert len(blocks) == 6
    assert set(blocks) == {"abba", "baab"}
    again = Machine()
    again.gate(KEYS[:1], looks=(12,))
    assert again.order == machine.order
    other = Machine()
    other.gate(KEYS[:1], looks=(12,), seed=1)
    assert other.order != machine.order


def test_a_drift_of_the_machine_is_no_difference():
    """The machine slows down by 1 % per process, ten times what is between the versions."""
    found = Machine(drift=0.01, noise=0.005).gate(KEYS[:1], looks=(24,))
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


def test_false_alarms_stay_rare_though_it_looks_four_times():
    alarms = trials = 0
    for seed in range(40):
        found = Machine(noise=0.04, seed=seed).gate(min_effect=0.0)
        verdicts = [each.verdict for each in found.comparisons.values()]
        alarms += sum(verdict in ("slower", "faster") for verdict in verdicts)
        trials += len(verdicts)
    assert trials == 240
    assert alarms <= 2


def test_the_floor_is_that_of_equal_pairs_and_shrinks_with_their_number():
    rng = random.Random(0)
    cases = []
    for effect in (0.0, 0.5):  # a difference between the versions is no noise
        case = Interleaved()
        case.a = [math.exp(rng.gauss(0, 0.02)) for _ in range(400)]
        case.b = [math.exp(effect + rng.gauss(0, 0.02)) for _ in range(400)]
        cases.append(case)
    one = floor_of_pairs(cases, 1)
    assert one == pytest.approx(math.expm1(2 * 0.02 * math.sqrt(2)), rel=0.1)
    assert math.log1p(floor_of_pairs(cases, 16)) == pytest.approx(math.log1p(one) / 4)
    assert floor_of_pairs([], 5) == floor_of_pairs(cases, 0) == 0.0


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
    "wrong",
    [
        {"looks": ()}, {"looks": (6, 6)}, {"looks": (5,)}, {"looks": (2, 6)}, {"budget": 0.0},
        {"alpha": 1.0}, {"min_effect": -0.1},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"looks are|budget is"):
        Settings(**wrong)


def test_every_look_that_may_come_costs_a_share_of_alpha():
    """What is sure enough for one look is not for one of four."""

    def gated(looks):
        steps = iter((-3, -2, -1, 1, 2, 3))
        now = iter(range(1000))

        def measure(side, key):
            return Timed(math.exp(0.05 + 0.006 * next(steps)) if side == "b" else 1.0)

        # The clock is read at the start, before each block and at the end: three blocks, no more.
        settings = Settings(looks=looks, budget=3.5)
        return gate(KEYS[:1], measure, lambda: float(next(now)), settings).comparisons[KEYS[0]]

    once, often = gated((6,)), gated((6, 12, 24, 48))
    assert once.p_adjusted == often.p_adjusted
    assert 0.01 / 4 < once.p_adjusted < 0.01
    assert (once.verdict, often.verdict) == ("slower", "unclear")
