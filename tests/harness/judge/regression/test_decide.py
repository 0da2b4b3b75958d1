"""Verdicts: each kind, what they do not depend on, and how often they are wrong."""

import math
import random
from collections import Counter
from statistics import median

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.verdict import Limits, decide
from harness.judge.statistics.decision import MIN_EFFECT

KEY = CaseMetric("suite", "case", "key")
PARAMS = CaseMetric("suite", "case", "key", "params")
RESIDENT = CaseMetric("suite", "case", "key", "resident_peak_bytes")

OPPOSITE = {"faster": "slower", "slower": "faster", "new": "gone", "gone": "new"}
STEADY = (1.0, 1.001, 0.999, 1.0005, 0.9995)

sides = st.lists(st.floats(min_value=0.5, max_value=2.0), min_size=1, max_size=7)


def scaled(values, factor):
    return tuple(value * factor for value in values)


def verdict(a, b, key=KEY, **limits):
    return decide({key: a}, {key: b}, Limits(**limits))[key]


def grid(draw, number, replicates, factor=1.0, noise=None):
    """Two versions of so many cases, the second slower by a factor."""
    noise = noise or (lambda: draw.gauss(0, 0.01))
    a, b = {}, {}
    for index in range(number):
        key = CaseMetric("suite", str(index), str(index))
        level = math.exp(draw.uniform(-8, 1))
        a[key] = [level * math.exp(noise()) for _ in range(replicates)]
        b[key] = [level * factor * math.exp(noise()) for _ in range(replicates)]
    return a, b


def tally(a, b, **limits):
    return Counter(each.verdict for each in decide(a, b, Limits(**limits)).values())


@pytest.mark.parametrize(
    ("factor", "expected"), [(1.1, "slower"), (1 / 1.1, "faster"), (1.0, "same"), (1.004, "same")]
)
def test_steady_processes(factor, expected):
    found = verdict(STEADY, scaled(STEADY, factor))
    assert found.verdict == expected
    assert found.effect == pytest.approx(factor - 1)
    assert found.low < found.effect < found.high
    assert found.regression == (expected == "slower")


def test_a_surely_different_but_small_effect_is_the_same():
    found = verdict(STEADY, scaled(STEADY, 1.01))
    assert found.p_adjusted < 0.01
    assert found.verdict == "same"


def test_equal_means_with_much_spread_are_not_the_same():
    loud = (1.0, 1.1, 0.9, 1.05, 0.95)
    found = verdict(loud, loud)
    assert found.effect == 0
    assert found.verdict == "unclear"


def test_more_is_said_of_what_is_no_time():
    assert verdict(STEADY, scaled(STEADY, 1.1), RESIDENT).verdict == "more"
    assert verdict(STEADY, scaled(STEADY, 0.9), RESIDENT).verdict == "less"


def test_the_noise_floor_raises_the_least_effect():
    b = scaled(STEADY, 1.05)
    assert verdict(STEADY, b, noise_floor={"latency_seconds": 0.04}).verdict == "slower"
    assert verdict(STEADY, b, noise_floor={"latency_seconds": 0.08}).verdict == "same"
    assert verdict(STEADY, b, noise_floor={"energy_joules": 0.08}).verdict == "slower"


def processes_needed(comparison):
    return int(comparison.reason.split("; ")[1].split()[0])


def test_much_spread_is_unclear_and_says_how_many_processes_would_do():
    a = (1.0, 1.1, 0.9, 1.05, 0.95)
    found = verdict(a, a)
    assert found.verdict == "unclear"
    needed = processes_needed(found)
    assert processes_needed(verdict(a, scaled(a, 1.1))) < needed / 10
    assert processes_needed(verdict(a, scaled(a, 1 / 1.1))) < needed / 10
    draw = random.Random(3)
    spread = 0.079  # standard deviation of the logarithms of a
    detected = 0
    for _ in range(200):
        before = [math.exp(draw.gauss(0, spread)) for _ in range(needed)]
        after = [math.exp(draw.gauss(0, spread)) * (1 + MIN_EFFECT) for _ in range(needed)]
        detected += verdict(before, after).p < 0.01
    assert 0.7 <= detected / 200 <= 0.9  # planned for 0.8


