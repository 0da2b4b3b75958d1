"""Latency: what the samples say, which warnings they call for, and the ruler as a whole."""

import statistics

import made_subjects
import pytest
from made_jobs import made_job

from harness.measure.latency import measure_latency, summarise
from harness.measure.sampling import Sampled


def spread(share, count=41):
    """Samples with median 1 whose quartiles are `share` apart."""
    return tuple(1 + 2 * share * (i / (count - 1) - 0.5) for i in range(count))


def summary(samples, *flags):
    return summarise(Sampled((9.0, 8.0), tuple(samples), flags))


def test_figures():
    figures = summary([4.0, 1.0, 3.0, 2.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    assert figures["latency_seconds"] == 5.0
    assert (figures["latency_q1_seconds"], figures["latency_q3_seconds"]) == (3.0, 7.0)
    assert (figures["latency_low_seconds"], figures["latency_high_seconds"]) == (2.0, 8.0)
    assert figures["latency_confidence"] == 1 - 2 * (1 + 9) / 2**9
    assert figures["latency_samples_seconds"] == [4.0, 1.0, 3.0, 2.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert figures["latency_warmup_seconds"] == [9.0, 8.0]


@pytest.mark.parametrize(
    ("share", "warning"),
    [
        (0.0, None),
        (0.09, None),
        (0.12, "noisy: IQR is 12% of the median"),
        (0.24, "noisy: IQR is 24% of the median"),
        (0.26, "very noisy: IQR is 26% of the median; do not compare this row"),
    ],
)
def test_noise_is_named(share, warning):
    assert summary(spread(share))["warnings"] == ([warning] if warning else [])


@pytest.mark.parametrize(("count", "confidence"), [(1, "0%"), (2, "50%"), (3, "75%"), (5, "94%")])
def test_few_samples_are_named(count, confidence):
    figures = summary([1.0] * count)
    taken = "1 sample" if count == 1 else f"{count} samples"
    assert figures["warnings"] == [
        f"{taken}: the interval is their range (confidence {confidence})"
    ]


def test_six_samples_are_enough_for_the_interval():
    assert summary([1.0] * 6)["warnings"] == []


def test_flags_of_the_sampling_stand_first():
    warnings = summary([1.0], "the warm-up did not become steady")["warnings"]
    assert warnings[0] == "the warm-up did not become steady"
    assert len(warnings) == 2


def test_wait_of_known_length_through_the_whole_metric():
    figures = measure_latency(made_job("BusyWait", (1, 1, 2, 2)))
    samples = figures["latency_samples_seconds"]
    real = made_subjects.spins[-len(samples) :]
    assert len(samples) >= 10
    assert min(samples) >= made_subjects.BusyWait.LENGTH
    # Against what each wait really took. A busy neighbour lengthens both, and now and then what
    # lies between them, but not in three of four passes.
    beside = [sample - wait for sample, wait in zip(samples, real, strict=True)]
    assert min(beside) > 0
    assert statistics.quantiles(beside)[0] < 0.025 * made_subjects.BusyWait.LENGTH


def test_training_is_timed_with_its_interval():
    figures = measure_latency(made_job("Tied", pass_="training"))
    assert figures["latency_seconds"] > 0
    assert figures["latency_low_seconds"] <= figures["latency_seconds"]
    assert figures["latency_seconds"] <= figures["latency_high_seconds"]


@pytest.mark.parametrize(("niceness", "warned"), [(-5, False), (0, False), (15, True)])
def test_a_low_priority_is_named(monkeypatch, niceness, warned):
    monkeypatch.setattr("os.getpriority", lambda which, who: niceness)
    warnings = measure_latency(made_job("Tied"))["warnings"]
    said = [each for each in warnings if "niceness 15" in each]
    assert bool(said) is warned
