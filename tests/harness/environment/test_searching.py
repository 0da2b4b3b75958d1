"""Files of a user are forgotten with their folder; installed packages never are."""

import importlib
import sys
from pathlib import Path

import pytest

from harness.environment.searching import searching, with_folders


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """A project whose virtual environment lies within, as most do."""
    installed = tmp_path / ".venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "installed_package.py").write_text("")
    (tmp_path / "own_block.py").write_text("import installed_package\n")
    monkeypatch.syspath_prepend(str(installed))
    yield tmp_path
    for name in ("own_block", "installed_package"):
        sys.modules.pop(name, None)


def test_an_installed_package_stays_though_it_lies_in_the_folder_of_a_suite(project):
    with searching((str(project),)):
        importlib.import_module("own_block")
    installed = sys.modules["installed_package"]
    with searching(()):
        assert "own_block" not in sys.modules
        assert sys.modules["installed_package"] is installed


def test_the_measured_packages_stay_when_a_suite_lies_in_their_checkout():
    import harness

    name = "harness.suite.zipped_for_a_test"
    checkout = Path(harness.__file__).parent.parent
    with searching((str(checkout),)):
        sys.modules[name] = sys.modules["harness"]
    try:
        with searching(()):
            assert name in sys.modules
    finally:
        sys.modules.pop(name, None)


def test_a_changed_file_is_read_again(project):
    with searching((str(project),)):
        first = importlib.import_module("own_block")
    (project / "own_block.py").write_text("import installed_package\nCHANGED = True\n")
    with searching((str(project),)):
        second = importlib.import_module("own_block")
    assert second is not first
    assert second.CHANGED


def test_a_search_without_folders_within_another_has_its_folders(project):
    with searching((str(project),)):
        first = importlib.import_module("own_block")
        with searching(()):
            assert importlib.import_module("own_block") is first
    with searching(()):
        assert "own_block" not in sys.modules


def test_python_s_own_library_comes_before_a_user_s_folders(project, monkeypatch):
    (project / "statistics.py").write_text("raise RuntimeError")
    monkeypatch.delitem(sys.modules, "statistics", raising=False)
    with searching((str(project),)):
        assert importlib.import_module("statistics").mean([1, 3]) == 2


def test_this_checkout_is_searched_unless_a_user_has_modules_of_their_own(tmp_path, monkeypatch):
    import harness

    checkout = str(Path(harness.__file__).parent.parent)
    monkeypatch.setattr(sys, "path", [checkout, *sys.path])
    assert checkout in with_folders((str(tmp_path),))
    (tmp_path / "modules").mkdir()
    assert checkout not in with_folders((str(tmp_path),))
    assert checkout in with_folders((str(tmp_path), checkout))
