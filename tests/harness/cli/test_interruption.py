"""Ctrl-C, SIGTERM, SIGKILL: finished records stay, nothing survives, --resume ends where a whole
run ends."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from harness_user import COMMAND, User, wait_for

HANGING = """
    suite: mini
    input: [1, 8, 6, 6]
    measure: [params, flops]
    timeout: 300
    cases:
      - {label: A, module: self_attention}
      - {label: B, module: self_attention, with: {key_channels: 2}}
      - {label: hanging, module: 'sabotage:DaemonisesAndHangs'}
      - {label: D, module: self_attention, with: {key_channels: 6}}
"""


def steady(row):
    """What a row says apart from the clock."""
    return {k: v for k, v in row.items() if "seconds" not in k and k != "machine_key"}


@pytest.mark.parametrize(
    "numbers", [[signal.SIGINT] * 3, [signal.SIGTERM], [signal.SIGHUP]], ids=["int", "term", "hup"]
)
def test_an_interrupted_run_stops_at_once_and_says_how_to_go_on(saboteur, numbers):
    user = saboteur
    user.write("mini.yaml", HANGING)
    process = user.start("run", "mini.yaml")
    wait_for(lambda: "B: ok" in user.err and "D: ok" in user.err and _daemon(user))
    for number in numbers:  # somebody impatient presses Ctrl-C again and again
        process.send_signal(number)
        time.sleep(0.01)
    assert process.wait(30) == 130  # of the 300 s that the case may take
    assert user.survivors() == []
    assert "Traceback" not in user.err
    (hint,) = [line for line in user.err.splitlines() if line.startswith("interrupted; ")]
    assert hint == (
        "interrupted; 3 of 4 cases are kept; "
        "go on with: python -m harness run mini.yaml --resume"
    )  # fmt: skip
    assert {record["label"] for record in user.records()} == {"A", "B", "D"}


def _daemon(user: User) -> bool:
    """Whether the hanging case runs: harness, its server and tracker, supervisor, case, daemon."""
    return len(user.processes()) >= 6


def test_ctrl_c_of_a_terminal_reaches_only_the_run(saboteur):
    """A terminal signals the whole foreground group; the run still decides alone."""
    user = saboteur
    user.write("mini.yaml", HANGING)
    process = user.start("run", "mini.yaml", "--json", start_new_session=True)
    wait_for(lambda: "D: ok" in user.err and _daemon(user))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert user.survivors() == []
    assert "Traceback" not in user.err
    rows = json.loads((user.folder / "out.txt").read_text())
    assert [row["label"] for row in rows] == ["A", "B", "D"]


def test_a_resumed_run_ends_as_a_whole_one(saboteur):
    user = saboteur
    whole = HANGING.replace("sabotage:DaemonisesAndHangs", "se")
    user.write("mini.yaml", HANGING)
    process = user.start("run", "mini.yaml")
    wait_for(lambda: "D: ok" in user.err)
    refused = user.call("run", "mini.yaml", "--resume")
    assert refused.returncode == 2
    assert "another process is writing this run" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    process.send_signal(signal.SIGINT)
    process.wait(30)

    user.write("mini.yaml", whole.replace("module: 'se'", "module: se, with: {reduction: 2}"))
    resumed = user.call("run", "mini.yaml", "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.count(": ok, ") == 1  # what was finished was not measured again
    again = user.call("run", "mini.yaml", "--resume", "--json")
    assert again.stderr.count(": ok, ") == 0
    undisturbed = user.call("run", "mini.yaml", "--json")
    rows = [[steady(r) for r in json.loads(d.stdout)] for d in (resumed, again, undisturbed)]
    assert [row["label"] for row in rows[0]] == ["A", "B", "hanging", "D"]
    assert rows[0] == rows[1] == rows[2]
    assert len(user.runs()) == 2
    described = json.loads((user.runs()[0] / "run.json").read_text())
    assert described["suite"]["jobs"][2]["module"] == "se"
    assert len(described["resumed"]) == 2


def test_other_metrics_are_measured_when_resumed(user):
    user.write("mini.yaml", HANGING.replace("'sabotage:DaemonisesAndHangs'", "aspp"))
    first = user.call("run", "mini.yaml", "--metrics", "params", "--only", "A", "--only", "B")
    assert first.returncode == 0, first.stderr
    resumed = user.call(
        "run", "mini.yaml", "--metrics", "params,flops", "--only", "A", "--resume", "--json"
    )
    (row,) = json.loads(resumed.stdout)
    assert row["flops"] > 0
    assert len(user.runs()) == 1


MANY = "suite: mini\ninput: [1, 8, 6, 6]\nmeasure: [params, flops]\ncases:\n" + "\n".join(
    f"  - {{label: L{n}, module: self_attention, with: {{key_channels: {n + 1}}}}}"
    for n in range(10)
)


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_a_whole_one(user):
    user.write("mini.yaml", MANY)
    random.seed(2)
    resume: list[str] = []
    for _ in range(3):
        before = len(user.records()) if user.runs() else 0
        process = subprocess.Popen(
            [*COMMAND, "run", "mini.yaml", *resume],
            cwd=user.folder, env=user.environment, stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(
            lambda before=before, process=process: (
                process.poll() is not None or (user.runs() and len(user.records()) > before)
            )
        )
        time.sleep(random.random() * 0.2)
        process.kill()
        # A quick machine may have finished what was left before it was killed.
        assert process.wait() in (-signal.SIGKILL, 0)
        assert user.survivors() == [], user.describe_survivors()
        resume = ["--resume"]
    done = user.call("run", "mini.yaml", "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert len({r["label"] for r in user.records()}) == len(user.records()) == 10
    whole = user.call("run", "mini.yaml", "--json")
    assert [steady(r) for r in json.loads(done.stdout)] == [
        steady(r) for r in json.loads(whole.stdout)
    ]


# `python -m harness`, which says when Python itself is there: until then any program ends as this.
BEGUN = (
    "import os, runpy, sys, harness.cli; sys.argv[0] = 'harness'; os.write(1, b'up'); "
    "runpy.run_module('harness', run_name='__main__')"
)


@pytest.mark.parametrize("seconds", [0.2, 0.4, 0.7, 1.0, 1.4, 1.9])
def test_ctrl_c_before_anything_is_measured_is_one_line_at_most(saboteur, seconds):
    """Whatever is imported at that moment, here and in the server that is being started."""
    user = saboteur
    user.write("mini.yaml", HANGING)
    process = subprocess.Popen(
        [sys.executable, "-c", BEGUN, "run", "mini.yaml"],
        cwd=user.folder, env=user.environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout.read(2) == "up"
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    said = [line for line in errors.splitlines() if not line.startswith("[")]
    assert len(said) <= 1, errors
    assert "Traceback" not in errors
    assert user.survivors() == [], user.describe_survivors()


SWALLOWS = """
    import os, signal, time
    from torch import nn

    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        pass

    class Block(nn.Module):
        def forward(self, x):
            return x
"""


def test_an_interrupt_that_an_import_swallows_ends_the_run_all_the_same(user):
    user.write("swallows.py", SWALLOWS)
    user.write("mini.yaml", "suite: mini\ninput: [1, 2, 3, 3]\nmodule: 'swallows:Block'\n")
    done = user.run("run", "mini.yaml")
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("interrupted; 0 of 1 cases are kept; go on with: ")
