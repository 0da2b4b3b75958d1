"""The commands beside `run`: what they print, and that a mistake is one line."""

import json
import re
from pathlib import Path

import pytest
from harness_user import MINI
from typer.testing import CliRunner

import harness
from context_modules.catalog import CATALOG
from harness.cli.app import app
from harness.messages import HarnessError
from harness.suite.shipped import shipped

KEPT = Path(__file__).parents[3] / "results" / "ablations"


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it for its workers
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_help_names_every_command(invoke):
    done = invoke("--help")
    assert done.exit_code == 0
    for command in ("run", "list", "show", "validate", "schema", "env"):
        assert re.search(rf"\b{command}\b", done.stdout)


def test_list_names_every_module(invoke):
    text = invoke("list").stdout
    assert all(entry.name in text for entry in CATALOG)
    found = json.loads(invoke("list", "--json").stdout)
    assert [entry["name"] for entry in found] == [entry.name for entry in CATALOG]


def test_list_names_every_suite(invoke):
    text = invoke("list", "suites").stdout
    assert all(re.search(rf"│ {name} +│", text) for name in shipped())
    assert "of the latest run in results/runs, else on " in text
    found = json.loads(invoke("list", "suites", "--json").stdout)
    assert [entry["name"] for entry in found] == list(shipped())
    refused = invoke("list", "suits").exception
    assert str(refused) == "list suits: no such list; did you mean suites?"


def test_version(invoke):
    assert invoke("--version").stdout == f"context-harness {harness.__version__}\n"


def test_env_is_what_a_run_records(invoke):
    found = json.loads(invoke("env", "--json").stdout)
    assert found["libraries"]["torch"]
    assert re.fullmatch(r"[0-9a-f]{12}", found["machine_key"])
    assert found["machine_key"] in invoke("env").stdout


def test_schema_is_json(invoke):
    assert json.loads(invoke("schema").stdout)["type"] == "object"


def test_validate_counts_cases(invoke, tmp_path):
    lines = [line.removeprefix("    ") for line in MINI.splitlines()]
    (tmp_path / "mini.yaml").write_text("\n".join(lines))
    done = invoke("validate", "mini.yaml")
    assert done.stdout == "mini.yaml: 3 cases in 1 suite, no mistakes\n"
    (tmp_path / "mini.yaml").write_text("\n".join(lines).replace("flops", "latency"))
    done = invoke("validate", "mini.yaml", "--repeats", "5")
    assert done.stdout == "mini.yaml: 15 cases in 1 suite, no mistakes\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "mini.yaml"]


def test_show_has_arguments_layers_and_costs(invoke):
    done = invoke("show", "self_attention", "--input", "1,8,6,6", "--with", "key_channels=4")
    assert done.exit_code == 0, done.output
    for part in ("key_channels", "Conv2d", "MFLOPs", "live peak", "coverage"):
        assert part in done.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nosuch"], ["nosuch: no module and no run is called so"]),
        (["no.such:Class"], ["no.such cannot be imported"]),
        (["self_attention", "--with", "key_chanels=4"], ["key_chanels"]),
        (["self_attention", "--with", "key_channels=many"], ["key_channels", "int"]),
        (["self_attention", "--with", "key_channels"], ["NAME=VALUE"]),
        (["self_attention", "--with", "a=[1"], ["not YAML"]),
        (["self_attention", "--pass", "sideways"], ["--pass sideways"]),
        (["self_attention", "--input", "1,8,x,6"], ["whole numbers"]),
        (["self_attention", "--input", "1,8,0,6"], ["at least 1"]),
        (["self_attention", "--input", "8"], ["self_attention"]),
        (["self_attention", "--input", "1,8,6"], ["does not run on 1,8,6"]),
        (["broken:Raises"], ["does not run on", "IndexError", "an index"]),
        (["broken:Exits"], ["does not run on", "5"]),
    ],
)
def test_a_mistake_of_show_is_one_line(invoke, tmp_path, arguments, parts):
    (tmp_path / "broken.py").write_text(
        "import sys\n"
        "from torch import nn\n"
        "class Raises(nn.Module):\n"
        "    def forward(self, x):\n"
        "        raise IndexError('IndexError: an index\\nand more')\n"
        "class Exits(nn.Module):\n"
        "    def forward(self, x):\n"
        "        sys.exit(5)\n"
    )
    done = invoke("show", *arguments)
    assert isinstance(done.exception, HarnessError), done.exception
    assert done.exception.exit_code == 2
    message = str(done.exception)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_mistake_ends_the_process_with_one_line_and_2(user):
    done = user.run("show", "nosuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os; os._exit(0)", "ends the process that imports it, with exit code 0; move what"),
        ("import time; time.sleep(600)", "is not imported within 4 s; move what"),
        ("import sys; sys.exit(3)", "bad cannot be imported (SystemExit: 3); check the name"),
    ],
)
def test_show_outlives_a_file_that_ends_or_holds_whoever_imports_it(user, text, message):
    user.write("bad.py", text)
    user.environment["HARNESS_IMPORT_SECONDS"] = "4"
    done = user.run("show", "bad:Gate")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize("columns", [60, 100])
def test_a_table_for_the_terminal_is_as_wide_as_that(invoke, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = invoke("show", str(KEPT / "ablation-srnet-nodes"), "--format", "console")
    tables = [line for line in done.stdout.splitlines() if line.startswith(("┏", "│", "─"))]
    assert tables
    assert max(map(len, done.stdout.splitlines())) <= columns