@pytest.mark.parametrize("counts", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_too_few_processes_are_unclear_however_large_the_effect(counts):
    found = verdict([1.0] * counts[0], [2.0] * counts[1])
    assert found.verdict == "unclear"
    assert found.effect == pytest.approx(1.0)
    assert found.p is None
    assert "at least 3 a side" in found.reason
    assert "repeats: 5" in found.reason


@pytest.mark.parametrize(
    ("old", "new", "expected"), [(216, 216, "same"), (216, 217, "more"), (216, 215, "less")]
)
def test_exact_metrics_are_exact_with_one_process(old, new, expected):
    found = verdict([old], [new], PARAMS)
    assert found.verdict == expected
    assert found.regression == (expected == "more")
    assert found.effect == pytest.approx(new / old - 1)


def test_exact_metrics_from_and_to_zero():
    assert verdict([0], [0], PARAMS).verdict == "same"
    assert verdict([0], [3], PARAMS).effect == math.inf
    assert verdict([3], [0], PARAMS).effect == -1


def test_processes_that_disagree_on_an_exact_metric():
    found = verdict([216, 217], [216, 216], PARAMS)
    assert found.verdict == "unclear"
    assert "first run disagree" in found.reason


def test_new_and_gone():
    other = CaseMetric("suite", "other", "other")
    found = decide({KEY: [1.0]}, {other: [2.0]})
    assert {key: each.verdict for key, each in found.items()} == {other: "new", KEY: "gone"}
    assert not any(each.regression for each in found.values())


def test_one_difference_among_many_needs_a_smaller_p():
    """The p value that is enough alone is not when five hundred others were asked as well."""
    a, b = (1.0, 1.01, 0.99, 1.02, 0.98), (1.04, 1.05, 1.03, 1.06, 1.02)
    alone = verdict(a, b)
    assert alone.verdict == "slower"
    before, after = grid(random.Random(1), 500, 5)
    among = decide(before | {KEY: a}, after | {KEY: b})[KEY]
    assert among.p == alone.p < 0.01 < among.p_adjusted
    assert among.verdict == "unclear"


@settings(deadline=None, max_examples=100)
@given(a=sides, b=sides)
def test_exchanging_the_sides_exchanges_the_verdict(a, b):
    there, back = verdict(a, b), verdict(b, a)
    # Where rounding decides, the two may differ.
    assume(there.p is None or abs(there.p_adjusted - 0.01) > 1e-9)
    assume(abs(abs(math.log1p(there.effect)) - math.log1p(MIN_EFFECT)) > 1e-9)
    assert back.verdict == OPPOSITE.get(there.verdict, there.verdict)
    assert (1 + back.effect) * (1 + there.effect) == pytest.approx(1)


@settings(deadline=None, max_examples=50)
@given(a=sides, b=sides, seed=st.integers(0, 99))
def test_the_order_of_processes_does_not_matter(a, b, seed):
    shuffled = list(b)
    random.Random(seed).shuffle(shuffled)
    there, here = verdict(a, b), verdict(a, shuffled)
    assert there.verdict == here.verdict
    assert there.effect == pytest.approx(here.effect, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "limits",
    [{"alpha": 0.0}, {"min_effect": -0.1}, {"noise_floor": {"params": math.nan}}, {"alpha": 1.0}],
)
def test_limits_out_of_range(limits):
    with pytest.raises(ValueError, match=r"probability|shares"):
        Limits(**limits)


def noises(draw):
    """Of one process of equal code, on machines of several kinds."""
    return {
        "quiet": lambda: draw.gauss(0, 0.003),
        "usual": lambda: draw.gauss(0, 0.01),
        "loud": lambda: draw.gauss(0, 0.06),
        "skewed": lambda: draw.expovariate(1 / 0.02),
        "neighbour": lambda: draw.gauss(0, 0.01) + (0.3 if draw.random() < 0.2 else 0.0),
    }


@pytest.mark.parametrize("kind", ["quiet", "usual", "loud", "skewed", "neighbour"])
@pytest.mark.parametrize("replicates", [3, 5, 10])
def test_at_most_one_false_alarm_in_a_hundred_equal_pairs(kind, replicates):
    draw = random.Random(7)
    a, b = grid(draw, 500, replicates, noise=noises(draw)[kind])
    found = tally(a, b)
    assert found["slower"] + found["faster"] <= 5


@pytest.mark.parametrize(
    ("factor", "replicates", "least"),
    [(1.03, 5, 0.6), (1.03, 8, 0.9), (1.05, 5, 0.99), (1.1, 3, 0.8)],
)
def test_slow_downs_are_found(factor, replicates, least):
    """With a spread of 1 % between processes, 300 cases at once, all of them slower."""
    found = tally(*grid(random.Random(11), 300, replicates, factor))
    assert found["slower"] / 300 >= least
    assert found["faster"] == 0


def test_one_slow_case_among_many_is_found_and_nothing_else():
    a, b = grid(random.Random(5), 200, 5)
    slow = CaseMetric("suite", "17", "17")
    b[slow] = [value * 1.1 for value in b[slow]]
    found = decide(a, b)
    assert [key for key, each in found.items() if each.regression] == [slow]


def test_samples_of_one_process_are_no_replicates():
    """What the whole design rests on: the same test on samples of one process alarms all the time.

    Each process shifts all its samples by some 2 %, around which they spread by 2 % more.
    """
    draw = random.Random(2)
    pooled, medians = ({}, {}), ({}, {})
    for index in range(200):
        key = CaseMetric("suite", str(index), str(index))
        for side in (0, 1):
            processes = []
            for _ in range(5):
                shift = draw.gauss(0, 0.02)
                processes.append([math.exp(shift + draw.gauss(0, 0.02)) for _ in range(40)])
            pooled[side][key] = processes[0]
            medians[side][key] = [median(process) for process in processes]
    false = tally(*pooled)
    assert false["slower"] + false["faster"] > 60
    fair = tally(*medians)
    assert fair["slower"] + fair["faster"] <= 2
