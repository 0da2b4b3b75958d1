"""What the shell completes, asked as it asks: by environment variables."""

import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.records.remarks import remark


@pytest.fixture
def complete(tmp_path, monkeypatch):
    """The answers to a line whose last word is being written."""
    monkeypatch.chdir(tmp_path)

    def ask(line, shell="bash"):
        words = line.split(" ")
        asked = {"COMP_WORDS": f"harness {line}", "COMP_CWORD": str(len(words))}
        if shell == "zsh":
            asked = {"_TYPER_COMPLETE_ARGS": f"harness {line}"}
        environment = {"_HARNESS_COMPLETE": f"complete_{shell}", **asked}
        done = CliRunner().invoke(app, [], prog_name="harness", env=environment)
        assert done.exit_code == 0, done.output
        return done.stdout.split()

    return ask


@pytest.fixture
def runs(tmp_path):
    """Two suites' runs, as `harness run` leaves them."""
    for suite, time in (("ocnet", "20260101T000000Z-aaaa"), ("own", "20260102T000000Z-bbbb")):
        folder = tmp_path / "results" / "runs" / suite / time
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"suite": {"suite": suite}}))
        (folder.parent / "latest").symlink_to(time)


def test_commands(complete):
    assert {"run", "init", "doctor", "report"} <= set(complete(""))
    assert complete("val") == ["validate"]


def test_suites_are_yaml_files(complete, tmp_path):
    (tmp_path / "suites").mkdir()
    for name in ("a.yaml", "b.yml", "a.py", ".a.yaml", "suites/c.yaml"):
        (tmp_path / name).write_text("")
    for command in ("run", "validate", "gate", "plan"):
        assert complete(f"{command} ") == ["a.yaml", "b.yml"]
    assert complete("run suites/") == ["suites/c.yaml"]
    assert complete(f"run {tmp_path}/a") == [f"{tmp_path}/a.yaml"]
    assert (
        complete("gate eff") == complete("init --from eff") == ["efficiency", "efficiency_more"]
    )  # it is shipped
    assert complete("run eff")[:3] == [
        "efficiency",
        "efficiency_more",
        "efficient_attention",
    ]  # and a module
    assert complete("run nosuch/") == []  # the shell goes on with folders


def test_runs_are_short_names_first_then_ids_and_paths(complete, runs, tmp_path):
    for command in ("compare", "compare x", "export", "report", "baseline accept", "runs"):
        assert complete(f"{command} ") == ["latest", "ocnet", "own"], command
    assert complete("export own/") == ["own/20260102T000000Z-bbbb", "own/latest"]
    assert complete("show 20260101") == ["20260101T000000Z-aaaa"]
    assert complete("run x.yaml --resume 20260102") == ["20260102T000000Z-bbbb"]
    remark(tmp_path / "results/runs/own/20260102T000000Z-bbbb", ["before"])
    assert complete("report bef") == complete("runs --tagged b") == ["before"]
    assert complete("runs --suite oc") == ["ocnet"]
    assert complete("export results/runs/ow") == ["results/runs/own"]
    assert complete("export results/runs/own/") == [
        "results/runs/own/20260102T000000Z-bbbb", "results/runs/own/latest",
    ]  # fmt: skip
    assert complete("show results/runs/oc") == ["results/runs/ocnet"]


def test_modules_with_what_they_are(complete):
    assert complete("show interl") == ["interlaced"]
    assert complete("show modul") == ["module"]
    assert "interlaced:" in " ".join(complete("show interl", shell="zsh")).replace('"', "")


def test_metrics_of_a_list_are_each_named_once(complete):
    assert complete("run x.yaml --metrics l") == ["latency"]
    assert complete("run x.yaml --metrics params,f") == ["params,flops"]
    assert "params,params" not in complete("run x.yaml --metrics params,")


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("run x.yaml --device c", ["cpu", "cuda"]),
        ("run x.yaml --dtype b", ["bfloat16"]),
        ("run x.yaml --engine l", ["local"]),
        ("export x --to p", ["pytest-benchmark", "parquet"]),
        ("show latest --format l", ["latex"]),
    ],
)
def test_options_of_few_values(complete, line, answers):
    assert complete(line) == answers


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell(shell):
    environment = {"_HARNESS_COMPLETE": f"source_{shell}"}
    done = CliRunner().invoke(app, [], prog_name="harness", env=environment)
    assert done.exit_code == 0, done.output
    assert "_HARNESS_COMPLETE" in done.stdout


COMMAND = f"""#!{sys.executable}
import sys
sys.argv[0] = "harness"
from harness.cli.app import main
main()
"""
SHELL = """
eval "$(_HARNESS_COMPLETE=source_bash ./harness)"
COMP_WORDS=(harness run mi) COMP_CWORD=2
_harness_completion ./harness
echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself_completes(user):
    user.write("mine.yaml", "")
    user.write("harness", COMMAND).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", SHELL],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("mine.yaml\n", "")
