"""The Python interface on one small run: rows, frame, tables, plots, and the same from disk."""

from html.parser import HTMLParser

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from typer.testing import CliRunner

import harness
from harness.cli.app import app
from harness.records.remarks import remark

HOSTILE = "<script>alert('x')</script> & \"B\""
SUITE = {
    "suite": "small",
    "title": "Small",
    "measure": ("params", "flops", "latency"),
    "latency": {"criterion": "fixed", "samples": 3},
    "input": (1, 8, 6, 6),
    "cases": [
        {"label": "A", "module": "self_attention", "grid": {"key_channels": range(2, 6, 2)}},
        {"label": HOSTILE, "module": "interlaced"},
        {"label": "flat", "module": "self_attention", "input": (1, 8, 6)},
    ],
    "tables": [
        {"columns": ["label", "params", "flops", "latency"]},
        {"name": "products", "columns": ["label", "matmul_macs"]},
    ],
    "plots": [{"kind": "scatter", "x": "params", "y": "flops", "name": "costs"}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        yield path


@pytest.fixture(scope="module")
def run(folder):
    return harness.run(SUITE, threads=1, progress=False)


@pytest.fixture(scope="module")
def back(run):
    """The run as another process would find it."""
    return harness.load(run.directory.path)


def test_a_failed_case_is_a_row_and_the_run_is_complete(run):
    rows = run.rows()
    assert [row["label"] for row in rows] == [
        "A (key_channels=2)", "A (key_channels=4)", HOSTILE, "flat",
    ]  # fmt: skip
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "error"]
    assert (run.complete, run.ok, run.total) == (True, False, 4)
    assert all(row["threads"] == 1 for row in rows)
    assert "4 cases: 3 ok, 1 error" in run.summary()


def test_the_frame_has_types_units_and_every_case(run):
    frame = run.frame(all=True)
    assert len(frame) == 4
    kinds = {name: str(frame[name].dtype) for name in ("params", "latency_seconds", "compile")}
    assert kinds == {"params": "Int64", "latency_seconds": "Float64", "compile": "boolean"}
    for name in ("status", "device", "dtype", "pass", "verdict"):
        assert isinstance(frame[name].dtype, pd.CategoricalDtype), name
    assert isinstance(frame["label"].dtype, pd.StringDtype)
    assert frame["key_channels"].tolist()[:2] == [2, 4]
    assert frame.set_index("label").loc["flat", "latency_seconds"] is pd.NA
    units = frame.attrs["units"]
    assert (units["latency_seconds"], units["param_bytes"]) == ("s", "B")
    assert set(units) <= set(frame.columns)


def test_the_frame_has_few_columns_until_all_are_asked_for(run):
    few = run.frame()
    assert list(few.columns) == [
        *("label", "status", "cause", "input", "key_channels", "params", "operations"),
        *("latency_seconds", "latency_low_seconds", "latency_high_seconds", "relative"),
        "matmul_macs",
    ]
    assert set(few.columns) < set(run.frame(all=True).columns)
    assert few.attrs["units"]["latency_seconds"] == "s"


def test_rows_are_compared_with_each_other(run):
    told = run.compare()
    assert set(told.latencies) == {"A (key_channels=2)", "A (key_channels=4)", HOSTILE}
    assert told.fastest not in told.relative
    assert all(each.low is None and each.verdict == "unclear" for each in told.relative.values())
    assert "--repeats 5" in repr(told)
    assert len(told.frame()) == 3
    assert list(run.compare("A (key_channels=2)", HOSTILE).latencies) == [
        "A (key_channels=2)",
        HOSTILE,
    ]
    with pytest.raises(harness.HarnessError, match=r"nothing is called 'B' among the rows"):
        run.compare("B", HOSTILE)
    with pytest.raises(harness.HarnessError, match="0 of 1 rows have a latency"):
        run.compare("flat")


def test_samples_are_those_of_the_records(run):
    samples = run.samples()
    assert samples.groupby("label")["seconds"].count().to_dict() == dict.fromkeys(
        ("A (key_channels=2)", "A (key_channels=4)", HOSTILE), 3
    )
    first = run.rows()[0]
    own = samples[samples["label"] == first["label"]]["seconds"]
    assert own.tolist() == first["latency_samples_seconds"]
    assert own.median() == first["latency_seconds"]


def test_rows_and_tables_are_made_once(run):
    assert run.tables()["small"] is run.table("small")
    assert run.table(0) is run.table("small")
    run.rows()[0]["label"] = "changed by a reader"
    assert run.rows()[0]["label"] == "A (key_channels=2)"


def test_a_run_from_disk_is_the_run(run, back):
    assert back.rows() == run.rows()
    assert back.total == run.total
    assert back.suite.tables == run.suite.tables
    assert back.suite.plots == run.suite.plots
    assert [job.case for job in back.suite.jobs] == [job.case for job in run.suite.jobs]
    for form in ("markdown", "latex", "csv", "html", "console"):
        assert back.table("products", format=form) == run.table("products", format=form)


def test_files_made_again_from_the_records_are_the_same_bytes(run, back):
    folder = run.directory.path
    files = sorted([*folder.glob("tables/*"), *folder.glob("plots/*")])
    assert {file.name for file in files} == {
        "small.csv", "small.md", "small.tex", "products.csv", "products.md", "products.tex",
        "costs.pdf", "costs.png", "costs.svg", "costs.txt",
    }  # fmt: skip
    before = {file: file.read_bytes() for file in files}
    for file in files:
        file.unlink()
    back.write()
    assert {file: file.read_bytes() for file in files} == before
    assert (folder / "tables" / "products.md").read_text() == run.table(
        "products", format="markdown"
    )


def test_a_table_of_its_own(run):
    table = run.table(columns=["label", "matmul_macs"])
    assert [column.stored for column in table.shown] == ["label", "matmul_macs"]
    with pytest.raises(harness.HarnessError, match="did you mean 'params'"):
        run.table(columns=["parms"])


def test_a_suite_without_tables_has_one_of_what_was_measured(run, folder):
    bare = {key: value for key, value in SUITE.items() if key not in ("tables", "plots")}
    found = harness.run(bare, metrics="params", only="flat", out=folder / "bare", progress=False)
    assert [column.stored for column in found.table().shown] == ["label", "params"]
    assert (found.tables(), found.plots()) == ({}, [])
    with pytest.raises(harness.HarnessError, match="the suite has no plots"):
        found.plot()


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (None, "2 tables, so that one has to be named: small, products"),
        ("product", "did you mean products"),
        (2, "no number 2: there are 2 tables"),
    ],
)
def test_a_table_that_is_not_there_names_those_that_are(run, which, message):
    with pytest.raises(harness.HarnessError, match=message):
        run.table(which)


