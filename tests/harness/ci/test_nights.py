"""Nights of the GPU workflow, step by step: what its owner sees of each.

One night is real, with the CPU in place of the GPU. The others have its run with other times,
failures, drivers or cards, and everything after the measurement is real again.
"""

import re

import pytest
from harness_user import User
from nights import CARD, DRIVER, Nights, Planted
from small_suite import NIGHTLY
from workflow_runner import FOLDER, Done, Runner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COMPARE = "Compare with the accepted baseline"
OOM = "CUDA out of memory. Tried to allocate 2.00 GiB"


def runner_of(user: User) -> Runner:
    runs = str(user.folder / "runs")
    return Runner(user, FOLDER / "gpu.yml", NIGHTLY, DEVICE="cpu", RUNS=runs, CHECK_SECONDS="8")


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    user = User(tmp_path_factory.mktemp("runner"))
    yield runner_of(user)
    user.leave()


@pytest.fixture(scope="module")
def first(runner) -> Done:
    """A night with nothing planted, and no baseline."""
    done = runner.job("nightly")
    assert runner.user.survivors() == []
    return done


@pytest.fixture(scope="module")
def nights(runner, first) -> Nights:
    """The same runner after a night that has been accepted as baseline."""
    made = Nights(runner, first)
    made.accept(made.night())
    return made


def verdict_of(done: Done) -> str:
    """The part of the summary that is not folded, up to what was compared."""
    return done.summary.partition("# Benchmarks of mine: ")[2].partition("|  | Before | After |")[0]


def test_a_first_night(first, runner):
    assert not first.failed, first.said
    assert first.annotations[-1] == (
        "notice",
        "no baseline of mine yet: nothing is judged. The summary says how to accept this run as "
        "its baseline",
    )
    assert "# Benchmarks of mine: no baseline yet\n" in first.summary
    assert "harness baseline accept nightly/run\n" in first.summary
    figures = first.summary.partition("<summary>Figures of this night</summary>")[2]
    assert re.search(r"^\| Gate +\| +0\.00000900 \| .*\d", figures, re.MULTILINE)
    assert "| machine: does it say what it is? | pass |" in first.summary
    assert first.summary.count("<details>") == first.summary.count("</details>") == 4
    kept = {path.name for path in first.artifact.iterdir()}
    assert kept == {
        "machine.txt", "selfcheck", "run", "run.csv", "comparison.md", "history", "history.html",
        "history.txt",
    }  # fmt: skip
    assert (first.artifact / "run" / "records.jsonl").exists()
    assert "Gate" in (first.artifact / "run.csv").read_text()
    assert len(list((first.artifact / "history").glob("*.svg"))) == 2
    assert len(list((runner.user.folder / "runs" / "mine").iterdir())) >= 1


def test_a_quiet_night(nights):
    done = nights.night()
    assert not done.failed, done.said
    assert done.annotations == [("notice", "mine: no regression (8 same)")]
    assert verdict_of(done).strip() == "no regression (8 same)"
    assert "baseline accept" not in done.summary


def test_a_slow_down_of_ten_percent(nights):
    done = nights.night(Planted({"Gate": 1.1}))
    assert done.outcomes[COMPARE] == "failure"
    assert done.outcomes["Report"] == done.outcomes["Keep the run and the report"] == "success"
    ((level, said),) = done.annotations
    assert level == "error"
    assert re.fullmatch(
        r"mine: 1 regression \(7 same, 1 slower\): Gate, Latency \+10\.0 % \(\+9\.\d to \+10\.\d\)",
        said,
    )
    row = re.search(r"^\| Gate +\| Latency .*$", verdict_of(done), re.MULTILINE)
    assert row is not None
    cells = [cell.strip() for cell in row[0].split("|")]
    assert cells[3:6] == ["2.000 ms", "2.200 ms", "+10.0"]
    assert cells[8] == "slower"
    commit = nights.runner.git("rev-parse", "HEAD")[:12]
    assert re.search(rf"^\| Commit \| \w{{12}} \| {commit} \|$", done.summary, re.MULTILINE)
    assert f"| Driver | {DRIVER} | {DRIVER} |" in done.summary


def test_another_driver_changes_no_time(nights):
    done = nights.night(Planted(driver="570.86.10"))
    assert not done.failed, done.said
    assert done.annotations[0][1].startswith(
        f"mine: no regression (8 same). driver {DRIVER}, then 570.86.10: a change of time may come "
        "from that and not from the code; harness gate --against "
    )
    assert f"| Driver | {DRIVER} | **570.86.10** |" in done.summary


def test_a_slow_down_under_another_driver_is_not_called_the_code_s(nights):
    done = nights.night(Planted({"Gate": 1.1}, driver="570.86.10", libraries={"torch": "2.14.1"}))
    ((level, said),) = done.annotations
    assert level == "error"
    changed = rf"torch \S+, then 2\.14\.1; driver {re.escape(DRIVER)}, then 570\.86\.10"
    assert re.search(rf"\+10\.0 % .*\. {changed}: a change of time may come from that", said)
    lines = verdict_of(done).splitlines()
    assert lines[2].startswith("**torch ")  # before the table
    # What it offers is a commit that is there: the one that the baseline was measured at.
    against = re.search(r"harness gate --against (\w{12}) ", lines[2])
    assert against is not None
    assert nights.runner.git("cat-file", "-t", against[1]) == "commit\n"
    assert f"| Commit | {against[1]} | " in done.summary


