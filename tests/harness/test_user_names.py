"""Users name their files as they like: `modules/` is theirs, and `random.py` is nobody else's."""

import subprocess
import sys
from pathlib import Path

from harness_user import User
from installed_user import install

ATTN = """
    import os

    from torch import nn

    from context_modules.self_attention import SelfAttention


    class Attn(nn.Module):
        def __init__(self, in_channels: int) -> None:
            super().__init__()
            # Whatever this starts finds Python as the user has set it.
            assert not os.environ.keys() & {"PYTHONSAFEPATH", "HARNESS_ENVIRONMENT_BEFORE"}
            self.attention = SelfAttention(in_channels)

        def forward(self, x):
            return self.attention(x)
"""
SUITE = """
    suite: mini
    input: [1, 8, 6, 6]
    measure: [params]
    cases:
      - {label: Own, module: "modules.attn:Attn"}
      - {label: Catalog, module: self_attention}
"""
COMMAND = "import sys; from harness.cli.app import main; sys.exit(main())"
SCRIPT = """
    import sys

    import harness
    from modules import Attn

    run = harness.run({
        "suite": "mini", "input": [1, 8, 6, 6], "measure": ["params"],
        "cases": [{"module": Attn}, {"module": "self_attention"}],
    })
    assert list(run.frame()["status"]) == ["ok"] * 2, run.frame()["cause"].to_list()
    assert len(set(run.frame()["params"])) == 1
    print(sorted(name for name in sys.modules if name.partition(".")[0] == "modules"))
"""


def python(user: User, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def ok(user: User) -> None:
    found = {record["label"]: record["status"] for record in user.records()}
    assert found == {"Own": "ok", "Catalog": "ok"}, user.records()


def project(folder: Path, *, package: bool) -> None:
    user = User(folder)
    (folder / "modules").mkdir()
    user.write("modules/attn.py", ATTN)
    if package:
        user.write("modules/__init__.py", "")
    user.write("suite.yaml", SUITE)


def take_names(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.py").write_text("raise RuntimeError('a file of the user')\n")


def test_the_command_beside_files_named_like_others(user, tmp_path_factory):
    project(user.folder, package=False)
    take_names(user.folder, "types", "random", "json", "statistics", "harness", "context_modules")
    command = tmp_path_factory.mktemp("bin") / "harness"
    command.write_text(COMMAND)
    done = python(user, str(command), "run", "suite.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    ok(user)


def test_python_m_from_elsewhere_with_the_project_on_the_path(user, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("project")
    project(elsewhere, package=True)
    (elsewhere / "suite.yaml").rename(user.folder / "suite.yaml")
    # No `types.py`: with -m, Python itself may import that before it begins with the harness.
    take_names(user.folder, "random", "json", "statistics")
    user.environment["PYTHONPATH"] = f"{elsewhere}:{user.environment['PYTHONPATH']}"
    done = user.run("run", "suite.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    ok(user)


def test_a_script_beside_a_lone_file(user):
    user.write("modules.py", ATTN)
    done = python(user, str(user.write("script.py", SCRIPT)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == "['modules']"


def test_pytest(user):
    install(user)
    project(user.folder, package=True)
    done = python(user, "-m", "pytest", "-p", "no:cacheprovider", "suite.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
