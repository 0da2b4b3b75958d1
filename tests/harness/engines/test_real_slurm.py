"""The Slurm engine on a real cluster, where this machine belongs to one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness_user import MINI, ROOT

pytest.importorskip("submitit")


def _answers():
    if shutil.which("sinfo") is None:
        return False
    try:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False,
            timeout=10,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return any(state in done.stdout for state in ("idle", "mixed", "allocated"))


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _answers(), reason="no Slurm cluster answers here"),
]
QUICK = Path(__file__).with_name("quick_node.py")


def test_a_suite_on_the_cluster(user):
    user.write("mini.yaml", MINI)
    user.environment["PATH"] = os.environ["PATH"]
    done = user.run(
        "run", "mini.yaml", "--engine", "slurm", "--engine-option", "poll=1",
        "--engine-option", "time=5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = user.records()
    assert {r["label"]: r["status"] for r in records} == dict.fromkeys("ABC", "ok")
    assert all(r["node"] and len(r["machine_key"]) == 12 for r in records)


def test_cancelled_and_crashed_differ(user):
    suite = MINI.replace("label: A", "label: hang").replace("label: B", "label: crash")
    user.write("mini.yaml", suite.replace("[params, flops]", "[params, latency]"))
    user.environment |= {"PATH": os.environ["PATH"], "QUICK_NODE_LOG": str(user.folder / "ran")}
    process = user.start(
        "run", "mini.yaml", "--engine", "slurm", "--engine-option", "poll=1",
        "--engine-option", f"python=env PYTHONPATH={ROOT} {sys.executable} {QUICK}",
        "--engine-option", "exclusive=no", "--engine-option", "sbatch.job-name=harness-test",
    )  # fmt: skip
    from harness_user import wait_for

    wait_for(lambda: "3/3" in user.err or "2/3" in user.err, 120)
    subprocess.run(["scancel", "--name=harness-test"], check=True)
    assert process.wait(timeout=120) == 1
    found = {r["label"]: (r["status"], r["cause"]) for r in user.records()}
    assert found["C"] == ("ok", None)
    assert found["hang"][0] == "killed"
    assert found["hang"][1].startswith("cancelled in Slurm on node ")
    assert found["crash"][0] == "error"
    assert "exit code 7" in found["crash"][1]
