"""Replicates: processes of one case are one row, and its interval holds what it promises."""

import math
import random

import pytest

from harness.judge.statistics.intervals import median_interval
from harness.present.rows import combine
from harness.records.quantities.registry import QUANTITIES


def row(label, seconds, **more):
    return {
        "suite": "s",
        "label": label,
        "case_key": label,
        "status": "ok",
        "cause": None,
        "params": 12,
        "coverage": True,
        "latency_seconds": seconds,
        "latency_samples_seconds": [seconds, seconds],
        "latency_flags": [],
        "warnings": [],
        "elapsed_seconds": 1.0,
        "replicate": 1,
        **more,
    }


def lost(label, cause):
    return row(label, None, status="oom", cause=cause, latency_samples_seconds=None)


def test_a_case_of_one_process_stays_as_it_is():
    rows = [row("A", 1.0), row("B", 2.0)]
    assert combine(rows) == rows


def test_the_row_is_the_median_of_the_processes():
    (made,) = combine([row("A", each) for each in (5.0, 1.0, 2.0, 4.0, 3.0)])
    assert made["latency_seconds"] == 3.0
    assert (made["latency_low_seconds"], made["latency_high_seconds"]) == (1.0, 5.0)
    assert made["latency_confidence"] == 1 - 2 / 2**5
    assert made["latency_processes_seconds"] == [5.0, 1.0, 2.0, 4.0, 3.0]
    assert made["latency_samples_seconds"] == [5.0, 5.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 3.0, 3.0]
    assert (made["processes"], made["params"], made["elapsed_seconds"]) == (5, 12, 5.0)
    assert QUANTITIES["latency_spread"].number(made) == pytest.approx(4 / 3)


def test_cases_keep_their_order_and_apart():
    rows = [row("A", 1.0), row("B", 2.0), row("A", 3.0), row("B", 4.0)]
    assert [(each["label"], each["latency_seconds"]) for each in combine(rows)] == [
        ("A", 2.0),
        ("B", 3.0),
    ]


def test_other_numbers_that_differ_become_their_median_too():
    rows = [row("A", 1.0, resident_peak_bytes=size, energy=None) for size in (10, 30, 20)]
    (made,) = combine(rows)
    assert made["resident_peak_bytes"] == 20
    assert made["energy"] is None
    assert made["coverage"] is True


def test_flags_and_warnings_are_united():
    first = row("A", 1.0, latency_flags=["outlier"], warnings=["x", "z"], latency_warnings=["z"])
    second = row("A", 1.0, latency_flags=["outlier", "unmet"], warnings=["y", "x"])
    (made,) = combine([first, second])
    assert made["latency_flags"] == ["outlier", "unmet"]
    assert made["warnings"] == [
        "x",
        "y",
        "latency of 2 processes: outlier in 2, unmet in 1",
    ]


def test_one_lost_process_is_named_and_the_others_count():
    (made,) = combine([row("A", 1.0), lost("A", "out of memory"), row("A", 3.0)])
    assert (made["status"], made["cause"]) == ("oom", "process 2 of 3: out of memory")
    assert made["latency_seconds"] == 2.0


def test_all_lost():
    (made,) = combine([lost("A", "no"), lost("A", "no")])
    assert (made["status"], made["latency_seconds"]) == ("oom", None)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_interval_of_five_processes_holds_the_true_median_in_93_of_100_runs(seed):
    """Log-normal times with a tail, as latencies have: true median 1."""
    draw = random.Random(seed)
    runs, held = 4000, 0
    for _ in range(runs):
        processes = [draw.lognormvariate(0.0, 0.05) for _ in range(5)]
        (made,) = combine([row("A", each) for each in processes])
        held += made["latency_low_seconds"] <= 1.0 <= made["latency_high_seconds"]
    # 93.75 % expected; four standard deviations of 4000 draws are 1.5 points.
    assert held / runs == pytest.approx(0.9375, abs=0.0155)
    assert held / runs >= 0.922


def test_the_interval_of_samples_promises_what_it_holds():
    draw = random.Random(3)
    runs, count = 2000, 41
    held = 0
    for _ in range(runs):
        samples = [draw.expovariate(1.0) for _ in range(count)]
        interval = median_interval(samples)
        held += interval.low <= math.log(2) <= interval.high
    assert held / runs >= 0.93
