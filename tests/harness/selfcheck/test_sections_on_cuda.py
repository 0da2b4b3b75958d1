"""What sections for GPUs make of records, without one."""

from dataclasses import replace

import pytest

from harness.case import Case, Job, Outcome, UsedGpu
from harness.records.record import Record
from harness.selfcheck.sections import energy, graphs
from harness.selfcheck.setting import Setting

CASE = Case("made", {}, ((1, 2),), device="cuda")
JOB = Job("made", "A", CASE, ("latency", "energy"), 60.0)


def record(label, status="ok", cause=None, warnings=(), **values):
    gpu = UsedGpu("H100", "GPU-1", {}, {}, before={"power_cap_watts": 700.0}, after=None)
    outcome = Outcome(status, cause=cause, values=values, warnings=warnings, gpu=gpu)
    return Record.of(replace(JOB, label=label), outcome, "machine")


class Recorded(Setting):
    """A setting whose runs have ended already."""

    def measured(self, suite, text, *options, out="runs"):
        return self.folder


def findings(check, *records):
    setting = Recorded("cuda", {each.label: each for each in records}, 1e9)
    return {each.name: each for each in check(setting)}


@pytest.fixture(autouse=True)
def _driver(monkeypatch):
    monkeypatch.setattr(energy, "nvml_library", object)


def counted(label, watts, *, seconds=0.001, window=1.2, passes=1000, **options):
    joules = watts * window / passes
    return record(
        label,
        energy_watts=watts,
        energy_joules=joules,
        energy_passes=passes,
        energy_window_seconds=window,
        latency_seconds=seconds,
        **options,
    )


def test_power_within_the_cap_of_the_board():
    found = findings(energy.check, counted("within", 500.0), counted("above", 800.0))
    assert found["within"].verdict == "pass"
    assert "500 W over 1.20 s and 1000 passes, cap 700 W" in found["within"].said
    assert found["above"].verdict == "fail"


def test_passes_of_the_window_that_are_faster_than_the_timed_one_are_others():
    assert findings(energy.check, counted("a", 500.0, seconds=0.002))["a"].verdict == "fail"


def test_energy_that_is_not_known_says_why():
    silent = record("slice", energy_watts=None, warnings=("no energy: the board has no counter",))
    found = findings(energy.check, silent, record("dead", "oom", "out of memory"))
    assert (found["slice"].verdict, found["slice"].said) == (
        *("skipped", "no energy: the board has no counter"),
    )
    assert found["dead"].verdict == "fail"


def test_without_the_driver_s_library(monkeypatch):
    monkeypatch.setattr(energy, "nvml_library", lambda: None)
    assert findings(energy.check)["counter"].verdict == "skipped"


def test_graphs_that_cannot_be_captured():
    found = findings(
        graphs.check,
        record("ISA"),
        record("RANet", "unsupported", "asks the GPU while it is captured"),
        record("APNB with dropout", "unsupported", "generator"),
    )
    assert {name: each.verdict for name, each in found.items()} == {
        "ISA": "pass",
        "RANet": "pass",
        "APNB with dropout": "fail",
    }
