"""The sections of the self-check that measure, on this processor."""

import time

import pytest
import torch

from harness.case import Case
from harness.measure.roofline.bench import CpuBench
from harness.selfcheck.finding import NO_TIME
from harness.selfcheck.sections import equal_versions, exclusion, memory, outputs, roofs, timing
from harness.selfcheck.setting import Setting


@pytest.fixture
def check(tmp_path):
    """What a section finds within some seconds, by name; less what it had no time for."""

    def run(section, seconds):
        setting = Setting("cpu", tmp_path, time.monotonic() + seconds)
        found = list(section.check(setting))
        assert found
        return {each.name: each for each in found if each.said != NO_TIME}

    return run


@pytest.mark.slow
def test_modules_are_held_against_float64(check, monkeypatch):
    monkeypatch.setattr(outputs, "SUITES", ("ranet_table3",))
    found = check(outputs, 12)
    assert found["ranet_table3: Asymmetric NL"].figures.keys() == {"ieee", "bfloat16", "gradients"}
    for each in found.values():
        assert each.verdict == "pass", each
        assert 0 < each.figures["ieee"] < each.figures["bfloat16"]


class Wrong(torch.nn.Module):
    """Computes something else in bfloat16, as a broken kernel of a device would."""

    def __init__(self, in_channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.weight * (1.2 if x.dtype is torch.bfloat16 else 1.0)


def test_an_output_that_is_wrong_is_seen(check, monkeypatch):
    case = Case("test_sections_here:Wrong", {}, ((1, 2, 4, 4),))
    monkeypatch.setattr(outputs, "_cases", lambda side: [("wrong", case, (__file__[:-22],))])
    (found,) = check(outputs, 30).values()
    assert found.verdict == "fail"
    assert found.figures["ieee"] < 1e-6
    assert found.figures["bfloat16"] == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize(
    ("found", "truth", "error"),
    [
        ([[3.0, 4.0]], [[3.0, 4.0]], 0.0),
        ([[3.0, 5.0]], [[3.0, 4.0]], 0.2),
        ([[0.0]], [[0.0]], 0.0),
        ([[float("nan")]], [[1.0]], float("inf")),
        ([], [[1.0]], float("inf")),
        ([[1.0], [2.0]], [[1.0], [1.0]], 1.0),
    ],
)
def test_the_relative_error(found, truth, error):
    both = ([torch.tensor(each) for each in side] for side in (found, truth))
    assert outputs.relative_error(*both) == pytest.approx(error)


@pytest.mark.slow
def test_memory_is_held_against_the_allocator(check):
    found = check(memory, 8)
    assert found
    for each in found.values():
        assert each.verdict == "pass", each
        assert each.figures["ratio"] == pytest.approx(1, abs=memory.LIMIT)


@pytest.mark.slow
def test_times_stand_beside_those_of_another_timer(check, monkeypatch):
    """What they come to depends on what else runs here, so the ratio is no more than sensible."""
    monkeypatch.setattr(timing, "ROUNDS", {"cpu": 1})
    found = check(timing, 5)
    for each in found.values():
        assert each.figures["ratio"] == pytest.approx(
            each.figures["seconds"] / each.figures["torch.utils.benchmark"]
        )
        assert 0.1 < each.figures["ratio"] < 10


@pytest.mark.parametrize(("seconds", "verdict"), [(1.0, "pass"), (1.3, "fail"), (0.7, "fail")])
def test_a_timer_that_reads_otherwise_is_seen(check, monkeypatch, seconds, verdict):
    times = {"latency_seconds": seconds, "latency_flags": []}
    monkeypatch.setattr(timing, "measure_latency", lambda job: times)
    monkeypatch.setattr(timing, "peers", lambda device: {"other": lambda run: 1.0})
    monkeypatch.setattr(timing, "_SUITES", {"cpu": ("ocnet_figure4",)})
    monkeypatch.setattr(timing, "_SIDE", {"cpu": 8})
    found = check(timing, 20)
    assert {each.verdict for each in found.values()} == {verdict}


@pytest.mark.slow
def test_ceilings_stand_beside_those_of_another_timer(check, monkeypatch):
    monkeypatch.setattr(CpuBench, "sides", (256, 512))
    monkeypatch.setattr(CpuBench, "dtypes", ("float32",))
    found = check(roofs, 30)
    assert found.keys() == {"bandwidth", "float32"}
    for each in found.values():
        assert 0.1 < each.figures["ratio"] < 10


@pytest.mark.slow
def test_two_runs_take_turns(check):
    found = check(exclusion, 30)
    assert {name: each.verdict for name, each in found.items()} == {
        "both end": "pass",
        "one after the other": "pass",
        "the one that waits says so": "pass",
    }


def test_passes_side_by_side_are_seen(tmp_path):
    log = tmp_path / "passes.log"
    log.write_text("[1, 5.0]\n[2, 6.0]\n[1, 7.0]\n[2, 8.5]\n")
    assert exclusion.spans_of(log) == [(5.0, 7.0), (6.0, 8.5)]
    assert exclusion.spans_of(tmp_path / "none") == []


@pytest.mark.slow
def test_the_gate_leaves_equal_versions_alone(check):
    found = check(equal_versions, 30)
    assert found.keys() == {"Interlaced", "Pyramid", "Squeeze"}
    for each in found.values():
        assert each.verdict == "pass", each
