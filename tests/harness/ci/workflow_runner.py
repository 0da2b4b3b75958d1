"""GitHub's runner as far as shell steps see it: the steps of a workflow, one or all of a job."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness_user import ROOT, User
from installed_user import install
from ruamel.yaml import YAML
from small_suite import MODULE, SUITE

FOLDER = ROOT / "docs" / "ci"

# As GitHub runs steps of `shell: bash`.
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]

WHATEVER = "${{ always() }}"
WHERE_MEASURED = "${{ !cancelled() && steps.measure.outcome == 'success' }}"


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path)


def steps(path: Path, name: str | None = None) -> list[dict[str, Any]]:
    """Those of a job, or of all jobs."""
    jobs = read(path)["jobs"]
    return [step for key in (jobs if name is None else [name]) for step in jobs[key]["steps"]]


def scripts(path: Path) -> dict[str, str]:
    return {step["name"]: step["run"] for step in steps(path) if "run" in step}


@dataclass(frozen=True)
class Done:
    """A job that has ended, as its page on GitHub shows it."""

    outcomes: Mapping[str, str]  # success, failure or skipped, by name of the step
    said: str  # by all steps
    summary: str  # Markdown
    artifact: Path  # what was uploaded

    @property
    def failed(self) -> bool:
        """Whether its owner gets an email."""
        return "failure" in self.outcomes.values()

    @property
    def annotations(self) -> list[tuple[str, str]]:
        """Level and text of each."""
        return re.findall(r"^::(error|warning|notice)::(.*)$", self.said, re.MULTILINE)


class Runner:
    """GitHub's runner as far as shell steps see it, in a repository with a module and a suite."""

    def __init__(self, user: User, workflow: Path, suite: str = SUITE, **environment: str) -> None:
        self.commands = install(user)
        self.user, self.workflow, self.scripts = user, workflow, scripts(workflow)
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
                "GITHUB_RUN_ID": "1700",
                **{f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")},
                **{f"GIT_{who}_EMAIL": "somebody@x.org" for who in ("AUTHOR", "COMMITTER")},
                "SUITE": "suites/mine.yaml",
                "NAME": "mine",
                **environment,
            }
        )
        user.write("repository/suites/gate.py", MODULE)
        user.write("repository/suites/mine.yaml", suite)
        user.write("repository/.gitignore", "results/runs/\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit("one")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.repository, env=self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def shell(self, command: str) -> str:
        """What a maintainer types in a checkout; the command has to succeed."""
        done = subprocess.run(
            command, shell=True, cwd=self.repository, env=self.environment, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        return done.stdout

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

    def job(self, name: str) -> Done:
        """All steps of a job but the installation, in a folder of its own as on GitHub."""
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()
        self.summary.write_text("")
        artifact = self.user.folder / "artifact"
        shutil.rmtree(artifact, ignore_errors=True)
        outcomes: dict[str, str] = {}
        said = ""
        for step in steps(self.workflow, name):
            called = step.get("name", step.get("uses"))
            if not _is_run(step.get("if"), outcomes):
                outcomes[called] = "skipped"
                continue
            outcomes[called] = "success"
            if "upload-artifact" in step.get("uses", ""):
                path = step["with"]["path"].replace("${{ runner.temp }}", str(self.temporary))
                shutil.copytree(path, artifact, symlinks=True)
            elif "run" in step and step["run"] != "make test":
                done = self.step(called)
                said += done.stdout + done.stderr
                outcomes[called] = "failure" if done.returncode else "success"
            if "id" in step:
                outcomes[step["id"]] = outcomes[called]
        return Done(outcomes, said, self.summary.read_text(), artifact)

    def answers(self, code: int) -> None:
        """Put a command in place of `harness` that writes its Markdown and ends with `code`."""
        (self.commands / "harness").write_text(
            "#!/bin/sh\n"
            'while [ $# -gt 0 ]; do if [ "$1" = --markdown ]; then file=$2; fi; shift; done\n'
            'if [ -n "$file" ]; then echo verdicts > "$file"; fi\n'
            f"echo verdicts\nexit {code}\n"
        )


def _is_run(condition: str | None, outcomes: Mapping[str, str]) -> bool:
    """Whether a step is run after others, as far as these workflows ask."""
    answers = {
        None: "failure" not in outcomes.values(),
        WHATEVER: True,
        WHERE_MEASURED: outcomes.get("measure") == "success",
    }
    return answers[condition]
