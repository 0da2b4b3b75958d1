"""A run that goes on: what is kept is still true, everything else is measured again, and said."""

import json
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

import harness
from harness.cli.app import app
from harness.messages import HarnessError

BLOCK = """
from torch import nn

{imports}


class Block(nn.Module):
    def __init__(self, in_channels: int, width: int = {width}):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 1)

    def forward(self, x):
        return {act}(self.conv(x))
"""
SUITE = {
    "suite": "mini",
    "input": [1, 16, 4, 4],
    "measure": ["params"],
    "cases": [{"label": "A", "module": "m:Block"}, {"label": "B", "module": "se"}],
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder with the module; a function that writes it anew."""
    monkeypatch.chdir(tmp_path)

    def write(width=8, imports="", act="abs", **files):
        (tmp_path / "m.py").write_text(BLOCK.format(width=width, imports=imports, act=act))
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)

    write()
    return write


@pytest.fixture
def run(project, capsys):
    """Runs the suite; rows by label, and what was said of a run that went on."""

    def go(suite=SUITE, **options):
        capsys.readouterr()
        done = harness.run(suite, **options)
        first = capsys.readouterr().err.split("\n")[0]
        return {row["label"]: row for row in done.rows()}, first, done

    return go


def test_an_edited_module_is_measured_again(project, run):
    assert run()[0]["A"]["params"] == 136
    project(width=80)
    rows, said, _ = run(resume=True)
    assert rows["A"]["params"] == 1360
    assert said == "kept 1, measuring 1 again: code changed (1)"


def test_a_comment_is_no_edit(project, run, tmp_path):
    run()
    (tmp_path / "m.py").write_text("# why\n" + (tmp_path / "m.py").read_text())
    assert run(resume=True)[1] == "kept 2"


LATE = {
    "imports": "def act(x):\n    import helper\n    return helper.act(x)",
    "act": "act",
}
BY_PATH = {
    "imports": "import runpy\nact = runpy.run_path('helper.py')['act']",
    "act": "act",
}
READ = {"imports": "import json\nACT = json.load(open('helper.json'))", "act": "(lambda x: x)"}


@pytest.mark.parametrize(
    ("project_files", "name", "before", "after"),
    [
        (LATE, "helper_py", "act = abs", "act = lambda x: x"),
        (BY_PATH, "helper_py", "act = abs", "act = lambda x: x"),
        (READ, "helper_json", "[1]", "[2]"),
    ],
    ids=["imported in forward", "run by its path", "data read at import"],
)
def test_files_that_it_uses_count(project, run, project_files, name, before, after):
    suite = {**SUITE, "measure": ["flops"]}
    project(**project_files, **{name: before})
    run(suite)
    assert run(suite, resume=True)[1] == "kept 2"
    project(**project_files, **{name: after})
    assert run(suite, resume=True)[1] == "kept 1, measuring 1 again: code changed (1)"


def test_a_file_that_would_be_imported_instead_counts(project, run, tmp_path):
    run()
    package = tmp_path / "m"
    package.mkdir()
    (package / "__init__.py").write_text((tmp_path / "m.py").read_text())
    assert "code changed (1)" in run(resume=True)[1]


def test_what_no_import_leads_to_can_be_named(project, run, tmp_path):
    (tmp_path / "table.bin").write_bytes(b"1")
    suite = {**SUITE, "depends_on": ["table.bin"]}
    run(suite)
    assert run(suite, resume=True)[1] == "kept 2"
    (tmp_path / "table.bin").write_bytes(b"2")
    assert run(suite, resume=True)[1] == "kept 0, measuring 2 again: code changed (2)"
    with pytest.raises(HarnessError, match=r"depends_on\.0: no such file or folder: lost"):
        run({**SUITE, "depends_on": ["lost"]})


def test_a_failure_is_measured_again_unless_it_is_wanted(project, run):
    project(act="misspelt")
    suite = {**SUITE, "measure": ["flops"]}
    assert run(suite)[0]["A"]["status"] == "error"
    assert run(suite, resume=True, keep_failed=True)[1] == "kept 2"
    project()
    rows, said, _ = run(suite, resume=True)
    assert rows["A"]["status"] == "ok"
    assert said == "kept 1, measuring 1 again: failed before (1)"


def git(*arguments):
    identity = ("-c", "user.name=n", "-c", "user.email=e@e", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)
    return done.stdout.decode().strip()


def test_each_record_has_the_commit_that_it_was_measured_at(project, run, tmp_path):
    suite = {**SUITE, "cases": [{"label": each, "module": f"{each}:Block"} for each in "ab"]}
    for each in "ab":
        (tmp_path / f"{each}.py").write_text((tmp_path / "m.py").read_text())
    (tmp_path / ".gitignore").write_text("results\n__pycache__\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    quick = run(suite, only="a")[2]
    (tmp_path / "b.py").write_text(BLOCK.format(width=80, imports="", act="abs"))
    git("commit", "-qam", "second")
    first, second = git("rev-parse", "HEAD^"), git("rev-parse", "HEAD")
    (tmp_path / "b.py").write_text("# dirty\n" + (tmp_path / "b.py").read_text())
    rows, said, done = run(suite, resume=quick.directory.path)
    assert said == "kept 1; 1 for the first time"
    found = {label: (row["params"], row["commit"], row["dirty"]) for label, row in rows.items()}
    assert found == {"a": (136, first, False), "b": (1360, second, True)}
    foot = done.table(format="console")
    assert f"Commit {first[:12]}: a." in foot
    assert f"Commit {second[:12]} (dirty): b." in foot
    told = CliRunner().invoke(app, ["history", "--metric", "params", "--json"])
    points = {each["label"]: each["points"] for each in json.loads(told.stdout)["series"]}
    assert {label: [point["commit"] for point in each] for label, each in points.items()} == {
        "a": [first], "b": [second],
    }  # fmt: skip
    copy = shutil.copytree(done.directory.path, tmp_path / "elsewhere" / "copy")
    compared = CliRunner().invoke(app, ["compare", str(done.directory.path), str(copy)])
    several = f"several commits: {first[:12]}: a; {second[:12]} (dirty): b"
    assert several in " ".join(compared.output.split())


def test_a_quick_try_hides_nothing(run):
    long = run()[2].directory.path.resolve()
    quick = run(only="A", input=[1, 4, 4, 4])[2].directory.path
    rows, said, done = run(resume=True)
    assert (done.directory.path, said) == (long, "kept 2")
    assert set(rows) == {"A", "B"}
    # Some cases of the long run: the others stay in it.
    assert run(only="A", resume=True)[2].directory.path == long
    assert [r.label for r in harness.load(long).records] == ["A", "B"]
    rows, _, done = run(only="A", input=[1, 4, 4, 4], resume=quick.name)
    assert done.directory.path == quick.resolve()


def test_a_run_can_be_named(run):
    first = run()[2].directory.path.resolve()
    run()
    assert run(resume=first)[2].directory.path == first
    assert run(resume=first.name)[2].directory.path == first
    other = {**SUITE, "suite": "other"}
    with pytest.raises(HarnessError, match="a run of suite mini, not of other"):
        run(other, resume=first)
    with pytest.raises(HarnessError, match="no run of these cases here"):
        run({**SUITE, "input": [1, 4, 4, 4]}, resume=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record["origin"]["versions"].update(torch="2.12.0"), "versions changed"),
        (lambda record: record["origin"].update(settings={"MKL_CBWR": "1"}), "settings changed"),
        (lambda record: record["origin"].update(code="0" * 16), "code changed"),
        (lambda record: record.pop("origin"), "code unknown"),
        (lambda record: record.update(machine_key="0" * 12), "other machine"),
        (lambda record: record.update(seed=7), "asked otherwise"),
        (lambda record: record.update(counting={"mine::gram": "m:rule"}), "asked otherwise"),
    ],
)
def test_what_was_measured_otherwise_is_measured_again(run, change, reason):
    done = run()[2]
    file = done.directory.path / "records.jsonl"
    first, *others = map(json.loads, file.read_text().splitlines())
    change(first)
    file.write_text("".join(f"{json.dumps(each)}\n" for each in (first, *others)))
    assert {r.label for r in harness.load(done.directory.path).records} == {"A", "B"}
    assert run(resume=True)[1] == f"kept 1, measuring 1 again: {reason} (1)"
    assert run(resume=True)[1] == "kept 2"


def test_a_look_at_fewer_metrics_loses_none(run):
    whole = {**SUITE, "measure": ["params", "flops"]}
    run(whole)
    assert run(whole, resume=True, metrics="params")[1] == "kept 2"
    _, said, kept = run(whole, resume=True)
    assert said == "kept 2"
    assert all(row["flops"] is not None for row in kept.rows())
