"""The forecast: a case that cannot fit is refused before it takes anything."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
from made_jobs import made_job

import harness.measure.forecast as forecast
from harness.engines.process.worker import classify, work
from harness.measure.forecast import (
    PredictedOutOfMemoryError,
    cuda_free_bytes,
    free_bytes,
    group_rooms,
    require_room,
)

KNOWN = {
    "live_peak_bytes": 5_000_000_000,
    "live_peak_training_bytes": 9_000_000_000,
    "param_bytes": 600_000_000,
    "buffer_bytes": 0,
    "input_bytes": 400_000_000,
}
HUGE = (1, 64, 2048, 2048)  # an affinity of 64 TiB


def room(size):
    return lambda device: size


@pytest.mark.parametrize(("pass_", "need"), [("inference", 6.0e9), ("training", 10.0e9)])
def test_need_is_state_input_and_the_peak_of_the_pass(pass_, need):
    job = made_job("self_attention", pass_=pass_)
    require_room(job, KNOWN, room(int(need)))
    with pytest.raises(PredictedOutOfMemoryError):
        require_room(job, KNOWN, room(int(need) - 1))


def test_what_operators_take_is_part_of_the_need_once_it_was_measured():
    job = made_job("self_attention")
    known = KNOWN | {"predicted_peak_bytes": 7_000_000_000}
    require_room(job, known, room(8 * 10**9))
    with pytest.raises(PredictedOutOfMemoryError):
        require_room(job, known, room(8 * 10**9 - 1))


def test_the_sentence_has_both_figures_and_the_option():
    with pytest.raises(PredictedOutOfMemoryError) as caught:
        require_room(made_job("self_attention"), KNOWN, room(3_100_000_000))
    assert str(caught.value) == "predicted 6.0 GB, 3.1 GB free; --force runs it"
    assert classify(caught.value) == ("oom", str(caught.value))


def test_force_runs_it():
    require_room(replace(made_job("self_attention"), force=True), KNOWN, room(0))


def test_what_was_not_measured_is_predicted():
    job = made_job("self_attention", HUGE)
    with pytest.raises(PredictedOutOfMemoryError, match=r"^predicted \d{5,}\.\d GB, 1000\.0 GB"):
        require_room(job, {}, room(10**12))
    require_room(made_job("self_attention"), {}, room(10**9))


def test_a_module_that_needs_values_is_tried():
    require_room(made_job("Branching"), {}, room(0))


def test_a_refused_case_keeps_its_static_values(monkeypatch):
    monkeypatch.setattr(forecast, "free_bytes", room(10**9))
    job = replace(made_job("self_attention", HUGE), metrics=("latency", "params", "memory"))
    messages = []
    work(job, lambda *message: messages.append(message))
    kinds = [message[:2] for message in messages if message[0] != "used"]
    assert kinds == [
        ("metric", "params"),
        ("values", "params"),
        ("metric", "memory"),
        ("values", "memory"),
        ("metric", "latency"),
        ("failed", "oom"),
    ]
    assert "1.0 GB free; --force runs it" in messages[-1][2]


def group(folder, limit, used, inactive=0):
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {inactive}\nactive_file 3\n")
    return folder


def test_a_control_group_may_leave_less_than_the_machine(tmp_path):
    unlimited = group(tmp_path / "a", "max", 500)
    limited = group(tmp_path / "b", 1000, 700, inactive=50)
    overdrawn = group(tmp_path / "c", 1000, 1200)
    folders = [unlimited, limited, overdrawn, tmp_path / "none"]
    assert group_rooms(folders) == [350, 0]


def test_this_machine_has_some_room():
    assert 0 < free_bytes("cpu") < 2**50


class Garbage:
    """What only the collector of cycles frees."""

    def __init__(self):
        self.itself = self


def test_what_the_allocator_on_cuda_keeps_unused_is_free():
    left = weakref.ref(Garbage())

    def allocated():
        return 100 if left() is None else 900

    cuda = SimpleNamespace(
        mem_get_info=lambda: (545, 1800), memory_reserved=lambda: 900, memory_allocated=allocated
    )
    assert cuda_free_bytes(cuda) == 545 + 800
