"""Every mistake of a suite in one pass, and columns of what nothing measures."""

import pytest

import harness
from harness.measure import METRICS
from harness.measure.convention import CONVENTIONS
from harness.measure.metric import Unit
from harness.present.measured import missing
from harness.present.reading import Reading
from harness.records.quantities.registry import QUANTITIES

GATE = """
import harness
from torch import nn


class Gate(nn.Module):
    def __init__(self, in_channels: int, bad: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x):
        return self.conv(x)


@harness.metric(zero_share={"unit": "1"})
def sparsity(module, inputs):
    return {"zero_share": 0.5}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "gate.py").write_text(GATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(folder, text: str, **options) -> list[str]:
    (folder / "s.yaml").write_text(text)
    try:
        harness.validate("s.yaml", **options)
    except harness.SuiteError as error:
        return str(error).splitlines()
    return []


EVERYTHING = """\
suite: all
input: [1, 8, 4, 4]
measure: [params, latancy, "gate:sparsty"]
titel: x
cases:
  - {label: A, module: "gate:Gate", with: {bad: 3}}
  - {label: B, module: ppmm}
  - {label: C, module: ppm, modul: x}
tables:
  - {columns: [label, parms, latancy, latency, energy, share, gflops], titel: y}
plots:
  - {kind: scatter, x: flosp, y: flops}
reference: {paper: ocnett, table: table4, rows: {C: PPM, E: x}}
"""


def test_every_mistake_of_every_kind_in_file_order_without_what_follows_from_it(folder):
    lines = lines_of(folder, EVERYTHING)
    assert [line.split(": ")[1] for line in lines] == [
        "measure.1",
        "measure.2",
        "titel",
        "cases.0.with.bad",
        "cases.1.module",
        "cases.2.modul",
        "tables.0.columns.1",  # parms; latancy, latency, share and gflops may be right
        "tables.0.columns.4",
        "tables.0.titel",
        "plots.0.x",
        "plots.0.y",
        "reference.paper",
        "reference.rows",
    ]


SUITE = """\
suite: s
input: [1, 8, 4, 4]
{measure}
cases:
  - {{label: A, module: "gate:Gate"}}
  - {{label: B, module: "gate:Gate", {own}}}
tables: [{{columns: [label, {column}]}}]
"""


def suite(measure: str, column: str, own: str = "seed: 1") -> str:
    return SUITE.format(measure=measure, column=column, own=own)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            suite("measure: [params]", "latency"),
            "s.yaml:7:28: tables.0.columns.1: no case measures latency; add latency to measure, or "
            "remove the column",
        ),
        (
            suite("measure: [latency]", "flops_per_second"),
            "s.yaml:7:28: tables.0.columns.1: no case measures flops, which flops_per_second "
            "needs; add flops to measure, or remove the column",
        ),
        (
            suite("", "latency"),
            "s.yaml:7:28: tables.0.columns.1: no case measures latency; write measure: [static, "
            "latency], or remove the column",
        ),
        (
            suite("measure: [flops]", "flops_per_second", "measure: [latency]"),
            "s.yaml:7:28: tables.0.columns.1: no case measures flops and latency together, which "
            "flops_per_second needs; add flops and latency to measure, or remove the column",
        ),
        (
            suite("measure: [params]", "params") + "plots: [{kind: roofline}]\n",
            "s.yaml:8:9: plots.0: no case measures flops, which arithmetic_intensity needs; add "
            "flops to measure, or remove the plot",
        ),
        (
            suite("measure: [params]", "params")
            + "plots: [{kind: heatmap, x: label, y: module, value: latency}]\n",
            "s.yaml:8:53: plots.0.value: no case measures latency; add latency to measure, or "
            "remove the plot",
        ),
        (
            suite("measure: [params]", "params")
            + "plots: [{kind: heatmap, x: device, y: module, value: params}]\n",
            "s.yaml:8:9: plots.0: heatmap puts several rows into one cell of module x device; "
            "leave the others out of the grid, or draw lines",
        ),
    ],
)
def test_a_column_that_nothing_measures_is_named_with_its_cure(folder, text, said):
    assert lines_of(folder, text)[0] == said


@pytest.mark.parametrize(
    "text",
    [
        suite("measure: [params]", "latency", "measure: [latency]"),  # one case is enough
        suite('measure: [params, "gate:sparsity"]', "zero_share"),
        suite("measure: [params]", "status, cause, warnings, verdict, processes"),
        suite("measure: [params]", "seed", "grid: {in_channels: [8]}").replace(
            "seed", "in_channels"
        ),
    ],
)
def test_what_one_case_measures_and_what_needs_no_metric_is_fine(folder, text):
    assert lines_of(folder, text) == []


def test_an_option_that_measures_less_makes_no_column_a_mistake(folder):
    text = suite('measure: [flops, latency, "gate:sparsity"]', "flops, latency, zero_share")
    assert lines_of(folder, text, metrics="flops") == []
    run = harness.run("s.yaml", metrics="flops", progress=False)
    assert run.ok
    assert [column.stored for column in run.table("s").shown] == [
        "label", "operations", "latency_seconds", "zero_share",
    ]  # fmt: skip


def test_an_option_that_measures_more_makes_no_column_right(folder):
    (line,) = lines_of(folder, suite("measure: [params]", "latency"), metrics="latency")
    assert "add latency to measure" in line


def test_every_quantity_that_a_metric_stores_is_found_to_need_it():
    row = {"label": "A", "input": [[1, 8, 4, 4]], "dtype": "float32", "pass": "inference"}
    needs = {
        name: missing(
            Reading(each, Unit("1", 1.0), CONVENTIONS["flops"], None, {}), [row], {"A": ()}
        )
        for name, each in QUANTITIES.items()
    }
    stored = {value.name: m.name for m in METRICS.values() for value in m.values if value.head}
    left_out = {"input_bytes", "threads"}  # a case has them before anything is measured
    assert {n: needs[n] for n in stored if n not in left_out} == {
        n: (metric,) for n, metric in stored.items() if n not in left_out
    }
    assert needs["share_of_roof"] == ("flops", "latency")
    assert needs["attainable_flops_per_second"] == ("flops",)
    assert needs["live_peak_error"] == ("memory", "memory_model")
    assert needs["label"] == needs["positions"] == ()


REFERENCE = """\
suite: s
input: [1, 512, 16, 16]
measure: [params, flops]
cases: [{label: A, module: ppm}]
tables: [{columns: [label, params, latncy]}]
reference:
  paper: ocnet
  table: table4
  figures:
    gflops: {value: flosp}
    nothing: {value: flops}
  rows: {A: PPMM, B: PPM}
"""


def test_every_mistake_of_a_reference_has_its_place(folder):
    where = [line.split(": ")[:2] for line in lines_of(folder, REFERENCE)]
    assert where == [
        ["s.yaml:5:36", "tables.0.columns.2"],
        ["s.yaml:10:21", "reference.figures.gflops.value"],
        ["s.yaml:11:14", "reference.figures.nothing"],
        ["s.yaml:12:9", "reference.rows"],
        ["s.yaml:12:13", "reference.rows.A"],
    ]
