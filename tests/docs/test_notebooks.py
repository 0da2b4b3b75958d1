"""The notebooks run as they stand, from a folder of their own, and are kept without outputs."""

import os
from pathlib import Path

import nbformat
import pytest
from markdown_pages import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

SAYS = {
    "efficiency": ("618.580", "<td>12</td>", "explained", "not reproducible"),
    "own_module": ("\\begin{tabular}", "Gate", "Non-local"),
    "ablations": ("k=11, both", "32 channels", "mIoU"),
    "regressions": ("Convolution MACs: +800% in", "slower", "version 6"),
}
"""Of each notebook, what its outputs have to hold."""
PICTURES = {"efficiency": 1, "own_module": 1, "ablations": 2, "regressions": 2}


def name(path: Path) -> str:
    return path.stem


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_these_are_the_notebooks():
    assert {name(path) for path in NOTEBOOKS} == set(SAYS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.metadata
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_runs_from_top_to_end(path, tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = read(path)
    client = NotebookClient(
        notebook,
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    said = "\n".join(text(output) for output in outputs)
    for part in SAYS[name(path)]:
        assert part in said, f"{part!r} is not among the outputs"
    assert not [output for output in outputs if output.get("name") == "stderr"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == PICTURES[name(path)]


def text(output: nbformat.NotebookNode) -> str:
    data = output.get("data", {})
    return "\n".join(
        (output.get("text", ""), data.get("text/plain", ""), data.get("text/html", ""))
    )


SHOWN = """
import harness
run = harness.run({"suite": "s", "module": "se", "input": [1, 16, 4, 4], "measure": "params"})
"""


def test_a_run_shows_one_line_under_its_cell_while_it_measures(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SHOWN)])
    said = []
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    take = client.process_message

    def listen(message, cell, index):
        if message["msg_type"].endswith("display_data"):
            said.append(message["content"]["data"].get("text/plain", ""))
        return take(message, cell, index)

    client.process_message = listen
    client.execute()
    assert said[0].startswith("s: 1 case, cpu, ")
    assert said[1] == "starting"
    assert any(each.startswith("[0/1] se: params, ") for each in said)
    assert any(each.startswith("[1/1] se, ") for each in said)
    last = [each for each in notebook.cells[0].outputs if "text/plain" in each.get("data", {})]
    assert "" in [each["data"]["text/plain"] for each in last]
