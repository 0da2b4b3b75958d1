"""Energy with a fake board on a fake clock: what is known is exact, what is not is never 0."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_cuda import Clock, FakeCuda, subject
from hypothesis import given, settings
from hypothesis import strategies as st
from made_jobs import made_job

from harness.case import Timing
from harness.measure import METRICS, function_of
from harness.measure.energy import (
    MIN_WINDOW,
    EnergyUnavailableError,
    NvmlEnergyCounter,
    counter_of_gpu,
    energy_of,
    energy_values,
    measure_energy,
    repeated,
)


class Board:
    """A GPU whose passes take time when they are waited for, and power all the time."""

    def __init__(self, seconds=0.01, watts=300.0, step=0.0, dead_after=None):
        self.now, self.seconds, self.watts, self.step = 0.0, seconds, watts, step
        self.started, self.passes, self.reads = 0, 0, 0
        self.dead_after = dead_after

    def run(self):
        self.started += 1
        self.passes += 1

    def synchronize(self):
        self.now += self.started * self.seconds
        self.started = 0

    def clock(self):
        return self.now

    def joules(self):
        self.reads += 1
        if self.dead_after is not None and self.reads > self.dead_after:
            raise EnergyUnavailableError("the energy counter does not answer (lost)")
        seen = self.now - self.now % self.step if self.step else self.now
        return 1e6 + seen * self.watts  # a counter starts anywhere


def energy(board):
    return energy_of(board.run, board.synchronize, board, board.clock)


def test_joules_of_one_pass():
    board = Board(seconds=0.01, watts=300.0)
    found = energy(board)
    assert found.joules == pytest.approx(3.0)
    assert found.window_seconds >= MIN_WINDOW
    assert board.passes == found.passes + 2  # the warm-up and the pass that was timed
    figures = energy_values(found)
    assert figures["energy_valid"] is True
    assert figures["energy_watts"] == pytest.approx(300.0)
    assert "warnings" not in figures


def test_a_counter_that_advances_in_steps_costs_a_tenth_at_most():
    found = energy(Board(seconds=0.01, watts=300.0, step=0.1))
    assert found.joules == pytest.approx(3.0, rel=0.1)


def test_passes_that_get_faster_are_repeated_until_the_window_is_full():
    board = Board(seconds=0.5)

    def run():
        board.run()
        board.seconds = 0.5 if board.passes <= 2 else 0.2

    found = energy_of(run, board.synchronize, board, board.clock)
    assert found.window_seconds >= MIN_WINDOW
    assert found.joules == pytest.approx(0.2 * 300.0)


@pytest.mark.parametrize(
    ("board", "cause"),
    [
        (Board(watts=0.0), "did not advance"),
        (Board(dead_after=0), "does not answer"),
        (Board(dead_after=1), "does not answer"),
        (Board(step=1e9), "did not advance"),
    ],
)
def test_what_is_not_known_is_none_with_a_warning_and_never_zero(board, cause):
    figures = energy_values(energy(board))
    assert figures["energy_joules"] is None
    assert figures["energy_watts"] is None
    assert figures["energy_valid"] is False
    (warning,) = figures["warnings"]
    assert warning.startswith("no energy: ")
    assert cause in warning


def test_a_window_that_stays_short_is_not_believed(monkeypatch):
    monkeypatch.setattr("harness.measure.energy.MAX_PASSES", 10)
    figures = energy_values(energy(Board(seconds=1e-3)))
    assert figures["energy_joules"] is None
    assert figures["energy_window_seconds"] == pytest.approx(0.01)
    assert "shorter than 1 s" in figures["warnings"][0]


def test_the_cpu_has_no_counter():
    figures = measure_energy(made_job("self_attention", (1, 8, 4, 4)))
    assert figures["energy_joules"] is None
    assert figures["energy_valid"] is False
    assert "use a GPU" in figures["warnings"][0]


class FakeNvml:
    """A management library that knows one board."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, supported=True):
        self.open, self.asked, self._supported = 0, [], supported

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        self.asked.append(uuid)
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if not self._supported:
            raise self.NVMLError("Not Supported")
        return 1_234_500


def test_the_boards_counter_is_in_millijoules_and_found_by_its_uuid():
    nvml = FakeNvml()
    assert NvmlEnergyCounter(nvml, "abc").joules() == 1234.5
    assert set(nvml.asked) == {"GPU-abc"}
    assert nvml.open == 0
    assert NvmlEnergyCounter(nvml, "MIG-abc").joules() == 1234.5
    assert nvml.asked[-1] == "MIG-abc"


def test_a_board_without_a_counter_says_so():
    nvml = FakeNvml(supported=False)
    with pytest.raises(EnergyUnavailableError, match=r"Not Supported.*Volta"):
        NvmlEnergyCounter(nvml, "abc")
    assert nvml.open == 0


def test_without_the_extra_the_cure_is_named(monkeypatch):
    monkeypatch.setattr("harness.measure.energy.nvml_library", lambda: None)
    with pytest.raises(EnergyUnavailableError, match=r"context-harness\[gpu\]"):
        counter_of_gpu()


def test_a_pytorch_that_does_not_name_its_board(monkeypatch):
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace())
    with pytest.raises(EnergyUnavailableError, match="newer"):
        counter_of_gpu(FakeNvml())
    board = SimpleNamespace(uuid="abc")
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: board)
    assert counter_of_gpu(FakeNvml()).joules() == 1234.5


@pytest.mark.parametrize(("cuda_graph", "ran"), [(False, "pass"), (True, "replay")])
def test_the_passes_are_run_as_latency_runs_them(cuda_graph, ran):
    clock = Clock()
    job = replace(made_job("SharedReLU"), timing=Timing(cuda_graph=cuda_graph))
    made = subject(clock, device="cuda")
    run = repeated(made, replace(job, case=made.case), FakeCuda(clock))
    clock.log.clear()
    run()
    assert clock.log == [ran]


def test_suites_can_ask_for_it():
    assert "energy" in METRICS
    assert function_of("energy") is measure_energy


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-4, 5.0), st.floats(1.0, 1000.0))
def test_any_pass_gets_a_window_of_a_second(seconds, watts):
    found = energy(Board(seconds=seconds, watts=watts))
    assert found.window_seconds >= MIN_WINDOW
    assert found.joules == pytest.approx(seconds * watts, rel=1e-6)
