"""`harness doctor`: what is here, what is missing, and how to get it."""

import json
import subprocess
import sys
import textwrap

import pytest
import torch
from typer.testing import CliRunner

from harness.cli.app import app
from harness.environment.equipment import PURPOSES, extras, survey, torch_cuda


def by_name():
    return {each.name: each for each in survey()}


def test_all_that_is_missing_says_how_to_get_it():
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert len({each["name"] for each in found}) == len(found) > 10
    for each in found:
        assert each["purpose"], each
        assert each["present"] or (each["found"] and each["get"]), each
        assert not (each["present"] and each["get"]), each
    shown = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for each in found:
        assert each["name"] in shown.stdout
        assert each["get"] in shown.stdout


def test_every_extra_is_listed_with_its_purpose():
    names = [extra.name for extra in extras()]
    assert {"gpu", "weights", "report"} <= set(names) <= set(PURPOSES)
    listed = {name for name in by_name() if name.startswith("extra ")}
    assert listed == {f"extra {name}" for name in names}


def test_it_does_not_wait_for_pytorch(user):
    script = "import sys; from harness.cli.app import main\n" + textwrap.dedent(
        """
        sys.argv = ["harness", "doctor"]
        try:
            main()
        except SystemExit as end:
            print(end.code, "torch" in sys.modules, "pandas" in sys.modules)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 False False"


def test_the_build_of_pytorch_is_read_without_importing_it():
    assert torch_cuda() == torch.version.cuda


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Makes programs of a shell script; there are no others."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name, script=""):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make


def test_programs_are_looked_for_on_the_path(programs):
    lost = by_name()
    for name in ("git", "C++ compiler", "LaTeX", "browser", "Slurm"):
        assert not lost[name].present, name
    programs("sbatch")
    programs("google-chrome")
    found = by_name()
    assert found["Slurm"].present
    assert found["browser"].found.endswith("/google-chrome")


def test_latex_without_a_package_is_not_of_use(programs):
    programs("pdflatex")
    programs("kpsewhich", "echo /texmf/booktabs.sty; echo /texmf/amssymb.sty")
    lacking = by_name()["LaTeX"]
    assert not lacking.present
    assert lacking.found.endswith("pdflatex, without siunitx.sty")
    assert "texlive-science" in lacking.get
    programs("kpsewhich", "for name in $@; do echo /texmf/$name; done")
    assert by_name()["LaTeX"].present


NVML = """
class NVMLError(Exception):
    pass
def nvmlInit():
    {trouble}
def nvmlShutdown():
    pass
def nvmlDeviceGetHandleByIndex(index):
    return index
def nvmlDeviceGetTotalEnergyConsumption(handle):
    return 5
def nvmlDeviceGetName(handle):
    return "H200"
"""


@pytest.mark.parametrize(
    ("trouble", "present", "found"),
    [
        ("pass", True, "H200"),
        ("raise NVMLError('Driver Not Loaded')", False, "NVML says: Driver Not Loaded"),
    ],
)
def test_the_energy_counter_is_asked(tmp_path, monkeypatch, trouble, present, found):
    (tmp_path / "pynvml.py").write_text(NVML.format(trouble=trouble))
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.modules.pop("pynvml", None)
    try:
        counter = by_name()["energy counter"]
    finally:
        del sys.modules["pynvml"]
        if before is not None:
            sys.modules["pynvml"] = before
    assert (counter.present, counter.found) == (present, found)


METADATA = """
    Metadata-Version: 2.1
    Name: context-harness
    Version: 0.1.0
    Requires-Dist: torch>=2.6
    Provides-Extra: whole
    Provides-Extra: part
    Requires-Dist: context-harness[part]; extra == "whole"
    Requires-Dist: pytest>=8; extra == 'part'
    Requires-Dist: pytest<1; extra == "part"
    Requires-Dist: no-such-package-at-all; extra == "part"
    Requires-Dist: only-elsewhere; sys_platform == "plan9" and extra == "part"
"""


def test_an_installed_package_says_its_extras_itself(tmp_path, monkeypatch):
    folder = tmp_path / "context_harness-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(textwrap.dedent(METADATA).lstrip())
    monkeypatch.syspath_prepend(tmp_path)
    whole, part = extras(tmp_path / "pyproject.toml")
    assert (whole.name, part.name) == ("whole", "part")
    assert whole.missing == part.missing
    assert whole.installed == part.installed == {"pytest": pytest.__version__}
    old, lacking = part.missing  # what another system needs is not missing here
    assert old == f"pytest<1 (there is {pytest.__version__})"
    assert lacking == "no-such-package-at-all"
