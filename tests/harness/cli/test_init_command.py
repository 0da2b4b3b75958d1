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


@pytest.mark.parametrize("name", ["ocnet_table4", "ablations/ranet_k", "mechanisms"])
def test_a_copy_of_a_shipped_suite_is_the_same_cases_and_fits_the_schema(invoke, tmp_path, name):
    expected = [job.case.key for job in harness.validate(name).all_jobs()]
    file = f"{name.rpartition('/')[2]}.yaml"
    done = invoke("--from", name)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == f"  harness run {file}"
    copy = harness.validate(file)
    assert [job.case.key for job in copy.all_jobs()] == expected
    schema = json.loads((tmp_path / "suite.schema.json").read_text())
    for part in copy.parts():
        assert part.path.is_relative_to(tmp_path)
        first, *_ = part.path.read_text().splitlines()
        named = part.path.parent / first.removeprefix("# yaml-language-server: $schema=")
        assert named.samefile(tmp_path / "suite.schema.json")
        Draft202012Validator(schema).validate(YAML(typ="safe", pure=True).load(part.path))


def test_a_second_copy_finds_the_schema_there_and_a_changed_suite_is_kept(invoke, tmp_path):
    assert invoke("--from", "conventions").exit_code == 0
    (tmp_path / "conventions.yaml").write_text("mine")
    assert invoke("--from", "ranet_table3").exit_code == 0
    refused = str(invoke("--from", "conventions").exception)
    assert refused.startswith("conventions.yaml: there already, and nothing was written; ")
    assert (tmp_path / "conventions.yaml").read_text() == "mine"


def test_what_cannot_be_copied_is_one_line(invoke, tmp_path):
    unknown, both = invoke("--from", "ocnet_tabel4"), invoke("--from", "smoke", "--module", "x")
    assert str(unknown.exception) == (
        "ocnet_tabel4: suite: no such file or shipped suite; did you mean ocnet_table4 or "
        "srnet_table5 or srnet_table3? (all names: harness list suites)"
    )
    assert "give one of them" in str(both.exception)
    assert list(tmp_path.iterdir()) == []


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
