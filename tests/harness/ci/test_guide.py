"""The commands of the guide to regressions, as they stand there."""

import re
import subprocess

import pytest
import typer
from harness_user import ROOT, User
from installed_user import install
from small_suite import MODULE, SUITE

from harness.cli.app import app

GUIDE = ROOT / "docs" / "guides" / "regressions.md"


ENDS = {"harness gate": (0, 3), "harness compare": (0, 3)}
"""Exit codes of equal code; 3 says that a hurried comparison is unclear."""


def commands() -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def reader(user: User) -> User:
    """Somebody with a module and a suite in a repository, who has installed the package."""
    install(user)
    (user.folder / "suites").mkdir()
    user.write("suites/gate.py", MODULE)
    user.write("suites/mine.yaml", SUITE)
    user.write(".gitignore", "*\n!suites\n!suites/*\n__pycache__\n")
    for arguments in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("add", "suites"),
        ("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "one"),
    ):
        subprocess.run(["git", *arguments], cwd=user.folder, check=True)
    return user


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes that import PyTorch
def test_the_commands_of_the_guide_run_in_their_order(reader):
    ran = commands()
    assert len(ran) >= 8
    for command in ran:
        done = subprocess.run(
            # The gate has to begin, measure and end here; its verdicts have tests of their own.
            ["bash", "-c", command.replace("--budget 300", "--budget 1")],
            cwd=reader.folder,
            env=reader.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        allowed = next((codes for start, codes in ENDS.items() if command.startswith(start)), (0,))
        assert done.returncode in allowed, f"{command}\n{done.stdout}{done.stderr}"
    assert "Gate" in (reader.folder / "mine.csv").read_text()
    assert "Gate" in (reader.folder / "mine.json").read_text()
    assert list((reader.folder / "history").glob("*.svg"))
    assert (reader.folder / "history.html").is_file()
    assert list((reader.folder / "results" / "baselines").glob("*/mine"))


def options_of(words: str) -> set[str]:
    """Options of `harness WORDS`."""
    command = typer.main.get_command(app)
    for word in words.split():
        command = command.commands[word]
    return {option for parameter in command.params for option in parameter.opts}


def test_files_and_commands_that_the_guide_names_exist():
    text = GUIDE.read_text()
    targets = re.findall(r"\]\((\.\.[^)#]*)", text)
    assert len(targets) >= 3
    for target in targets:
        assert (GUIDE.parent / target).exists(), target
    named = re.findall(r"(?:`|^)harness (baseline \w+|\w+)([^`\n]*)", text, re.MULTILINE)
    assert len(named) >= 8
    for words, rest in named:
        assert set(re.findall(r"--[\w-]+", rest)) <= options_of(words), words
