"""A kept training is used again where its code and its files are the same, and only there."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from projects import PROJECTS, Project

from harness.case import Case, Job

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
        "evaluation": {"boundary": []},
        "judge": False,
    }
    case = Case(project.module, {}, ((1, 16, 8, 8),))
    return Job(
        "s", "a", case, ("accuracy",), 60.0, threads=1, search_path=(str(folder),),
        depends_on=tuple(str(folder / name) for name in project.depends_on), accuracy=asked,
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
    return dict(answers)


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
    assert words["train_loss"] == files["train_loss"] != meaning["train_loss"]
