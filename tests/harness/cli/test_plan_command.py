"""`harness plan`: what it says and that it measures nothing."""

import json
import re
import subprocess
import sys

import pytest
from harness_user import MINI
from stored_runs_made import MACHINE, record, write_run
from typer.testing import CliRunner

from harness.case import Case, Job
from harness.cli.app import app
from harness.environment.gpu import cuda_is_available


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with a suite of three cases."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_CHECKPOINTS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "mini.yaml").write_text(MINI.replace("\n    ", "\n"), encoding="utf-8")
    return tmp_path


def plan(*arguments):
    """In this process, without predictions of memory; the output in lines."""
    done = CliRunner().invoke(app, ["plan", "mini.yaml", "--budget", "0", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def with_history(folder):
    """Runs in which each case took a minute on a machine."""
    listed = json.loads(plan("--json").stdout)["cases"]
    records = [
        record(
            case["label"],
            case_key=case["case_key"],
            metrics=("params", "flops"),
            seconds={"params": 20.0, "flops": 30.0},
            elapsed_seconds=60.0,
            threads=None,
        )
        for case in listed
    ]
    write_run(folder / "results" / "runs", 1, records)


def test_without_history_everything_unknown_is_called_so(here):
    done = plan()
    assert done.exit_code == 0
    assert done.stdout.count("unknown") >= 4
    assert "cases: 3, 3 of them distinct" in done.stdout
    assert "not predicted for 3 cases" in done.stdout
    assert re.search(r"time: unknown for 3 of 3 cases; 0 earlier runs read", done.stdout)
    assert sorted(path.name for path in here.iterdir()) == ["mini.yaml"]


@pytest.mark.skipif(cuda_is_available(), reason="PyTorch says which GPUs a machine has")
def test_a_static_plan_does_not_wait_for_pytorch(here):
    code = (
        "import sys; from harness.cli.app import main\n"
        "sys.argv = ['harness', 'plan', 'mini.yaml', '--metrics', 'static', '--budget', '0']\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print('torch' in sys.modules, end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=here
    )
    assert "cases: 3, 3 of them distinct" in done.stdout
    assert done.stdout.split()[-2:] == ["False", "0"]


def test_with_history_there_are_times(here):
    with_history(here)
    done = plan("--machine", MACHINE)
    assert done.exit_code == 0
    assert done.stdout.count("same case (1)") == 3
    assert "time: 3 min 00 s one after another on one machine" in done.stdout

    data = json.loads(plan("--machine", MACHINE, "--json").stdout)
    assert data["seconds"] == 180.0
    assert [case["seconds_basis"] for case in data["cases"]] == ["same case"] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "nan"], "--budget nan: give seconds"),
        (["--only", "Z"], "no case is labelled Z"),
    ],
)
def test_mistakes_are_named(here, arguments, message):
    from harness.messages import HarnessError

    with pytest.raises(HarnessError, match=re.escape(message)):
        plan(*arguments)


def test_memory_is_predicted_by_the_metric_in_processes_of_their_own(saboteur):
    """A module that ends its process costs its own prediction only; nothing is left behind."""
    saboteur.write("mini.yaml", MINI + "      - {label: bad, module: 'sabotage:LeavesAtOnce'}\n")
    done = saboteur.run("plan", "mini.yaml", "--json", "--budget", "120")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert [case["memory_basis"] for case in data["cases"]] == [*["fake tensors"] * 3, None]
    assert data["notes"] == []
    assert saboteur.survivors() == []
    assert not (saboteur.folder / "results").exists()

    from harness.measure.memory import measure_memory
    from harness.measure.operations import measure_params

    job = Job("mini", "B", Case("self_attention", {"key_channels": 2}, ((1, 8, 6, 6),)), (), 1.0)
    static = measure_params(job) | measure_memory(job)
    parts = ("param_bytes", "buffer_bytes", "input_bytes", "live_peak_bytes")
    assert data["cases"][1]["memory_bytes"] == sum(static[part] for part in parts)
