"""The noise floor: what runs of equal code differ by."""

import random
from math import exp

import pytest
from made_runs import OTHER_MACHINE, Made, latencies, run_directory

from harness.judge.regression.observed import (
    CaseMetric,
    NoiseError,
    noise_floor,
    noise_of_runs,
    observe,
)


def key(index, metric="latency_seconds"):
    return CaseMetric("suite", str(index), str(index), metric)


def test_few_pairs_give_the_largest_difference_of_either_sign():
    a = {key(0): [1.0, 1.0], key(1): [2.0], key(2): [4.0]}
    b = {key(0): [1.01, 1.01], key(1): [2.0 / 1.08], key(2): [4.1], key(3): [9.0]}
    assert noise_floor([(a, b)]) == pytest.approx({"latency_seconds": 0.08})


def test_metrics_have_floors_of_their_own_and_exact_ones_none():
    a = {key(0): [1.0], key(0, "energy_joules"): [5.0], key(0, "params"): [7]}
    b = {key(0): [1.1], key(0, "energy_joules"): [5.1], key(0, "params"): [8]}
    assert noise_floor([(a, b)]) == pytest.approx({"latency_seconds": 0.1, "energy_joules": 0.02})


def test_nineteen_of_twenty_pairs_lie_below_it():
    draw = random.Random(1)
    pairs = []
    for _ in range(10):
        a = {key(i): [exp(draw.gauss(0, 0.02))] for i in range(100)}
        b = {key(i): [exp(draw.gauss(0, 0.02))] for i in range(100)}
        pairs.append((a, b))
    # Differences of two normal values spread by sqrt(2) 2 %, 95 % of them within 1.96 of that.
    assert noise_floor(pairs)["latency_seconds"] == pytest.approx(1.96 * 2**0.5 * 0.02, rel=0.1)


def test_floor_of_runs(tmp_path):
    one = observe(run_directory(tmp_path, [Made("A", latencies(1))]))
    other = observe(run_directory(tmp_path, [Made("A", latencies(1, seconds=0.0103))]))
    assert noise_of_runs(one, [other]) == pytest.approx({"latency_seconds": 0.03})
    assert noise_of_runs(one, []) == {}


@pytest.mark.parametrize(
    ("made", "changes", "message"),
    [
        (Made("A", (0.1,)), {"machine": OTHER_MACHINE}, "noise is that of one machine"),
        (Made("A", (0.1,)), {"commit": "1" * 40}, "only runs of the same version"),
        (Made("B", (0.1,), key_channels=2), {}, "no measured case in common"),
    ],
)
def test_runs_that_say_nothing_of_noise(tmp_path, made, changes, message):
    one = observe(run_directory(tmp_path, [Made("A", (0.1,))]))
    with pytest.raises(NoiseError, match=message):
        noise_of_runs(one, [observe(run_directory(tmp_path, [made], **changes))])


def test_a_run_says_nothing_of_itself(tmp_path):
    one = observe(run_directory(tmp_path, [Made("A", (0.1,))]))
    with pytest.raises(NoiseError, match="differ from itself"):
        noise_of_runs(one, [one])
