"""`harness show RUN --plots`: the plots of a kept run, drawn anew for where they go."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.messages import HarnessError

KEPT = Path(__file__).parents[3] / "results" / "ablations"
RUN = str(KEPT / "ablation-ggcf-pruning")
NAMES = {"ablation-ggcf-pruning", "ablation-ggcf-pruning-pareto"}


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["show", *arguments])


def test_plots_are_drawn_into_a_folder_and_the_run_stays_as_it_is(invoke, tmp_path):
    before = {path: path.read_bytes() for path in Path(RUN).rglob("*") if path.is_file()}
    drawn = ("--plots", "--out", "figures", "--figure", "column", "--font", "dejavu serif")
    done = invoke(RUN, *drawn)
    assert done.exit_code == 0, done.output
    assert sorted(done.stdout.split()) == sorted(
        ["plot:"] * 2 + [f"figures/{name}.{{png,svg,pdf,txt}}" for name in NAMES]
    )
    made = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(made) == {f"{n}.{kind}" for n in NAMES for kind in ("png", "svg", "pdf", "txt")}
    svg = ET.fromstring(made["ablation-ggcf-pruning.svg"])
    assert svg.get("width") == f"{3.5 * 72:g}pt"
    texts = {"".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"affinity, FULL", "random, FULL", "mIoU (%)"} <= texts
    assert not any("Measured with" in text for text in texts)
    caption = made["ablation-ggcf-pruning.txt"].decode().splitlines()
    assert caption[0] == "GGCF Figure 4: Context Pruning against random pruning: mIoU by prune_rate"
    assert any(line.startswith("Measured with device cpu") for line in caption)
    assert invoke(RUN, *drawn).exit_code == 0
    again = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert again == made
    assert before == {path: path.read_bytes() for path in Path(RUN).rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((RUN, "--figure", "column"), "--figure is for plots; add --plots"),
        ((RUN, "--out", "x"), "--out is for plots; add --plots"),
        ((RUN, "--plots", "--format", "latex"), "--format is for tables; leave out --plots"),
        (
            (RUN, "--plots", "--figure", "colum"),
            "--figure colum: no such size; did you mean column?",
        ),
        (
            (RUN, "--plots", "--font", "DejaVu Serf"),
            "--font DejaVu Serf: not installed here; did you",
        ),
        (("ppm", "--titled"), "--titled is for runs, and ppm is a module; leave it out"),
    ],
)
def test_a_mistake_is_one_line(invoke, arguments, message):
    done = invoke(*arguments)
    assert isinstance(done.exception, HarnessError), done.output
    assert done.exception.exit_code == 2
    assert str(done.exception).startswith(message)
    assert "\n" not in str(done.exception)


def test_a_run_without_plots_says_what_to_do(invoke, tmp_path):
    bare = Path(shutil.copytree(RUN, tmp_path / "bare"))
    described = json.loads((bare / "run.json").read_text())
    del described["suite"]["plots"]
    (bare / "run.json").write_text(json.dumps(described))
    done = invoke(str(bare), "--plots")
    assert isinstance(done.exception, HarnessError)
    assert "has none; write plots: into its suite, or draw one" in str(done.exception)
