"""`harness calibrate` and `harness env`: what they print, keep and warn of."""

import json

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.engines import devices
from harness.engines.devices import DeviceLock
from harness.environment.conditions import Conditions
from harness.environment.machine import describe_environment
from harness.measure.roofline import calibration
from harness.measure.roofline.calibration import load
from harness.measure.roofline.ceilings import Ceilings, Peak, Rate
from harness.messages import HarnessError

CEILINGS = Ceilings(
    {
        "float32": Peak(Rate(123.4e9, 120e9, 125e9, 0.96, 12), 1024),
        "float16": Peak(None, cause="not implemented for 'Half'"),
    },
    Rate(10.5e9, 10e9, 11e9, 0.96, 30),
    256 << 20,
)


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def measure(device, threads):
        calls.append((device, threads))
        return CEILINGS

    monkeypatch.setattr(calibration, "in_fresh_process", measure)
    return calls


def invoke(*arguments):
    return CliRunner().invoke(app, ["calibrate", "--device", "cpu", *map(str, arguments)])


def test_ceilings_are_printed_and_kept(tmp_path, asked):
    result = invoke("--threads", 2, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    for shown in ("123 GFLOP/s", "120 to 125", "10.5 GB/s", "not implemented for 'Half'", "1024"):
        assert shown in result.stdout
    (file,) = tmp_path.iterdir()
    kept = load(file.stem, (tmp_path,))
    assert kept.entry("cpu", 2).ceilings == CEILINGS
    assert asked == [("cpu", 2)]


def test_it_waits_until_the_device_is_free(tmp_path, asked, monkeypatch):
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    held = DeviceLock("cpu", "suite: case")
    assert held.take()
    monkeypatch.setattr(devices.time, "sleep", lambda _: held.release())
    result = invoke("--threads", 1, "--out", tmp_path / "kept")
    assert result.exit_code == 0, result.output
    assert "waiting: cpu is held by process" in result.stderr
    assert "suite: case" in result.stderr


def test_other_thread_counts_are_kept_beside(tmp_path, asked):
    invoke("--threads", 2, "--out", tmp_path)
    invoke("--threads", 1, "--out", tmp_path)
    invoke("--threads", 1, "--out", tmp_path)
    (file,) = tmp_path.iterdir()
    assert [each.threads for each in load(file.stem, (tmp_path,)).entries] == [2, 1]
    assert len(asked) == 3


def test_json_is_one_object(tmp_path, asked):
    result = invoke("--threads", 2, "--out", tmp_path, "--json")
    data = json.loads(result.stdout)
    assert data["ceilings"]["peaks"]["float32"]["rate"]["median"] == 123.4e9
    assert (tmp_path / f"{data['machine_key']}.json").is_file()


def test_mistakes_measure_nothing(tmp_path, asked):
    result = CliRunner().invoke(app, ["calibrate", "--device", "tpu", "--out", str(tmp_path)])
    assert isinstance(result.exception, HarnessError)
    assert "write auto, cpu or cuda" in str(result.exception)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


def test_env_shows_the_warnings(monkeypatch):
    described = describe_environment(conditions=Conditions(cores=2, on_battery=True))
    monkeypatch.setattr("harness.environment.machine.describe_environment", lambda: described)
    result = CliRunner().invoke(app, ["env"])
    assert "warning: on battery" in result.stdout
    assert described["machine_key"] in result.stdout
    as_json = json.loads(CliRunner().invoke(app, ["env", "--json"]).stdout)
    assert as_json["warnings"] == described["warnings"]
