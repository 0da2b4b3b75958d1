"""Systems: macOS, of which all is taken away here that it lacks, and Windows, which is refused."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from harness_user import wait_for

HERE = Path(__file__).parent
GATE = """\
    import multiprocessing, os, sys

    import harness
    import torch
    from torch import nn


    class Gate(nn.Module):
        def __init__(self, in_channels: int, *, stay: bool = False) -> None:
            super().__init__()
            self.conv = nn.Conv2d(in_channels, in_channels, 1)
            self.stay = stay

        def forward(self, x):
            if self.stay:
                print(os.getpid(), os.getppid(), flush=True)
                open("pids", "w").write(f"{os.getpid()} {os.getppid()}")
                import time

                time.sleep(600)
            return self.conv(x)


    class Dies(Gate):
        def forward(self, x):
            os.kill(os.getpid(), 9)


    @harness.metric(as_on_a_mac={"unit": "1"})
    def system(module, inputs):
        spawned = multiprocessing.get_start_method(allow_none=True) == "spawn"
        return {"as_on_a_mac": float(spawned and sys.platform == "darwin")}
"""
SUITE = """\
    suite: s
    input: [1, 8, 4, 4]
    measure: [static, latency, resident, "gate:system"]
    latency: {criterion: fixed, samples: 3}
    threads: 1
    cases:
      - {label: A, module: "gate:Gate"}
      - label: B
        module: "gate:Gate"
        repeats: 2
        latency: {criterion: fixed, samples: 3, turns: true}
      - {label: C, module: "gate:Dies"}
      - {label: D, module: se, with: {reduction: 2}}
    tables: [{columns: [label, params, flops, memory, latency, resident, as_on_a_mac]}]
"""


@pytest.fixture
def mac(user):
    """A user of a Mac, as far as Linux can be one."""
    user.environment["PYTHONPATH"] = f"{HERE / 'mac'}{os.pathsep}{user.environment['PYTHONPATH']}"
    user.write("gate.py", GATE)
    return user


def test_a_run_on_a_mac_counts_and_times_in_spawned_processes(mac):
    mac.write("s.yaml", SUITE)
    done = mac.run("run", "s.yaml")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    rows = {record["label"]: record for record in mac.records("s")}
    assert {label: row["status"] for label, row in rows.items()} == {
        "A": "ok",
        "B": "ok",
        "C": "killed",
        "D": "ok",
    }, [row["cause"] for row in rows.values()]
    assert rows["C"]["cause"] == "killed by SIGKILL, in metric latency"
    for row in (rows["A"], rows["B"]):
        values = row["values"]
        assert (values["params"], values["matmul_macs"] + values["conv_macs"]) == (72, 1024)
        assert values["latency_seconds"] > 0
        assert values["as_on_a_mac"] == 1
        # What cannot be measured is said.
        assert values["resident_peak_bytes"] is None
        assert any(each.startswith("no resident set") for each in row["warnings"])
    assert mac.survivors() == []


def test_a_case_on_a_mac_ends_with_its_supervisor(mac):
    case = "{label: A, module: 'gate:Gate', with: {stay: true}}"
    mac.write("s.yaml", f"suite: s\ninput: [1, 8, 4, 4]\nmeasure: [flops]\ncases: [{case}]\n")
    command = mac.start("run", "s.yaml")
    pids = mac.folder / "pids"
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    _, supervisor = map(int, pids.read_text().split())
    os.kill(supervisor, signal.SIGKILL)
    assert command.wait(60) == 1
    assert [row["status"] for row in mac.records("s")] == ["killed"]
    assert mac.survivors() == []


def test_the_machine_of_a_mac_has_the_name_of_its_processor(mac):
    sysctl = mac.write(
        "sysctl", '#!/bin/sh\n[ "$*" = "-n machdep.cpu.brand_string" ] && echo Apple M2\n'
    )
    sysctl.chmod(0o755)
    mac.environment["PATH"] = f"{mac.folder}{os.pathsep}{mac.environment['PATH']}"
    done = mac.run("env", "--json")
    assert '"cpu": "Apple M2"' in done.stdout, done.stderr


WINDOWS = """\
    import builtins, sys

    sys.platform = "win32"
    _import = builtins.__import__

    def _imported(name, *args, **kwargs):
        if name.partition(".")[0] in ("fcntl", "resource", "termios"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return _import(name, *args, **kwargs)

    builtins.__import__ = _imported
"""
LINE = "context-harness runs on Linux and macOS; on Windows run it in WSL: https://aka.ms/wsl\n"
COMMANDS = (
    "init", "run", "list", "show", "report", "validate", "plan", "schema", "doctor", "env",
    "calibrate", "compare", "gate", "export", "history", "baseline", "--help", "--version", "",
)  # fmt: skip


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    (folder / "sitecustomize.py").write_text(textwrap.dedent(WINDOWS))
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_on_windows_every_command_is_one_line_that_names_wsl(user, windows, command):
    user.environment["PYTHONPATH"] = f"{windows}{os.pathsep}{user.environment['PYTHONPATH']}"
    done = user.run(*command.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", LINE)


@pytest.mark.parametrize("program", ["harness.cli.app", "harness"])
def test_on_windows_every_entry_is_that_line(user, windows, program):
    user.environment["PYTHONPATH"] = f"{windows}{os.pathsep}{user.environment['PYTHONPATH']}"
    script = {
        "harness.cli.app": "from harness.cli.app import main",
        "harness": """
            import sys
            import harness
            for name in harness.__all__:
                if name == "HarnessError":
                    continue
                try:
                    getattr(harness, name)
                except harness.HarnessError as error:
                    sys.stderr.write(f"{error}\\n")
                    continue
                raise SystemExit(name)
            raise SystemExit(2)
        """,
    }[program]
    path = user.write("script.py", script)
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert set(done.stderr.splitlines(keepends=True)) == {LINE}


CARD = (
    "cuda:1 names one GPU; write cuda, for which each case takes a free one; "
    "CUDA_VISIBLE_DEVICES=1 before the command leaves that one alone to take\n"
)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["validate", "s.yaml"], "s.yaml:2:9: device"),
        (["run", "t.yaml", "--device", "cuda:1"], "t.yaml: option device"),
        (["calibrate", "--device", "cuda:1"], "--device"),
    ],
)
def test_the_index_of_a_gpu_is_answered_with_how_one_is_chosen(user, arguments, place):
    case = "input: [1, 8, 4, 4]\nmodule: se\n"
    user.write("s.yaml", f"suite: s\ndevice: cuda:1\n{case}")
    user.write("t.yaml", f"suite: t\n{case}")
    done = user.run(*arguments)
    assert (done.returncode, done.stderr) == (2, f"{place}: {CARD}")
