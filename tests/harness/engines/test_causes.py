"""Why a case failed: the line of its own code, once, and once for all cases that fail alike."""

import pytest

import harness

GATE = """\
import os
import signal

from torch import nn


class Adds(nn.Module):
    def forward(self, x):
        return x + None


class Views(nn.Module):
    def forward(self, x):
        return x.view(3, -1)  # raised far below, in PyTorch


class Builds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        raise ValueError("an odd width")


class Wraps(nn.Module):
    def forward(self, x):
        try:
            return x + None
        except TypeError as error:
            raise RuntimeError("two\\nlines") from error


class Leaves(nn.Module):
    def forward(self, x):
        raise SystemExit(3)


class KillsCount(nn.Module):
    def forward(self, x):
        if os.getpid() != os.getsid(0):  # the process that counts is a child of the case's
            os.kill(os.getpid(), signal.SIGRTMIN + 3)
        return x * 2
"""
ADDS = "TypeError: unsupported operand type(s) for +: 'Tensor' and 'NoneType' ({file}:{line})"
CAUSES = {
    "Adds": ("error", ADDS.format(file="models/gate.py", line=9)),
    "Adds 2": ("error", ADDS.format(file="models/gate.py", line=9)),
    "Views": (
        "error",
        "RuntimeError: shape '[3, -1]' is invalid for input of size 128 (models/gate.py:14)",
    ),
    "Builds": ("error", "gate:Builds: an odd width (models/gate.py:20)"),
    "Wraps": ("error", "RuntimeError: two (models/gate.py:28)"),
    "Leaves": ("error", "the module ended the process: exit code 3 (models/gate.py:33)"),
    "KillsCount": ("killed", "killed by SIGRTMIN+3, in metric flops"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("causes")
    (folder / "models").mkdir()
    (folder / "models" / "gate.py").write_text(GATE)
    cases = [{"label": each, "module": f"gate:{each.split()[0]}"} for each in CAUSES]
    deep = {"label": "Catalog", "module": "se", "input": [2, 8]}
    lines = "\n".join(f"  - {each}" for each in [*cases, deep])
    (folder / "models" / "s.yaml").write_text(
        "suite: s\ninput: [1, 8, 4, 4]\nmeasure: [params, flops, latency]\n"
        f"latency: {{criterion: fixed, samples: 1}}\ncases:\n{lines}\n"
        "tables: [{columns: [label, flops, latency]}]\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return harness.run("models/s.yaml", out=folder / "runs", progress=False)


@pytest.mark.parametrize("label", CAUSES)
def test_the_cause_has_the_innermost_line_of_the_users_code(run, label):
    (row,) = (row for row in run.rows() if row["label"] == label)
    assert (row["status"], row["cause"]) == CAUSES[label]


def test_a_module_of_the_catalog_has_its_own_line(run):
    (row,) = (row for row in run.rows() if row["label"] == "Catalog")
    assert row["status"] == "error"
    assert row["cause"].rpartition(" (")[2].startswith("context_modules/squeeze_excitation.py:")


def test_what_the_cause_says_is_not_in_the_last_lines_again(run):
    tails = {record.label: "\n".join(record.tail) for record in run.records}
    assert "unsupported operand" not in tails["Adds"]
    assert "return x + None" in tails["Adds"]
    assert tails["Wraps"].endswith("\nlines")  # of a long message the rest
    assert "RuntimeError: two" not in tails["Wraps"]


def test_cases_that_fail_alike_are_one_note_and_their_cells_are_one_word(run):
    table = run.table("s")
    notes = [note for note in table.footnotes if "unsupported operand" in note]
    assert notes == [f"2 cases: error: {CAUSES['Adds'][1]}: Adds, Adds 2"]
    assert table.columns[1].cells[0].text == "error"
    text = run.table("s", format="markdown")
    assert text.count("unsupported operand") == 1


def test_the_report_has_one_entry_for_cases_that_fail_alike(run, tmp_path):
    page = harness.report(run, tmp_path / "r.html").read_text()
    failed = page[page.index('id="failed"') :].partition("</section>")[0]
    assert failed.count("unsupported operand") == 1
    assert "Adds, Adds 2" in failed
    assert failed.count('class="failure"') == len(run.rows()) - 1


def test_progress_says_a_cause_once(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "gate.py").write_text(GATE)
    monkeypatch.chdir(tmp_path)
    cases = [{"label": each, "module": "gate:Adds"} for each in "AB"]
    suite = {"suite": "s", "input": [1, 8, 4, 4], "measure": ["flops"], "cases": cases}
    harness.run(suite, out=tmp_path / "runs")
    _, first, second, _ = capsys.readouterr().err.splitlines()  # what runs; how the table ended
    assert first.endswith(ADDS.format(file="gate.py", line=9))
    # They run side by side, and either may end first.
    assert second.endswith(f"s: as {first.partition('] ')[2][0]}")
