"""`harness compare` and `harness baseline` as a user and a CI job call them."""

import json
import re

import pytest
from made_runs import OTHER_MACHINE, Made, latencies, run_directory

LOUD = latencies(8, spread=0.3)


@pytest.fixture
def runs(user):
    """Makes run directories in the user's folder."""
    root = user.folder / "results" / "runs"

    def make(seconds=0.01, seed=1, medians=None, **changes):
        made = [Made("A", medians or latencies(seed, seconds=seconds))]
        return str(run_directory(root, made, **changes))

    return make


def test_exit_codes_and_what_is_printed(user, runs):
    before = runs()
    same = user.call("compare", before, runs(seed=2))
    assert (same.returncode, same.stderr) == (0, "")
    assert "no regression (6 same)" in same.stdout
    slower = user.call("compare", before, runs(0.02))
    assert slower.returncode == 1
    assert "slower" in slower.stdout
    assert "1 regression (5 same, 1 slower)" in slower.stdout
    unclear = user.call("compare", before, runs(medians=LOUD))
    assert unclear.returncode == 3
    assert re.search(r"A, Latency: .* \d+ processes a side would show", unclear.stdout)


def test_json_and_markdown_keep_the_exit_code(user, runs):
    before, after = runs(), runs(0.02)
    done = user.call("compare", before, after, "--json")
    data = json.loads(done.stdout)
    assert done.returncode == data["exit_code"] == 1
    assert data["counts"] == {"same": 5, "slower": 1}
    done = user.call("compare", before, after, "--markdown")
    assert done.returncode == 1
    assert done.stdout.startswith("# Benchmarks of mini: 1 regression")
    assert done.stderr.startswith("mini: 1 regression (5 same, 1 slower): A, Latency +100.")
    assert done.stderr.count("\n") == 1


def test_a_full_cycle_with_a_baseline(user, runs):
    missing = user.call("compare", runs())
    assert missing.returncode == 2
    assert "harness baseline accept" in missing.stderr
    assert "Traceback" not in missing.stderr
    none = user.call("baseline", "list")
    assert none.stdout.startswith("no baseline in results/baselines yet; harness baseline accept")
    accepted = user.call("baseline", "accept", runs(), "--noise", runs(0.0104))
    assert accepted.returncode == 0, accepted.stderr
    listed = json.loads(user.call("baseline", "list", "--json").stdout)
    assert [each["suite"] for each in listed] == ["mini"]
    assert listed[0]["noise_floor"] == pytest.approx({"latency_seconds": 0.04})
    assert user.call("compare", runs(0.0103)).returncode == 0  # within the noise of this machine
    assert user.call("compare", runs(0.0108)).returncode == 1
    assert user.call("compare", "results/runs/mini").returncode == 1  # the latest
    user.call("baseline", "accept", "results/runs/mini")
    assert user.call("compare", runs(0.0108, seed=2)).returncode == 0


def test_another_machine_is_said(user, runs):
    user.call("baseline", "accept", runs())
    done = user.call("compare", runs(0.02, machine=OTHER_MACHINE))
    assert done.returncode == 0
    assert "only exact metrics are compared" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "nowhere"), "nowhere: no such run"),
        (("compare", "nowhere", "nowhere"), "nowhere: no such run"),
        (("compare", "nowhere", "--alpha", "2"), "--alpha"),
        (("baseline", "accept", "nowhere"), "nowhere: no such run"),
    ],
)
def test_mistakes_are_one_line_and_2(user, arguments, said):
    done = user.call(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_is_not_held_against_itself(user, runs):
    run = runs()
    done = user.call("compare", run, "latest")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{run} and latest are the same run; name another one\n"


def test_accepting_fewer_cases_is_said(user):
    root = user.folder / "results" / "runs"
    both = run_directory(root, [Made("A", (0.1,)), Made("B", (0.1,), key_channels=2)])
    one = run_directory(root, [Made("A", (0.1,))])
    assert user.call("baseline", "accept", str(both)).stderr == ""
    done = user.call("baseline", "accept", str(one))
    assert (done.returncode, done.stderr) == (0, "no longer in the baseline: 'B'\n")


def test_a_damaged_baseline_can_be_replaced(user, runs):
    run = runs()
    user.call("baseline", "accept", run)
    (pointer,) = (user.folder / "results" / "baselines").glob("*/*/accepted.json")
    pointer.write_text("{")
    assert "accept a run anew" in user.call("compare", run).stderr
    assert user.call("baseline", "accept", run).returncode == 0
    assert user.call("compare", run).returncode == 0


def test_failed_cases_and_dirty_files_are_said_when_accepting(user):
    made = [Made("A", (None,), {}, status="oom", cause="full"), Made("B", (0.1,), key_channels=2)]
    git = {"commit": "f" * 40, "dirty": True}
    environment = {"machine": {}, "git": git}
    path = run_directory(user.folder / "results" / "runs", made, environment=environment)
    done = user.call("baseline", "accept", str(path))
    assert done.returncode == 0
    assert "failed in the baseline: 'A'" in done.stderr
    assert "differ from commit ffffffffffff" in done.stderr