def test_plots_are_those_of_the_suite_or_of_the_moment(run):
    assert run.plots() == ["costs"]
    asked, own = run.plot(), run.plot(kind="bar", y="params", title="Mine")
    assert isinstance(asked, Figure)
    assert "Mine" in [text.get_text() for text in own.findobj(Text)]
    with pytest.raises(harness.HarnessError, match="a scatter plot needs x"):
        run.plot(kind="scatter", y="params")


class Texts(HTMLParser):
    """Texts and names of elements, as a browser would see them."""

    def __init__(self):
        super().__init__()
        self.texts, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_notebooks_show_labels_as_text(run):
    page = Texts()
    page.feed(run._repr_html_())
    assert HOSTILE in page.texts
    assert "script" not in page.tags
    assert page.tags.count("table") == 2
    assert any("4 cases: 3 ok, 1 error" in text for text in page.texts)


def test_runs_are_found_by_suite_by_folder_and_as_the_latest(run, folder):
    for path in ("small", "latest", folder / "results" / "runs" / "small"):
        assert harness.load(path).directory.path == run.directory.path.resolve()
    assert [each.started_at for each in harness.load_all(folder / "results")] == [run.started_at]
    with pytest.raises(harness.HarnessError, match=r"smal: no such run; did you mean 'small'\?"):
        harness.load("smal")
    with pytest.raises(harness.HarnessError, match="no run here"):
        harness.load(root=folder / "elsewhere")


def test_a_description_of_another_form_is_one_line(run, folder):
    copy = folder / "copy"
    copy.mkdir()
    text = (run.directory.path / "run.json").read_text()
    (copy / "run.json").write_text(text.replace('"kind": "scatter"', '"kind": "sphere"'))
    with pytest.raises(harness.HarnessError) as error:
        harness.load(copy)
    assert "\n" not in str(error.value)
    assert "copy/run.json: its suite cannot be read back (kind: " in str(error.value)


