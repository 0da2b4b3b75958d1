"""What is written in place of a suite's file: a user's own goes first, then a shipped one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.cli.app import app
from harness.suite import reader, tree
from harness.suite.expand import number_of_cases
from harness.suite.listing import listed, shipped_durations
from harness.suite.loader import load
from harness.suite.shipped import FOLDER, RECIPES, find, home, shipped

MINE = "suite: mine\ninput: [1, 8, 6, 6]\ncases: [{module: self_attention}]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("efficiency", "efficiency.yaml"),
        ("efficiency.yaml", "efficiency.yaml"),
        ("smoke", "ablations/smoke.yaml"),
        ("ablations/smoke", "ablations/smoke.yaml"),
        ("ablations/smoke.yaml", "ablations/smoke.yaml"),
        ("ablations/mechanisms/scene", "ablations/mechanisms/scene.yaml"),
    ],
)
def test_a_shipped_suite_by_its_name(given, file, folder):
    assert find(Path(given)) == FOLDER / file
    (folder / given).mkdir(parents=True)  # no suite
    assert find(Path(given)) == FOLDER / file


def test_every_name_is_of_one_file():
    files = [path for path in FOLDER.rglob("*.yaml") if not path.is_relative_to(RECIPES)]
    assert sorted(shipped().values()) == sorted(files)


@pytest.mark.parametrize("file", ["efficiency.yaml", "efficiency.yml", "efficiency"])
def test_a_file_of_that_name_in_the_current_folder_goes_first(file, folder):
    (folder / file).write_text(MINE)
    assert find(Path("efficiency")) == Path(file)
    assert harness.validate("efficiency").name == "mine"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "efficency",
            "did you mean efficiency or ggcf_efficiency or efficiency_more? (all names: ",
        ),
        ("suites/ocnet-table4.yaml", "did you mean ocnet_table4 or "),
        ("zzz", "check the path or the name (all names: harness list suites)"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(given, said):
    with pytest.raises(harness.SuiteError) as refused:
        load(Path(given))
    assert str(refused.value).startswith(f"{given}: suite: no such file or shipped suite; {said}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("command", ["run", "plan", "validate", "gate --against HEAD"])
def test_every_command_that_takes_a_suite_says_so(command):
    refused = CliRunner().invoke(app, [*command.split(), "efficency"]).exception
    assert str(refused).startswith("efficency: suite")
    assert "no such file" in str(refused)
    assert "shipped suite" in str(refused)
    assert "did you mean efficiency or" in str(refused)


def test_what_is_there_and_no_suite_is_told_by_who_reads_it(folder):
    (folder / "results").mkdir()
    with pytest.raises(harness.SuiteError, match="results:1:1: file: this is a directory"):
        load(Path("results"))


def test_the_repository_of_a_run_is_that_of_the_suite(folder):
    assert home(FOLDER / "efficiency.yaml") == FOLDER
    assert home(folder / "below" / "mine.yaml") == folder / "below"


@pytest.mark.parametrize("name", ["efficiency", "repeatability", "cpnet_cost", "ggcf_pruning"])
def test_cases_are_counted_as_they_are_made(name):
    path = shipped()[name]
    source = tree.read(reader.read_file(path), path.parent)
    counted = {part.spec.suite: n for part in source.walk() if (n := number_of_cases(part))}
    assert counted == {part.name: len(part.jobs) for part in load(path).parts()}


def test_a_list_of_suites_has_tables_cases_and_times(folder):
    found = {each.name: each for each in listed(folder)}
    assert list(found) == list(shipped())
    efficiency, grid = found["efficiency"], found["ranet_k"]
    assert {"OCNet Table 4", "OCNet Figure 4", "GGCF Efficiency"} < set(efficiency.regenerates)
    assert efficiency.cases == 82
    assert (grid.suite, grid.regenerates) == ("ablation-ranet-k", ("RANet Table 2",))
    assert all(each.static_seconds for each in found.values())
    assert found["ocnet_pyramids"].whole_seconds > 600  # seven cases with three trainings each


def test_times_that_are_shipped_are_of_the_suites_as_they_are(folder):
    cases = {each.suite: each.cases for each in listed(folder)}
    known = shipped_durations()
    for extent in ("static", "whole"):
        for suite, (number, _) in known[extent].items():
            assert number == cases[suite], f"{suite}: measure again, see harness/suite/listing.py"


def test_a_run_of_ones_own_is_the_time_that_is_shown(folder):
    run = harness.run("conventions", metrics="params", out=folder, progress=False)
    records = [json.loads(line) for line in (run.directory.path / "records.jsonl").open()]
    found = {each.name: each for each in listed(folder)}["conventions"]
    took = sum(record["elapsed_seconds"] for record in records)
    assert found.static_seconds == pytest.approx(took, abs=0.1)
    # Which may have been of a part of its metrics.
    assert found.whole_seconds == shipped_durations()["static"]["conventions"][1]
