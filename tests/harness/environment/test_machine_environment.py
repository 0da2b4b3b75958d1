"""The environment: a key that does not drift, conditions, and warnings that advise."""

import json
import os
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.environment.conditions import Conditions, SystemHost, read_conditions, warnings_of
from harness.environment.gpu import GpuState, kernel_driver, nvml_states, read_gpus, state_of
from harness.environment.machine import describe_environment, machine_key, seen

CALM = Conditions(cores=8, load=0.4, governor="performance", on_battery=False)
STEADY = GpuState(
    index=1,
    name="GPU",
    sm_clock_hz=1.4e9,
    max_sm_clock_hz=1.98e9,
    power_cap_watts=700.0,
    default_power_cap_watts=700.0,
    temperature_celsius=45.0,
    throttle_reasons=("idle",),
    other_processes=(),
)
MACHINE = {
    "architecture": "x86_64",
    "system": "Linux",
    "cpu": "EPYC",
    "cores": 16,
    "memory_gib": 128,
    "gpus": [{"name": "H200", "memory_gib": 139}],
}


class FakeNvmlError(Exception):
    """What every question raises that the fake board cannot answer."""


class FakeNvml:
    """A management library with one board; `missing` names what that board cannot tell."""

    NVMLError = FakeNvmlError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = "sm", "mem", "die"

    def __init__(self, *, missing=(), driver=True, processes=(7, 42), mask=0x24):
        self.open = 0
        self._missing, self._driver = missing, driver
        self._processes, self._mask = processes, mask

    def nvmlInit(self):
        if not self._driver:
            raise FakeNvmlError("driver not loaded")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlSystemGetDriverVersion(self):
        return "570.10"

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, handle):
        return "GPU-abc"

    def nvmlDeviceGetName(self, handle):
        return "H200"

    def __getattr__(self, name):
        answers = {
            "nvmlDeviceGetClockInfo": lambda _, which: {"sm": 345, "mem": 3201}[which],
            "nvmlDeviceGetMaxClockInfo": lambda _, which: 1980,
            "nvmlDeviceGetPowerUsage": lambda _: 75_500,
            "nvmlDeviceGetEnforcedPowerLimit": lambda _: 600_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": lambda _: 700_000,
            "nvmlDeviceGetTemperature": lambda _, sensor: 41,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: self._mask,
            "nvmlDeviceGetComputeRunningProcesses": lambda _: [
                SimpleNamespace(pid=pid) for pid in self._processes
            ],
        }

        def refuse(*_):
            raise FakeNvmlError("not supported")

        return refuse if name in self._missing else answers[name]


class FakeHost:
    """A laptop that runs on its battery."""

    def load(self):
        return 3.0

    def governor(self):
        return "powersave"

    def on_battery(self):
        return True

    def clock_hz(self):
        return 2e9

    def temperature_celsius(self):
        return 96.0


@pytest.mark.parametrize(
    "drifted",
    [
        {"memory_gib": 127},
        {"gpus": [{"name": "H200", "memory_gib": 140}]},
        {"clock_hz": 1e9},
    ],
)
def test_the_machine_key_does_not_drift(drifted):
    assert machine_key(MACHINE | drifted) == machine_key(MACHINE)


@pytest.mark.parametrize(
    "other",
    [{"cpu": "Xeon"}, {"cores": 8}, {"architecture": "aarch64"}, {"gpus": []}, {"system": "BSD"}],
)
def test_the_machine_key_tells_machines_apart(other):
    assert machine_key(MACHINE | other) != machine_key(MACHINE)


def test_the_environment_is_plain_data_with_one_key():
    first = describe_environment(conditions=CALM)
    later = describe_environment(conditions=replace(CALM, load=99.0, cpu_clock_hz=1e9))
    assert first == json.loads(json.dumps(first))
    assert first["machine_key"] == later["machine_key"]
    assert first["warnings"] == []
    assert "load average 99.0" in later["warnings"][0]
    assert first["governor"] == "performance"
    assert first["conditions"]["load"] == 0.4
    assert {"torch", "cuda", "cudnn"} <= set(first["libraries"])


def test_a_board_is_read_in_si_units():
    nvml = FakeNvml()
    (gpu,) = nvml_states(nvml, own=frozenset({42}))
    assert gpu == GpuState(
        index=0,
        name="H200",
        uuid="GPU-abc",
        driver="570.10",
        sm_clock_hz=345e6,
        max_sm_clock_hz=1980e6,
        memory_clock_hz=3201e6,
        power_watts=75.5,
        power_cap_watts=600.0,
        default_power_cap_watts=700.0,
        temperature_celsius=41.0,
        throttle_reasons=("software power cap", "software thermal slowdown"),
        other_processes=(7,),
    )
    assert nvml.open == 0