def test_show_prints_the_tables_of_a_run(run):
    shown = CliRunner().invoke(app, ["show", "results/runs/small"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert all(part in shown.stdout for part in ("Latency", "flat", "error:", "run: "))
    latex = CliRunner().invoke(app, ["show", "latest", "--table", "products", "--format", "latex"])
    assert latex.stdout == run.table("products", format="latex")
    for arguments, message in [
        (["latest", "--input", "1,8,6,6"], "--input is for modules"),
        (["se", "--format", "csv"], "--format is for runs"),
        (["latest", "--format", "docx"], "no such format"),
    ]:
        refused = CliRunner().invoke(app, ["show", *arguments])
        assert isinstance(refused.exception, harness.HarnessError)
        assert message in str(refused.exception)


def test_a_module_is_shown_layer_by_layer(folder):
    costs = harness.show("self_attention", (1, 8, 6, 6), {"key_channels": 4})
    frame = costs.frame()
    assert frame["params"].sum() == costs.totals["params"] > 0
    assert frame["conv_macs"].sum() == costs.totals["conv_macs"] > 0
    assert costs.description.paper == harness.show("self_attention").description.paper
    with pytest.raises(harness.HarnessError, match="does not run on 1,8,6"):
        harness.show("self_attention", (1, 8, 6))


def test_latex_is_set_as_it_is_asked_for(run):
    def shown(*options):
        arguments = ["show", str(run.directory.path), "--table", "small", "--format", "latex"]
        done = CliRunner().invoke(app, [*arguments, *options])
        assert done.exit_code == 0
        return done.stdout

    assert shown() == run.table("small", format="latex")
    assert r"\bfseries" in shown()
    assert r"\bfseries" not in shown("--no-best")
    assert shown("--no-best") == run.table("small", format="latex", best=False)
    assert "Fits one column" in shown("--columns", "1")
    full = run.table("small", format="latex", full=True, page_columns=2)
    assert full == shown("--full", "--columns", "2")
    assert r"\begin{table*}" in full


def test_what_is_of_latex_alone_is_refused_elsewhere(run):
    arguments = ["show", str(run.directory.path), "--table", "small", "--format", "csv"]
    for option in (["--best"], ["--full"], ["--columns", "1"]):
        refused = CliRunner().invoke(app, [*arguments, *option])
        assert "add --format latex" in str(refused.exception)
    with pytest.raises(harness.HarnessError, match="add format='latex'"):
        run.table("small", full=True)
    with pytest.raises(harness.HarnessError, match="of LaTeX, not of csv"):
        run.table("small", format="csv", best=True)
    with pytest.raises(harness.HarnessError, match="a page has 1 or 2"):
        run.table("small", format="latex", page_columns=3)


def test_a_module_and_a_run_of_one_name_are_told_apart(run, folder):
    def show(*arguments):
        return CliRunner().invoke(app, ["show", *arguments], env={"COLUMNS": "200"})

    remark(run.directory.path, ["interlaced", "mine"])
    assert (run.tags, harness.load("mine").directory.path) == (
        ("interlaced", "mine"), run.directory.path.resolve(),
    )  # fmt: skip
    assert "run: " in show("mine").stdout
    both = show("interlaced", "--input", "1,8,8,8")
    assert "parameters" in both.stdout
    assert both.stderr == ("interlaced: a run is called so, too: harness show run interlaced\n")
    assert show("interlaced", "--format", "csv").stdout.startswith("label,")
    assert "run: " in show("run", "interlaced").stdout
    layers = show("module", "interlaced", "--input", "1,8,8,8")
    assert "parameters" in layers.stdout, layers.output
    assert "--format is for runs" in str(show("module", "se", "--format", "csv").exception)
    assert "no such run" in str(show("run", "se").exception)
    assert "write run NAME or module NAME" in str(show("a", "b").exception)
    assert "did you mean 'small'?" in str(show("smal").exception)
    assert "nosuch/x: no such run" in str(show("nosuch/x").exception)


def test_a_table_of_ones_own_can_be_sorted_and_compared(run):
    labels = [row["label"] for row in run.rows()[:3]]
    told = run.table(columns=["label", "relative"], sort="-params", relative_to=labels[0])
    lines = {line[0]: line[1] for line in told.lines}
    assert lines[labels[0]] == "1"
    assert run.table(columns="label").lines == [[row["label"]] for row in run.rows()]
    with pytest.raises(harness.HarnessError, match="columns: empty"):
        run.table(columns=[])


@pytest.mark.parametrize("given", [None, 3, ["interlaced"], pd.DataFrame])
def test_what_is_no_suite_is_refused_in_one_line(given):
    with pytest.raises(harness.HarnessError, match=r"is no suite; give a file, the name of a ship"):
        harness.run(given)


def test_a_module_is_no_suite_and_the_cure_is_one():
    with pytest.raises(harness.HarnessError, match=r'this is a module; give a suite.*"interlaced"'):
        harness.run("interlaced")
