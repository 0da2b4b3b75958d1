"""`harness run` and `plan` of modules that no suite names."""

import json
import shlex
import subprocess

import pytest
from harness_user import COMMAND, MINI
from typer.testing import CliRunner

from harness.cli.app import app
from harness.cli.spread import spread
from harness.messages import HarnessError
from harness.suite.loader import load

GATE = """
    import torch
    from torch import nn

    class Gate(nn.Module):
        def __init__(self, in_channels: int, *, bias: bool = True, drop: float = 0.0) -> None:
            super().__init__()
            self.score = nn.Conv2d(in_channels, 1, 1, bias=bias)

        def forward(self, x):
            return x * torch.sigmoid(self.score(x))
"""
SMALL = ("--input", "1,16,6,6", "--threads", "1")


@pytest.fixture
def owner(user):
    """A user with a module of their own."""
    user.write("gate.py", GATE)
    return user


def rows(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def one_line(done, *parts):
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def test_modules_are_rows_of_one_table(owner):
    done = owner.call(
        "run", "ours=gate:Gate", "interlaced", *SMALL, "--with", "ours.bias=false",
        "--grid", "ours.drop=0,0.1", "--metrics", "params",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    labels = ("ours (drop=0)", "ours (drop=0.1)", "interlaced")
    (first, *_), *lines = (line.split("  ") for line in done.stdout.splitlines())
    assert [line[0] for line in lines if line[0] in labels] == list(labels)
    assert first == "ours-vs-interlaced"
    assert "run: results/runs/ours-vs-interlaced/" in done.stdout
    values = [record["values"]["params"] for record in owner.records("ours-vs-interlaced")]
    assert sorted(values)[:2] == [16, 16]


def test_what_a_new_user_wants_to_know_is_measured(owner):
    (row,) = rows(owner.call("run", "gate:Gate", *SMALL, "--json"))
    assert row["label"] == "Gate"
    assert all(row[name] for name in ("params", "flops", "live_peak_bytes", "latency_seconds"))


def test_a_module_of_the_catalog_has_a_usual_input_and_the_size_is_said(user):
    done = user.call("run", "se", "non_local", "--metrics", "params", "--json")
    assert {str(row["input"]) for row in rows(done)} == {"[[1, 512, 97, 97]]"}
    assert done.stderr.startswith("input: 1,512,97,97 (batch, channels, height, width); --input ")


@pytest.mark.parametrize("module", ["resnet", "afnb", "upernet", "segmentor", "gate:Gate"])
def test_what_has_no_usual_input_asks_for_one(module):
    for modules in ([module], ["se", module]):
        refused = CliRunner().invoke(app, ["run", *modules]).exception
        said = f"--input: {module} has no usual size; add --input B,C,H,W, or the shape that its "
        assert str(refused).startswith(said)


def test_an_axis_of_inputs_needs_no_other(owner):
    grid = "input=[1,8,4,4],[1,8,6,6]"
    found = rows(owner.call("run", "gate:Gate", "--grid", grid, "--metrics", "params", "--json"))
    assert [row["input"] for row in found] == [[[1, 8, 4, 4]], [[1, 8, 6, 6]]]


def test_the_saved_suite_measures_the_same_and_the_run_goes_on_with_it(owner):
    asked = ("run", "gate:Gate", "se", *SMALL, "--grid", "Gate.drop=0,0.1", "--metrics", "params")
    first = owner.call(*asked, "--save", "mine.yaml")
    assert first.returncode == 0, first.stderr
    assert "written: mine.yaml, suite.schema.json" in first.stderr
    (run,) = owner.runs("gate-vs-se")
    keys = [record["case_key"] for record in owner.records("gate-vs-se")]
    assert sorted(job.case.key for job in load(owner.folder / "mine.yaml").jobs) == sorted(keys)

    again = owner.call("run", "mine.yaml", "--resume")
    assert "kept 3" in again.stderr
    # What an interrupted command says to go on with has the option still in it.
    assert "kept 3" in owner.call(*asked, "--save", "mine.yaml", "--resume").stderr
    assert owner.runs("gate-vs-se") == [run]
    changed = owner.call(*asked, "--save", "mine.yaml", "--dtype", "float64")
    one_line(changed, "--save mine.yaml: there already; name another file, or remove it")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--save", "no/mine.yaml"], ["--save no/mine.yaml: there is no folder no; make it"]),
        (["--save", "mine"], ["--save mine: a suite ends in .yaml; write --save mine.yaml"]),
        (["--save", "m.yaml", "--only", "Gate"], ["a suite cannot say --only", "leave --only out"]),
        (["--grid", "input=[1,16,3,3]"], ["--grid input: --input gives one already"]),
        (["--with", "bias"], ["--with bias: no value; write --with NAME=VALUE"]),
        (["--with", "bias=1", "--with", "bias=2"], ["--with bias=2: bias is given twice"]),
        (["--grid", "bias=1", "bias=2"], ["--grid bias=2: bias is given twice; leave one"]),
        (["--grid", "bias="], ["--grid bias=: no value; write --grid bias=VALUE,VALUE"]),
        (["--grid", "bias=[1"], ["--grid bias=[1: the value is not YAML"]),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(owner, monkeypatch, options, parts):
    monkeypatch.chdir(owner.folder)
    before = sorted(owner.folder.iterdir())
    refused = CliRunner().invoke(app, spread(["run", "gate:Gate", *SMALL, *options])).exception
    assert isinstance(refused, HarnessError)
    assert "\n" not in str(refused)
    for part in parts:
        assert part in str(refused)
    assert sorted(owner.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--with", "bias=1"], "--with bias: expected bool as gate:Gate takes it, not 1; correct"),
        (["--metrics", "static", "--repeats", "5"], "--repeats: no case is timed, and every"),
        (["--repeats", "101"], "--repeats: expected at most 100, not 101"),
    ],
)
def test_what_only_the_module_can_tell_is_one_line_too(owner, options, part):
    one_line(owner.call("run", "gate:Gate", *SMALL, *options, "--save", "mine.yaml"), part)
    assert not (owner.folder / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("option", "cure"),
    [
        (["--with", "a=1"], "--with: for modules, and mini.yaml is a suite; write with: into a"),
        (["--grid", "a=1"], "--grid: for modules, and mini.yaml is a suite; write grid: into a"),
        (["--save", "a.yaml"], "--save a.yaml: for modules, and mini.yaml is a suite; copy it"),
    ],
)
def test_options_of_modules_beside_a_suite_are_mistakes(user, monkeypatch, option, cure):
    monkeypatch.chdir(user.folder)
    user.write("mini.yaml", MINI)
    refused = CliRunner().invoke(app, ["run", "mini.yaml", *option]).exception
    assert isinstance(refused, HarnessError)
    assert str(refused).startswith(cure)


def test_a_suite_that_cannot_be_saved_is_one_line(owner):
    done = owner.call("run", "gate:Gate", *SMALL, "--save", "/proc/mine.yaml")
    one_line(done, "--save /proc/mine.yaml: cannot be written (", "name a file in another folder")
    assert owner.runs("gate") == []


def test_a_suite_that_hides_a_module_says_how_to_get_that(user):
    user.write("se.yaml", MINI)
    done = user.call("run", "se", "--metrics", "params")
    assert done.stderr.startswith("se: the suite se.yaml; the module of that name is se=se\n")
    assert "run: results/runs/mini/" in done.stdout
    assert "results/runs/se/" in user.call("run", "se=se", *SMALL, "--metrics", "params").stdout


def test_modules_are_planned_as_they_are_run(owner):
    done = owner.call(
        "plan", "gate:Gate", "se", *SMALL, "--grid", "Gate.bias=true,false", "--repeats", "2",
        "--budget", "0", "--json",
    )  # fmt: skip
    planned = rows(done)["cases"]
    assert [case["label"] for case in planned] == 2 * [
        *("Gate (bias=true)", "Gate (bias=false)", "se"),
    ]
    one_line(
        owner.call("plan", "gate:Gate", *SMALL, "--only", "Gat"), "--only: no case is labelled"
    )


def test_processes_of_rows_take_turns(owner):
    done = owner.call("run", "gate:Gate", "se", *SMALL, "--metrics", "latency", "--repeats", "2")
    assert done.returncode == 0, done.stderr
    order = [(each["label"], each["replicate"]) for each in owner.records("gate-vs-se")]
    assert order == [("Gate", 1), ("se", 1), ("Gate", 2), ("se", 2)]
    assert "one process per case" not in done.stderr


def test_a_stderr_that_cannot_be_written_ends_no_run(user):
    asked = shlex.join([*COMMAND, "run", "se", "--metrics", "params", "--save", "s.yaml"])
    done = subprocess.run(
        ["bash", "-c", f"exec {asked} 2>/dev/full"],
        cwd=user.folder, env=user.environment, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert (user.folder / "s.yaml").exists()
    assert len(user.records("se")) == 1
