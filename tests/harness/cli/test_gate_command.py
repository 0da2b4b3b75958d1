"""The gate as somebody uses it: a repository of theirs, real processes, a module made slower."""

import json
import shutil
import signal
import subprocess
import textwrap
from shutil import ignore_patterns

import pytest
from harness_user import ROOT, User, wait_for

from harness.judge.regression.gate import Settings
from harness.judge.regression.session import gate_suite
from harness.judge.regression.version import VersionError, belongs, paths_of
from harness.suite.loader import load

pytestmark = pytest.mark.slow

BLOCKS = """
    import torch
    from torch import nn


    class Block(nn.Module):
        def __init__(self, in_channels: int) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(in_channels, in_channels, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.convolution(x)


    class Other(Block):
        pass
"""
SLOWER = """
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(7):
                torch.sort(x)
            return self.convolution(x)


    class New(Block):
"""
SUITE = """
    suite: mine
    input: [1, 16, 24, 24]
    measure: [params]
    threads: 1
    cases:
      - {label: A, module: 'blocks:Block'}
      - {label: B, module: 'blocks:Other'}
"""
NEW = "  - {label: N, module: 'blocks:New'}\n  - {label: S, module: se}\n"

# Milliseconds a process, and factors instead of per cents, so that a busy machine decides too.
QUICK = ("--process-seconds", "0.02", "--min-effect", "0.8", "--budget", "100")


class Repository:
    def __init__(self, user: User) -> None:
        self.user = user
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "a")
        self.git("config", "user.email", "a@b.c")
        user.write(".gitignore", "results/\n*.txt\n")
        user.write("mine.yaml", SUITE)
        self.commit("class Broken(:", "broken")
        self.commit(BLOCKS, "good")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.user.folder), *arguments],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def commit(self, blocks: str, tag: str) -> None:
        self.user.write("blocks.py", blocks)
        self.git("add", "-A")
        self.git("commit", "-qm", tag)
        self.git("tag", tag)

    def slow_down(self) -> None:
        """`Other` alone, by a few lines, and a module that the last commit lacks."""
        text = BLOCKS.replace("        pass\n", SLOWER.lstrip("\n") + "        pass\n")
        self.user.write("blocks.py", text)
        self.user.write("mine.yaml", textwrap.dedent(SUITE) + NEW)

    def state(self) -> tuple[object, ...]:
        folder = self.user.folder
        return (
            self.git("status", "--porcelain"),
            self.git("worktree", "list"),
            self.git("rev-parse", "HEAD"),
            (folder / "blocks.py").read_text(),
            sorted(p.name for p in folder.iterdir() if not p.name.endswith(".txt")),
        )


@pytest.fixture
def repository(user, tmp_path_factory):
    user.environment["TMPDIR"] = str(tmp_path_factory.mktemp("scratch"))
    return Repository(user)


def scratch(user):
    from pathlib import Path

    return list(Path(user.environment["TMPDIR"]).glob("harness-gate-*"))


def test_a_slowed_module_fails_the_gate_by_name_and_the_checkout_stays(repository):
    user = repository.user
    repository.slow_down()
    before = repository.state()
    done = user.run("gate", "mine.yaml", "--against", "good", "--json", *QUICK)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    found = {each["label"]: each for each in report["comparisons"]}
    assert found["B"]["verdict"] == "slower"
    assert found["B"]["effect"] > 1
    assert found["A"]["verdict"] in ("same", "unclear")
    assert found["N"]["verdict"] == "new"
    assert "has no New" in found["N"]["reason"]
    assert len(found["B"]["before_seconds"]) == len(found["B"]["after_seconds"]) >= 6
    # The harness is installed: what it brings is the same in both versions.
    assert "S" not in found
    (said,) = [note for note in report["notes"] if note.startswith("not measured, since")]
    assert said.endswith("the same in both versions: S")
    assert "failed: 1 of 3 cases worse: B (" in done.stderr
    assert report["after"]["dirty"]
    assert f"seed {report['settings']['seed']}" in done.stderr
    assert not report["before"]["dirty"]
    assert repository.state() == before
    assert scratch(user) == []
    assert user.survivors() == [], user.describe_survivors()


