"""Locks on devices: between processes, whatever becomes of them."""

import os
import signal
import subprocess
import sys

import pytest
from harness_user import wait_for

import harness.engines.devices as devices_module
from harness.case import Case, Job
from harness.engines.devices import DeviceLock, Devices, Gpu, alone_on, lock_folder
from harness.engines.engine import EngineError, Finished, Started, Waiting
from harness.engines.local import LocalEngine

HOLD = """
import sys, time
from pathlib import Path
from harness.engines.devices import DeviceLock
lock = DeviceLock(sys.argv[1], "suite: case", Path(sys.argv[2]))
print(lock.take(shared=sys.argv[3] == "shared"), flush=True)
time.sleep(600)
"""


@pytest.fixture
def hold(tmp_path):
    """Another process that holds a device."""
    begun = []

    def start(device, how="alone"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, device, str(tmp_path), how],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        begun.append(process)
        assert process.stdout.readline() == "True\n"
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_device_is_held_by_one_process_until_it_is_killed(tmp_path, hold):
    other = hold("gpu-0")
    lock = DeviceLock("gpu-0", "me", tmp_path)
    assert not lock.take()
    assert not lock.take(shared=True)
    assert lock.held_by == f"process {other.pid}: suite: case"
    assert DeviceLock("gpu-1", "me", tmp_path).take()
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert lock.take()
    lock.release()


def test_a_shared_device_is_refused_to_one_that_wants_it_alone(tmp_path, hold):
    hold("gpu-0", "shared")
    with DeviceLock("gpu-0", "me", tmp_path) as lock:
        assert lock.take(shared=True)
    assert not DeviceLock("gpu-0", "me", tmp_path).take()


def test_a_lock_file_is_no_link_to_somewhere_else(tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / "gpu-0.lock").symlink_to(target)
    with pytest.raises(EngineError, match="HARNESS_LOCK_DIR"):
        DeviceLock("gpu-0", "me", tmp_path).take()
    assert target.read_text() == "mine"


def test_the_folder_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "a" / "b"))
    assert lock_folder() == tmp_path / "a" / "b"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="no folder for locks"):
        lock_folder()


def job(label="a", metrics=("params",), device="cpu", **changes):
    return Job(
        "s", label, Case("se", {}, ((1, 16, 4, 4),), device=device), metrics, 60.0, **changes
    )


GPUS = (Gpu("0", "uuid-a", "A100"), Gpu("1", "uuid-b", "A100"))


def test_cases_take_the_first_free_gpu_and_say_who_has_them_all(tmp_path):
    devices = Devices(gpus=GPUS, locks=tmp_path)
    timed = job(metrics=("latency",), device="cuda")
    first, second = devices.take(timed), devices.take(timed)
    assert [grant.slot.gpu for grant in (first, second)] == ["0", "1"]
    assert devices.take(timed) is None
    assert f"process {os.getpid()}: s: a" in devices.taken
    assert "all 2 GPUs" in devices.taken
    second.release()
    again = devices.take(timed)
    assert again.slot.gpu == "1"
    first.release()
    again.release()


def test_trainings_are_spread_over_the_gpus(tmp_path):
    devices = Devices(gpus=GPUS, locks=tmp_path)
    training = job(metrics=("accuracy",), device="cuda")
    grants = [devices.take(training) for _ in range(4)]
    assert [grant.slot.gpu for grant in grants] == ["0", "1", "0", "1"]
    for grant in grants[1::2]:
        grant.release()
    assert [devices.take(training).slot.gpu for _ in range(2)] == ["1", "1"]


def test_trainings_leave_out_a_gpu_that_somebody_times_on(tmp_path, hold):
    hold("gpu-uuid-a")
    devices = Devices(gpus=GPUS, locks=tmp_path)
    grants = [devices.take(job(metrics=("accuracy",), device="cuda")) for _ in range(2)]
    assert [grant.slot.gpu for grant in grants] == ["1", "1"]


def test_what_measures_by_itself_waits_for_its_device_and_holds_it(tmp_path, hold):
    other = hold("cpu")
    said = []

    def waiting(text):
        said.append(text)
        other.kill()

    with alone_on("cpu", "me", waiting, tmp_path):
        assert not DeviceLock("cpu", "you", tmp_path).take(shared=True)
    assert said == [f"cpu is held by process {other.pid}: suite: case"]
    assert DeviceLock("cpu", "you", tmp_path).take()


def test_what_measures_on_a_gpu_shares_the_processor(tmp_path, hold, monkeypatch):
    monkeypatch.setattr(devices_module, "visible_gpus", lambda: GPUS)
    hold("cpu", "shared")
    with alone_on("cuda", "me", pytest.fail, tmp_path):
        assert not DeviceLock("gpu-uuid-a", "you", tmp_path).take()
        assert DeviceLock("gpu-uuid-b", "you", tmp_path).take()


def test_trainings_share_a_gpu_that_a_timed_case_then_waits_for(tmp_path):
    devices = Devices(gpus=GPUS[:1], locks=tmp_path)
    trained = [devices.take(job(metrics=("accuracy",), device="cuda")) for _ in range(2)]
    assert all(trained)
    assert devices.take(job(metrics=("latency",), device="cuda")) is None
    for grant in trained:
        grant.release()
    assert devices.take(job(metrics=("latency",), device="cuda")) is not None


def test_the_processes_of_a_ring_give_a_device_back_with_the_last(tmp_path):
    devices = Devices(locks=tmp_path)
    timed = job(metrics=("latency",))
    grant = devices.take(timed, users=2)
    grant.release()
    assert devices.take(timed) is None
    grant.release()
    assert devices.take(timed) is not None


def test_a_busy_node_is_said_with_timed_cases_only(tmp_path):
    devices = Devices(cores=(0, 1), load=lambda cores: 0.8 * len(cores), locks=tmp_path)
    grant = devices.take(job(metrics=("latency",)))
    (warning,) = grant.warnings
    assert "busy node: 1.6 of 2 cores" in warning
    grant.release()
    assert devices.take(job()).warnings == ()
    calm = Devices(cores=(0, 1), load=lambda cores: 0.2, locks=tmp_path)
    assert calm.take(job(metrics=("latency",))).warnings == ()


def test_a_case_waits_for_its_device_says_so_once_and_is_confined(tmp_path, hold):
    """The engine goes on when the other process has gone, with the cores that it was given."""
    (tmp_path / "confined.py").write_text(
        "import os\nfrom pathlib import Path\nfrom torch import nn\n"
        "class Confined(nn.Module):\n"
        "    def __init__(self, in_channels, path):\n"
        "        super().__init__()\n"
        "        Path(path).write_text(f'{sorted(os.sched_getaffinity(0))}')\n"
        "    def forward(self, x):\n"
        "        return x * 2\n"
    )
    core = max(os.sched_getaffinity(0))
    other = hold("cpu")
    engine = LocalEngine(devices=Devices(cores=(core,), locks=tmp_path))
    case = Case("confined:Confined", {"path": str(tmp_path / "out")}, ((1, 4, 4, 4),))
    engine.submit(Job("s", "a", case, ("resident",), 60.0, search_path=(str(tmp_path),)))
    kinds, events = [], engine.events()
    for event in events:
        kinds.append(type(event))
        if isinstance(event, Waiting):
            assert str(other.pid) in event.cause
            other.kill()
        if isinstance(event, Finished):
            assert event.outcome.status == "ok", event.outcome.cause
    assert kinds[:2] == [Waiting, Started]
    assert kinds.count(Waiting) == 1
    wait_for((tmp_path / "out").exists)
    assert (tmp_path / "out").read_text() == f"[{core}]"
