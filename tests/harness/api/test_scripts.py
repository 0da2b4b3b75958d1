"""Scripts that use the Python interface, as real processes."""

import signal
import subprocess
import sys

from harness_user import wait_for

import harness

CASES = """
import harness
suite = {
    "suite": "mini",
    "input": (1, 8, 6, 6),
    "measure": ["params", "flops"],
    "timeout": 300,
    "cases": [
        {"label": "A", "module": "self_attention"},
        {"label": "B", "module": "LAST", "with": WITH},
    ],
}
"""

ONCE = (
    "open('executed.txt', 'a').write('x')\n"
    + CASES.replace("LAST", "se").replace("WITH", "{'reduction': 2}")
    + """
run = harness.run(suite)
print([row["params"] > 0 for row in run.rows()], run.ok)
"""
)

LIGHT = """
import sys
import harness
assert {"run", "load", "Run", "__version__"} <= set(dir(harness))
heavy = {"torch", "pandas", "numpy", "matplotlib", "pydantic", "ruamel.yaml", "rich", "fvcore"}
print(sorted(heavy & set(sys.modules)))
try:
    harness.nosuch
except AttributeError as error:
    print(error)
print(harness.run.__name__, harness.HarnessError.exit_code)
"""


def test_importing_the_package_imports_nothing_heavy(user):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["[]", "module 'harness' has no attribute 'nosuch'", "run 2"]


def test_a_script_without_a_main_guard_runs_once(user):
    user.write("script.py", ONCE)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[True, True] True\n"
    assert "[2/2]" in done.stderr
    assert (user.folder / "executed.txt").read_text() == "x"
    assert user.survivors() == []


def test_ctrl_c_ends_a_script_and_the_run_goes_on_later(saboteur, monkeypatch):
    user = saboteur
    script = (
        CASES.replace("LAST", "sabotage:DaemonisesAndHangs").replace("WITH", "{}")
        + "harness.run(suite)\n"
    )
    user.write("script.py", script + "open('went_on.txt', 'w')\n")
    with (user.folder / "err.txt").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "script.py"], cwd=user.folder, env=user.environment, stderr=err
        )
    wait_for(lambda: user.runs() and user.records() and len(user.processes()) >= 6)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert user.survivors() == []
    last = user.err.strip().splitlines()[-1]
    assert "KeyboardInterrupt: 1 of 2 cases are kept in results/runs/mini/" in last
    assert last.endswith("go on with resume=True")
    assert not (user.folder / "went_on.txt").exists()

    monkeypatch.chdir(user.folder)
    made: dict = {}
    exec(CASES.replace("LAST", "se").replace("WITH", "{'reduction': 2}"), made)
    assert not harness.load("mini").complete
    resumed = harness.run(made["suite"], resume=True, progress=False)
    assert (resumed.ok, [record.label for record in resumed.records]) == (True, ["A", "B"])
    assert len(user.runs()) == 1