def test_one_board_is_read_by_its_uuid():
    nvml = FakeNvml(processes=(os.getpid(),))
    assert state_of("GPU-abc", nvml) == asdict(nvml_states(nvml)[0])
    assert state_of("GPU-abc", nvml)["other_processes"] == ()
    assert nvml.open == 0
    assert state_of("GPU-other", nvml) is None
    assert state_of(None, nvml) is None


def test_only_boards_that_this_process_may_use_are_looked_at():
    boards = tuple(replace(STEADY, index=i, uuid=f"GPU-{i}") for i in range(3))
    assert seen(boards, {"GPU-1"}) == boards[1:2]
    assert seen(boards, set()) == boards  # PyTorch for the CPU alone
    assert seen(boards, {"MIG-7"}) == boards


def test_a_missing_sensor_costs_its_field_alone():
    missing = (
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetComputeRunningProcesses",
    )
    (gpu,) = nvml_states(FakeNvml(missing=missing))
    assert (gpu.temperature_celsius, gpu.throttle_reasons, gpu.other_processes) == (None,) * 3
    assert gpu.sm_clock_hz == 345e6


def test_without_a_driver_pytorch_is_asked():
    torch = pytest.importorskip("torch")
    found = read_gpus(FakeNvml(driver=False))
    assert len(found) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


def test_the_kernel_drivers_version(tmp_path):
    file = tmp_path / "version"
    assert kernel_driver(file) is None
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5 2024\n")
    assert kernel_driver(file) == "550.54.15"


def test_a_calm_machine_calls_for_no_warning():
    assert warnings_of(replace(CALM, gpus=(STEADY,))) == ()
    assert warnings_of(Conditions(cores=1)) == ()


@pytest.mark.parametrize(
    ("change", "what", "cure"),
    [
        ({"load": 2.1}, "load average 2.1 on 8 cores", "end other work"),
        ({"on_battery": True}, "on battery", "connect the power supply"),
        ({"governor": "powersave"}, "governor powersave", "cpupower frequency-set -g performance"),
        ({"cpu_temperature_celsius": 91.0}, "processor at 91 °C", "let it cool"),
    ],
)
def test_each_trouble_of_the_host_is_named_with_its_cure(change, what, cure):
    (warning,) = warnings_of(replace(CALM, **change))
    assert what in warning
    assert cure in warning


@pytest.mark.parametrize(
    ("change", "what", "cure"),
    [
        ({"sm_clock_hz": 345e6}, "SM at 345 of 1980 MHz", "-i 1 --lock-gpu-clocks"),
        ({"other_processes": (7,)}, "1 other process (7)", "CUDA_VISIBLE_DEVICES"),
        (
            {"throttle_reasons": ("idle", "hardware slowdown")},
            "(hardware slowdown)",
            "power supply",
        ),
        (
            {"throttle_reasons": ("software power cap",)},
            "software power cap",
            "raise the power cap",
        ),
        ({"throttle_reasons": ("software thermal slowdown",)}, "thermal", "let it cool"),
        ({"temperature_celsius": 80.0}, "80 °C", "let it cool"),
        ({"power_cap_watts": 500.0}, "500 W below the usual 700 W", "-i 1 -pl 700"),
    ],
)
def test_each_trouble_of_a_gpu_is_named_with_its_cure(change, what, cure):
    (warning,) = warnings_of(replace(CALM, gpus=(replace(STEADY, **change),)))
    assert warning.startswith("GPU 1: ")
    assert what in warning
    assert cure in warning


def test_conditions_are_read_from_the_host_that_is_given():
    conditions = read_conditions(FakeHost(), gpus=(STEADY,))
    assert conditions.cpu_clock_hz == 2e9
    assert conditions.gpus == (STEADY,)
    words = " ".join(warnings_of(replace(conditions, cores=2)))
    assert all(each in words for each in ("3.0 on 2 cores", "battery", "powersave", "96 °C"))


def test_this_machine_can_be_read():
    host = SystemHost()
    load = host.load()
    assert load is None or load >= 0
    assert host.on_battery() in (None, True, False)
    assert (host.clock_hz() or 1) > 0
    assert (host.temperature_celsius() or 20) > -50


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 1000), st.integers(1, 256))
def test_the_load_warns_above_a_quarter_of_the_cores_and_never_below(load, cores):
    warned = bool(warnings_of(Conditions(cores=cores, load=load)))
    assert warned is (load > cores / 4)
