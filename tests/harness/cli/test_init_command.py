"""`harness init`: what it writes runs at once, and nothing of a user's is overwritten."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

import harness
from harness.cli.app import app


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["init", *arguments])


def test_a_suite_a_module_and_its_test_run_at_once(invoke, user):
    done = invoke("mine", "--module", "my_attention")
    assert done.exit_code == 0, done.output
    folder = user.folder / "mine"
    assert sorted(path.name for path in folder.iterdir()) == [
        "my_attention.py", "suite.schema.json", "suite.yaml", "test_my_attention.py",
    ]  # fmt: skip
    assert done.stdout.splitlines()[1:] == [
        "next:", "  cd mine", "  harness run suite.yaml", "  pytest test_my_attention.py",
    ]  # fmt: skip

    run = harness.run(
        folder / "suite.yaml", metrics="params,flops", only=["MyAttention", "PPM"], progress=False
    )
    own, paper = run.rows()
    assert run.ok
    assert own["conv_macs"] + own["matmul_macs"] == own["algorithmic_macs"]
    assert (own["verdict"], paper["verdict"]) == (None, "reproduced")

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert "11 passed" in tested.stdout


@pytest.mark.parametrize("arguments", [[], ["--module", "Gate"]])
def test_the_suite_fits_the_schema_beside_it(invoke, tmp_path, arguments):
    assert invoke(*arguments).exit_code == 0
    text = (tmp_path / "suite.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=suite.schema.json\n")
    assert max(map(len, text.splitlines())) <= 100
    schema = json.loads((tmp_path / "suite.schema.json").read_text())
    Draft202012Validator(schema).validate(YAML(typ="safe", pure=True).load(text))
    grid = next(line for line in text.splitlines() if line.startswith("  # - "))
    suite = text.replace(grid, grid.replace("# - ", "- "))
    (tmp_path / "suite.yaml").write_text(suite)
    assert len(harness.validate("suite.yaml").jobs) == (9 if arguments else 8)


def test_nothing_is_overwritten_without_being_asked(invoke, tmp_path):
    (tmp_path / "suite.yaml").write_text("mine")
    refused = invoke("--module", "gate")
    assert isinstance(refused.exception, harness.HarnessError)
    assert str(refused.exception) == (
        "suite.yaml: there already, and nothing was written; give another folder, or --force to "
        "write anew"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["suite.yaml"]
    assert (tmp_path / "suite.yaml").read_text() == "mine"
    assert invoke("--module", "gate", "--force").exit_code == 0
    assert (tmp_path / "suite.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "file", "class_name"),
    [
        ("my_attention", "my_attention", "MyAttention"),
        ("MyAttention", "my_attention", "MyAttention"),
        ("SEBlock2", "seblock2", "SEBlock2"),
        ("x", "x", "X"),
    ],
)
def test_names_of_file_and_class(invoke, tmp_path, name, file, class_name):
    assert invoke("--module", name).exit_code == 0
    assert f"class {class_name}(nn.Module):" in (tmp_path / f"{file}.py").read_text()
    assert harness.validate("suite.yaml").jobs[0].case.module == f"{file}:{class_name}"


def test_the_folder_modules_of_this_repository_keeps_nobody_from_the_name(
    invoke, tmp_path, monkeypatch
):
    others = [path for path in sys.path if Path(path).name != "tests"]  # it has such a folder, too
    monkeypatch.setattr(sys, "path", others)
    assert invoke("--module", "modules").exit_code == 0
    assert "class Modules(nn.Module):" in (tmp_path / "modules.py").read_text()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my-attention", "no name of a Python file"),
        ("2d", "no name of a Python file"),
        ("größe", "no name of a Python file"),
        ("torch", "would stand in the way"),
        ("random", "would stand in the way"),
        ("class", "would stand in the way"),
        ("harness", "would stand in the way"),
        ("context_modules", "would stand in the way"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(invoke, tmp_path, name, reason):
    refused = invoke("--module", name)
    assert isinstance(refused.exception, harness.HarnessError)
    assert reason in str(refused.exception)
    assert "\n" not in str(refused.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_line(invoke, tmp_path):
    (tmp_path / "file").write_text("")
    refused = invoke("file")
    assert str(refused.exception) == "file: a file has that name; give the name of a folder"
