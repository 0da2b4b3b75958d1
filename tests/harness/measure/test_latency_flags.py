"""Flags of a latency: raised by the samples, none of which is dropped."""

from dataclasses import replace

import pytest
from made_jobs import made_job

from harness.case import Timing
from harness.measure.latency import measure_latency, summarise
from harness.measure.sampling import Sampled

STEADY = tuple(1.0 + 0.001 * (i % 7) for i in range(20))


def flags(samples, throttled=(), **sampled):
    return summarise(Sampled((1.0, 1.0), tuple(samples), **sampled), throttled)


def test_a_quiet_measurement_has_none():
    figures = flags(STEADY, [False] * 20)
    assert figures["latency_flags"] == []
    assert figures["warnings"] == []


def test_an_outlier_is_flagged_and_kept():
    figures = flags([*STEADY, 5.0])
    assert figures["latency_flags"] == ["outlier"]
    assert figures["latency_outlier_samples"] == [20]
    assert figures["latency_samples_seconds"] == [*STEADY, 5.0]


@pytest.mark.parametrize(("said", "raised"), [(True, True), (False, False), (None, False)])
def test_throttled_samples_are_told_by_their_indices(said, raised):
    figures = flags(STEADY, [False] * 19 + [said])
    assert ("throttled" in figures["latency_flags"]) is raised
    assert figures["latency_throttled_samples"] == ([19] if raised else [])
    assert len(figures["latency_samples_seconds"]) == 20


def test_too_few_unmet_and_unsteady():
    figures = flags([1.0] * 3, unmet="3 of 10 samples", steady=False)
    assert figures["latency_flags"] == ["too few", "unmet", "unsteady"]
    assert figures["latency_unmet"] == "3 of 10 samples"


class FakeClock:
    """Each reading is one second after the last."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_the_whole_metric_on_a_fake_clock():
    timing = Timing("fixed", samples=12, max_time=1e6)
    figures = measure_latency(replace(made_job("Tied"), timing=timing), FakeClock())
    assert figures["latency_samples_seconds"] == [1.0] * 12
    assert figures["latency_warmup_seconds"] == [1.0, 1.0]
    assert figures["latency_flags"] == []
    assert figures["threads"] >= 1
    assert figures["latency_cache"] == "hot"
    assert "compile_seconds" not in figures


def test_a_graph_on_the_cpu_is_refused_in_words():
    timing = Timing("fixed", samples=6, max_time=1e6, cuda_graph=True)
    figures = measure_latency(replace(made_job("Tied"), timing=timing), FakeClock())
    assert "no CUDA graph: the case runs on the CPU" in figures["warnings"]
