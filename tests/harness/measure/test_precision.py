"""Precision of float32 products: what a case asks for is in effect while it runs, and is told."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from made_jobs import made_job

import harness.measure.precision as precision
from harness.case import UsedGpu, as_plain, from_plain
from harness.engines.process import worker
from harness.measure.precision import cudnn_settings, float32_in_effect, float32_products, used_gpu

DEFAULT = {"matmul": "ieee", "conv": "tf32", "rnn": "tf32"}


def asking(float32, device="cuda"):
    job = replace(made_job("self_attention"), force=True, metrics=("latency",))
    return replace(job, case=replace(job.case, device=device, float32=float32))


@pytest.mark.parametrize("asked", ["ieee", "tf32"])
def test_a_case_has_the_precision_that_it_asks_for_and_leaves_none_behind(asked):
    assert float32_in_effect() == DEFAULT
    with float32_products(asking(asked).case):
        assert float32_in_effect() == dict.fromkeys(DEFAULT, asked)
    assert float32_in_effect() == DEFAULT


@pytest.mark.parametrize(("asked", "device"), [(None, "cuda"), ("tf32", "cpu")])
def test_what_is_not_asked_for_on_a_gpu_stays(asked, device):
    with float32_products(asking(asked, device).case):
        assert float32_in_effect() == DEFAULT


def test_releases_without_the_newer_names_are_understood():
    matmul, cudnn = SimpleNamespace(allow_tf32=True), SimpleNamespace(allow_tf32=False)
    old = SimpleNamespace(cuda=SimpleNamespace(matmul=matmul), cudnn=cudnn)
    assert float32_in_effect(old) == {"matmul": "tf32", "conv": "ieee", "rnn": "ieee"}


class Sensor:
    """States of a GPU, one after the other."""

    def __init__(self, monkeypatch):
        self.states = iter([{"sm_clock_hz": 1.0}, {"sm_clock_hz": 2.0}])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
        monkeypatch.setattr(precision, "uuid_of", lambda: "GPU-abc")
        monkeypatch.setattr(precision, "state_of", lambda uuid: next(self.states))


def test_a_gpu_is_told_with_its_state_before_and_after(monkeypatch):
    Sensor(monkeypatch)
    before = used_gpu()
    assert (before.name, before.uuid, before.after) == ("H200", "GPU-abc", None)
    after = used_gpu(before)
    assert (after.before, after.after) == ({"sm_clock_hz": 1.0}, {"sm_clock_hz": 2.0})
    assert (after.float32, after.cudnn) == (DEFAULT, cudnn_settings())
    assert from_plain(UsedGpu, as_plain(after)) == after


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_tells_its_gpu_before_and_after_what_runs_there(monkeypatch, fails):
    Sensor(monkeypatch)
    seen = []

    def latency(job):
        seen.append(float32_in_effect()["conv"])
        if fails:
            raise ValueError("odd")
        return {"latency_seconds": 1.0}

    monkeypatch.setattr(worker, "function_of", lambda name: latency)
    messages = []
    worker.work(asking("ieee"), lambda *message: messages.append(message))
    told = [from_plain(UsedGpu, message[1]) for message in messages if message[0] == "gpu"]
    assert [(each.before, each.after) for each in told] == [
        ({"sm_clock_hz": 1.0}, None),
        ({"sm_clock_hz": 1.0}, {"sm_clock_hz": 2.0}),
    ]
    assert seen == ["ieee"]
    assert {each.float32["conv"] for each in told} == {"ieee"}
    assert messages[-1][0] == ("failed" if fails else "done")
    assert float32_in_effect() == DEFAULT


def test_a_worker_on_the_cpu_asks_for_no_gpu(monkeypatch):
    monkeypatch.setattr(precision, "uuid_of", pytest.fail)
    monkeypatch.setattr(worker, "function_of", lambda name: lambda job: {})
    messages = []
    worker.work(asking(None, "cpu"), lambda *message: messages.append(message))
    assert "gpu" not in {message[0] for message in messages}