def test_equal_code_passes_and_a_broken_ref_is_one_clear_sentence(repository, monkeypatch):
    user = repository.user
    before = repository.state()
    done = user.run("gate", "mine.yaml", "--against", "main", "--markdown", "out.txt", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: none of 2 cases worse" in done.stdout
    assert "equal code was compared" in done.stdout
    assert "| A" in (user.folder / "out.txt").read_text()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    suite = load(user.folder / "mine.yaml")
    with pytest.raises(VersionError, match=r"broken \(\w{10}\) runs no case.*SyntaxError"):
        gate_suite(suite, "broken", Settings(budget=100), process_seconds=0.02)
    assert repository.state() == before


def test_a_small_self_test_shows_every_noise(user):
    done = user.call("gate", "--self-test", "--grids", "1", "--json")
    assert done.returncode in (0, 1), done.stderr
    data = json.loads(done.stdout)
    assert data["passed"] is (done.returncode == 0)
    for noise in data["noises"]:
        assert noise["noise"] in done.stderr
        assert [rule["false_alarms"]["total"] for rule in noise["rules"]] == [1, 1, 1]
    assert "asked of the gate" in done.stderr


def test_what_nobody_can_compare_is_a_mistake(repository):
    user = repository.user
    for command, arguments, said in (
        (user.run, ("mine.yaml", "--against", "nowhere"), "'nowhere' is no commit of"),
        (user.call, ("mine.yaml",), "needs --against REF and a SUITE, or --self-test"),
        (
            user.call,
            ("mine.yaml", "--against", "main", "--min-effect", "inf"),
            "min_effect a share",
        ),
        (user.call, ("--against", "main"), "needs --against REF and a SUITE, or --self-test"),
    ):
        done = command("gate", *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert scratch(user) == []


def test_ctrl_c_leaves_neither_worktree_nor_processes(repository):
    user = repository.user
    before = repository.state()
    process = user.start("gate", "mine.yaml", "--against", "good", "--process-seconds", "100")
    wait_for(lambda: len(repository.git("worktree", "list").splitlines()) == 2)
    wait_for(lambda: len(user.processes()) >= 3)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert user.survivors() == [], user.describe_survivors()
    assert repository.state() == before
    assert scratch(user) == []
    assert "Traceback" not in user.err


def test_ctrl_c_while_git_writes_files_stops_its_children_too(repository):
    """A filter of the repository hangs: `git worktree add` waits for its child, and that for it."""
    user = repository.user
    user.write(".gitattributes", "*.dat filter=slow\n")
    user.write("a.dat", "x")
    repository.commit(BLOCKS, "filtered")
    (user.folder / "a.dat").unlink()
    (user.folder / ".gitattributes").unlink()
    repository.commit(BLOCKS, "plain")
    repository.git("config", "filter.slow.smudge", f"touch {user.folder}/begun.txt; sleep 100")
    before = repository.state()
    process = user.start("gate", "mine.yaml", "--against", "filtered")
    wait_for((user.folder / "begun.txt").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert user.survivors() == [], user.describe_survivors()
    assert repository.state() == before
    assert scratch(user) == []
    assert "Traceback" not in user.err


def test_a_commit_from_before_the_modules_had_a_package_name_of_their_own(repository):
    """Its files were imported as `modules`; a `context_modules` elsewhere is not its."""
    user = repository.user
    for name in ("harness", "modules"):
        shutil.copytree(ROOT / name, user.folder / name, ignore=ignore_patterns("__pycache__"))
    new = {path: path.read_text() for path in user.folder.rglob("*.py")}
    for path, text in new.items():
        path.write_text(text.replace("context_modules", "modules"))
    repository.commit(BLOCKS, "older")
    for path, text in new.items():
        path.write_text(text)
    shutil.copy(ROOT / "pyproject.toml", user.folder)
    (user.folder / "context_modules").symlink_to("modules")
    head, _, _ = SUITE.partition("      - {label: A")
    user.write("mine.yaml", f"{head}      - {{label: C, module: self_attention}}\n")
    done = user.run("gate", "mine.yaml", "--against", "older", "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["comparisons"]
    assert found["verdict"] in ("same", "unclear")


def test_a_repository_without_the_measured_code_is_no_version_of_it(repository):
    """The built-in modules are installed elsewhere, the same for every REF."""
    user = repository.user
    user.write(
        "builtin.yaml", SUITE.replace("'blocks:Block'", "se").replace("'blocks:Other'", "se")
    )
    with pytest.raises(VersionError, match="no module that is measured lies in"):
        gate_suite(load(user.folder / "builtin.yaml"), "main", Settings())
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_paths_of_a_checkout_leave_out_its_environment(tmp_path):
    for folder in ("harness", "modules", "src", ".venv/lib/python3.12/site-packages"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "harness" / "case.py").touch()
    (tmp_path / "modules" / "catalog.py").touch()
    packages = tmp_path / ".venv/lib/python3.12/site-packages"
    search = [str(packages), str(tmp_path / "src"), "/usr/lib/python3"]
    assert paths_of(tmp_path, search) == (str(tmp_path), str(tmp_path / "src"))
    assert not belongs(packages / "torch", tmp_path)
