"""A kept training is used again where its code and its files are the same, and only there."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from projects import PROJECTS, Project

from harness.case import Case, Job, Outcome, Used, from_plain
from harness.records.record import Record
from harness.training.ahead import Trainings

UNFOLLOWED = {
    "process": "starts a process", "database": "opens a database",
    "machine code": "runs machine code (beside.so)",
}  # fmt: skip
HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def job_of(project: Project, folder: Path, data: Path) -> Job:
    recipe = {
        "recipe": "tiny",
        "network": {
            "backbone": "small", "backbone_arguments": {"width": 4}, "auxiliary": False,
            "dropout": 0.0,
        },
        "steps": 1, "batch": 1, "optimizer": {"learning_rate": 0.1},
    }  # fmt: skip
    parameters = {"size": 32, "context": "scene", "train": 2, "val": 1}
    asked = {
        "recipe": recipe,
        "data": {"name": "scenes", "root": str(data), "parameters": parameters},
        "evaluation": {"boundary": [], "seeds": 1},
        "judge": False,
    }
    case = Case(project.module, {}, ((1, 16, 8, 8),))
    return Job(
        "s", "a", case, ("accuracy",), 60.0, threads=1, search_path=(str(folder),), accuracy=asked,
        depends_on=tuple(str(folder / name) for name in project.depends_on),
        force=True,  # without a prediction of its memory
    )  # fmt: skip


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Of each project and state: loss and seconds of its training, and what was said of it."""
    root = tmp_path_factory.mktemp("projects")
    states = []
    for number, (name, project) in enumerate(PROJECTS.items()):
        job = job_of(project, root / str(number), root / "data")
        for state in ("files", "words", "meaning"):
            states.append(((name, state), job, getattr(project, state)))
    for name in UNFOLLOWED:
        job = job_of(PROJECTS[name], root / f"silent {name}", root / "data")
        states.append(((name, "silent"), replace(job, depends_on=()), PROJECTS[name].files))
    manifest = root / "states"
    manifest.write_bytes(pickle.dumps(states))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
        "PYTHONDONTWRITEBYTECODE": "1",  # two states of a file may be of one second and one size
        "OMP_NUM_THREADS": "1",
        "HARNESS_CHECKPOINTS": str(root / "checkpoints"),
    }
    command = [sys.executable, str(HERE / "mutate.py"), str(manifest)]
    subprocess.run(command, env=environment, check=True, cwd=root)
    answers = pickle.loads(manifest.with_suffix(".ended").read_bytes())
    return {**dict(answers), "root": root}


def values(said):
    assert said[-1] == ("done",), said[-1]
    (found,) = (message[2] for message in said if message[0] == "values")
    return found


@pytest.mark.parametrize("project", PROJECTS)
def test_a_change_of_the_result_trains_again_and_one_of_words_never_does(ended, project):
    states = ("files", "words", "meaning")
    files, words, meaning = (values(ended[project, state]) for state in states)
    # Seconds are stored with a training: who has the same has taken it over.
    assert words["train_seconds"] == files["train_seconds"]
    assert meaning["train_seconds"] != files["train_seconds"]
    assert words["train_loss"] == files["train_loss"]
    assert (meaning["train_loss"] != files["train_loss"]) is (project != "machine code")


@pytest.mark.parametrize("project", UNFOLLOWED)
def test_what_cannot_be_followed_is_said_unless_the_suite_names_it(ended, project):
    job = job_of(PROJECTS[project], ended["root"], ended["root"])
    for state, expected in {"silent": [UNFOLLOWED[project]], "files": []}.items():
        *_, used = (message[1] for message in ended[project, state] if message[0] == "used")
        asked = replace(job, depends_on=job.depends_on if state == "files" else ())
        outcome = Outcome("ok", used=from_plain(Used, used))
        warnings = Record.of(asked, outcome, "machine").warnings
        assert len(warnings) == len(expected)
        assert all(each in warning for each, warning in zip(expected, warnings, strict=True))
        assert all("under depends_on" in warning for warning in warnings)


def test_a_training_of_other_files_says_which(ended):
    (warning,) = values(ended["importlib", "meaning"])["warnings"]
    assert warning.endswith(" was made with another helper.py")
    assert "warnings" not in values(ended["importlib", "words"])


@pytest.mark.parametrize("project", ["package", "importlib in forward", "YAML at import"])
def test_what_is_looked_up_ahead_is_what_a_run_will_find(ended, project):
    root, number = ended["root"], list(PROJECTS).index(project)
    trainings = Trainings([job_of(PROJECTS[project], root / str(number), root / "data")])

    def kept():
        trainings.look_up(root / "checkpoints", 60.0)
        return [each.kept for each in trainings.distinct.values()]

    made = PROJECTS[project]
    file = root / str(number) / made.holds
    assert kept() == [True]
    file.write_text(made.meaning[made.holds].replace("3.0", "4.0"))
    assert kept() == [False]
    file.write_text(made.meaning[made.holds])
    assert kept() == [True]
