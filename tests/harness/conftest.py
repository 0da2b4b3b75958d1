import shutil
from pathlib import Path

import pytest
from harness_user import User

from harness.environment import used_files

HERE = Path(__file__).parent


@pytest.fixture
def user(tmp_path: Path):
    """Somebody with an empty folder and the command line; nothing of theirs may survive."""
    someone = User(tmp_path)
    yield someone
    someone.leave()


@pytest.fixture(scope="session")
def sabotage_file() -> Path:
    return HERE / "sabotage.py"


@pytest.fixture
def saboteur(user: User, sabotage_file: Path) -> User:
    """A user whose folder has the hostile modules."""
    shutil.copy(sabotage_file, user.folder)
    return user


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> Path:
    """The directory of a finished run whose trained networks are kept beside it."""
    from trained_runs import run_with_trainings  # which imports PyTorch

    return run_with_trainings(tmp_path_factory.mktemp("trained"))


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch):
    """A test that is the process of a case notes what it imports; the next one begins anew."""
    monkeypatch.setattr(used_files, "_notes", None)