def test_the_history_names_commits_and_the_driver(nights):
    nights.forget()
    nights.earlier(Planted(), 7)
    nights.report(real=True)
    done = nights.night(Planted({"Gate": 1.1}, driver="570.86.10"))
    nights.report(real=False)
    before, after = nights.runner.git("log", "-2", "--format=%h", "--abbrev=10").split()[::-1]
    told = (
        rf"│ Gate.*│ +2 │ +2\.2 │ +\+10\.0 % │ .* "
        rf"{before}\.\.{after} \(1 commit, driver {re.escape(DRIVER)} -> 570\.86\.10\)"
    )
    assert re.search(told, done.summary)
    assert re.search("<summary>History: .*changes of at least 2.0%: [1-9]", done.summary)
    assert "570.86.10" in (done.artifact / "history.html").read_text()


def test_times_that_are_unclear(nights):
    done = nights.night(Planted(spread=0.1))
    assert not done.failed, done.said
    ((level, said),) = done.annotations
    assert level == "warning"
    assert said.startswith("mine: no regression (6 same, 2 unclear): Gate, Latency ")
    assert "processes a side would show 2.0%" in verdict_of(done)


def test_another_card(nights):
    done = nights.night(Planted({"Gate": 0.5}, card="NVIDIA H200"))
    assert not done.failed, done.said
    ((level, said),) = done.annotations
    assert level == "notice"
    # Which machine has a baseline, and which this one is.
    assert re.fullmatch(
        rf"mine: no regression \(6 same\)\. different machines \(.*{CARD} \(\w+\), then "
        r".*NVIDIA H200 \(\w+\)\): only exact metrics are compared; .* The summary says how to "
        r"accept this run as its baseline",
        said,
    )
    assert "Latency |" not in done.summary.partition("# Benchmarks of mine")[2].partition("- ")[0]
    assert "harness baseline accept nightly/run\n" in done.summary


def test_more_parameters_on_another_card(nights):
    done = nights.night(Planted(more=1, card="NVIDIA H200"))
    ((level, said),) = done.annotations
    assert level == "error"
    assert said.startswith("mine: 2 regressions (4 same, 2 more): Gate, Parameters +11.1 %; ")


def test_a_machine_that_fails_its_check(nights, first):
    """Its clock moves in steps of a millisecond, say: nothing is measured, and all is said."""
    runner = nights.runner
    site = runner.commands.parent / "sitecustomize.py"
    site.write_text(
        "import time\nreal = time.perf_counter\ntime.perf_counter = lambda: round(real(), 3)\n"
    )
    nights.real("selfcheck")
    runs = sorted((runner.user.folder / "runs" / "mine").iterdir())
    try:
        done = nights.job()
    finally:
        site.unlink()
        nights.answer("selfcheck", files=first.artifact / "selfcheck")
    ended = {name: done.outcomes[name] for name in ("Measure", COMPARE, "Report")}
    assert set(ended.values()) == {"skipped"}
    ((level, said),) = done.annotations
    assert level == "error"
    assert re.fullmatch(
        r"self-check: .*1 failed.*; failed: machine; .* Nothing was measured; the summary says why",
        said,
    )
    assert re.search(r"^\| clock \| fail \| smallest step \d+ ns", done.summary, re.MULTILINE)
    assert {path.name for path in done.artifact.iterdir()} == {"machine.txt", "selfcheck"}
    assert sorted((runner.user.folder / "runs" / "mine").iterdir()) == runs


def test_a_baseline_that_is_damaged(nights):
    (accepted,) = (nights.runner.repository / "results" / "baselines").glob("*/mine/*.json")
    kept = accepted.read_text()
    accepted.write_text("{")
    try:
        done = nights.night()
    finally:
        accepted.write_text(kept)
    ((level, said),) = done.annotations
    assert level == "error"
    assert said in done.summary
    assert said.endswith("accept a run anew")


def test_a_case_that_fails(nights, first):
    """The last test, since it accepts another baseline."""
    broken = Planted(failed={"Two maps": OOM})
    done = nights.night(broken)
    assert done.outcomes["Measure"] == "success"  # it is part of a run
    said = f"Two maps failed, process 1 of 5: oom: {OOM}"
    assert done.annotations == [("error", f"mine: 1 regression (7 same, 1 failed): {said}")]
    assert re.search(rf"\| Two maps .*\| failed +\| process 1 of 5: oom: {OOM}", verdict_of(done))
    # Known to fail, once that is the baseline.
    nights.accept(done, first.summary)
    done = nights.night(broken)
    assert not done.failed, done.said
    assert done.annotations == [("notice", "mine: no regression (7 same, 1 failed)")]
    assert f"oom: {OOM} (failed before, too) |" in verdict_of(done)


def test_the_guide_says_what_nights_say(nights):
    """Of all the nights above; alone there is nothing to look at."""
    guide = (FOLDER.parent / "guides" / "regressions.md").read_text()
    table = guide.partition("### What a night says")[2].partition("\n\n*Run workflow*")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    samples = [sample for row in rows for sample in re.findall("`(.+?)`", row[1])]
    assert len(rows) == len(samples) == 9
    if len(nights.annotations) < len(rows):
        pytest.skip("asks what the other tests of this file have seen")
    for sample in samples:
        pieces = ".*".join(map(re.escape, sample.split("...")))
        assert any(re.search(pieces, said) for said in nights.annotations), sample
