"""The wheel as `pip install` unpacks it, in an empty folder: all that a clone measures is there."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from harness_user import ROOT, User

from harness.suite.shipped import FOLDER, shipped

pytest.importorskip("hatchling", reason="the wheel is built with hatchling, an extra of tests")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder as site-packages, with the wheel of this checkout unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site-packages")
    return folder / "site-packages"


@pytest.fixture
def somebody(user: User, site: Path) -> User:
    """A user who has the wheel and no clone."""
    user.environment["PYTHONPATH"] = str(site)
    user.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each command would compile it all
    return user


def test_the_wheel_has_every_suite_recipe_and_printed_figure(site):
    for folder, source in (("_suites", FOLDER), ("_paper", ROOT / "results" / "paper")):
        expected = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
        packed = site / "harness" / folder
        assert {str(p.relative_to(packed)) for p in packed.rglob("*") if p.is_file()} == expected
    assert len(shipped()) > 30


def test_its_version_is_that_of_the_project(somebody):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    done = somebody.run("--version")
    assert done.stdout == f"context-harness {project['version']}\n"


def test_a_released_commit_has_its_version_as_its_tag():
    """The version stands in pyproject.toml alone; a tag that says another one is a mistake."""
    asked = ["git", "-C", ROOT, "tag", "--points-at", "HEAD", "--list", "v*"]
    tags = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(tags) <= {f"v{project['version']}"}


@pytest.mark.slow
def test_a_shipped_suite_runs_resumes_and_is_shown(somebody, site):
    arguments = ("run", "efficiency", "--metrics", "static", "--only", "RCCA")
    done = somebody.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "3 printed figures: 1 agrees, 0 differ" in done.stdout  # they are found
    assert [record["label"] for record in somebody.records("efficiency")] == ["RCCA"]
    assert not list((site / "harness" / "_suites").rglob("results"))
    again = somebody.run(*arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "kept 1" in again.stderr
    assert len(somebody.runs("efficiency")) == 1
    assert somebody.run("show", "latest").returncode == 0


@pytest.mark.slow
def test_an_ablation_finds_its_recipe(somebody):
    done = somebody.run("run", "ranet_k", "--metrics", "params", "--only", "K=1")
    assert done.returncode == 0, done.stderr
    assert somebody.run("validate", "smoke").stdout == "smoke: 3 cases in 1 suite, no mistakes\n"


def test_a_copy_goes_before_the_shipped_suite(somebody):
    assert somebody.run("init", "--from", "ocnet_table4").returncode == 0
    copy = somebody.folder / "ocnet_table4.yaml"
    mine = "cases:\n  - {label: Mine, module: ppm}\n"
    copy.write_text(copy.read_text().replace("cases:\n", mine))
    done = somebody.run("validate", "ocnet_table4")
    assert done.stdout == "ocnet_table4: 13 cases in 1 suite, no mistakes\n"


def test_suites_are_listed_and_an_unknown_name_has_the_nearest(somebody):
    listed = somebody.run("list", "suites").stdout
    assert all(name in listed for name in shipped())
    done = somebody.run("run", "efficency")
    assert done.returncode == 2
    assert done.stderr == (
        "efficency: suite or module: no such file, shipped suite or module; did you mean "
        "efficiency or ggcf_efficiency or efficiency_more? (all names: harness list suites, "
        "harness list)\n"
    )


def test_the_repository_of_a_run_is_that_of_the_current_folder(somebody):
    git = ["git", "-C", somebody.folder, "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    asked = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    script = (
        "import harness; run = harness.run('ranet_table3', metrics='params', progress=False); "
        "print(run.directory.description()['environment']['git']['commit'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=somebody.folder, env=somebody.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == asked.stdout, done.stderr


def test_pytest_takes_the_name_of_a_shipped_file(somebody):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "conventions.yaml"],
        cwd=somebody.folder, env=somebody.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "3 tests collected" in done.stdout, done.stdout + done.stderr
