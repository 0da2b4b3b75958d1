"""Metrics of a user: a function in a file beside the suite, from real processes to every output."""

import csv
import io
import json
import textwrap

import pytest
import torch

import harness
from harness.measure.own import MetricError, as_declared, declared, own_value
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.suite import Overrides

NUMBERS = """
    import torch
    import harness


    @harness.metric(
        zero_share={"unit": "1", "better": "lower", "shown": "%", "decimals": 1, "head": "Zeros"},
        largest={"unit": "1", "better": "higher", "note": "of the output"},
    )
    def sparsity(module, inputs):
        assert not module.training and not any(each.requires_grad for each in inputs)
        with torch.no_grad():
            out = module(*inputs)
        return {"zero_share": (out < 0).float().mean(), "largest": float(out.max())}


    @harness.metric(weight_norm={"unit": "1"})
    def norm(module, inputs):
        return {"weight_norm": sum(p.detach().norm().item() for p in module.parameters())}


    @harness.metric(span={"unit": "s", "compared": "statistically"})
    def infinite(module, inputs):
        return {"span": float("inf")}


    @harness.metric(span={"unit": "s"})
    def forgetful(module, inputs):
        return {}


    @harness.metric(span={"unit": "s"})
    def raising(module, inputs):
        return 1 / 0


    @harness.metric(params={"unit": "1"})
    def thief(module, inputs):
        return {"params": 1}


    @harness.metric(zero_share={"unit": "1"})
    def twin(module, inputs):
        return {"zero_share": 1}


    def plain(module, inputs):
        return {"x": 1}
"""
SUITE = """
    suite: own
    input: [1, 8, 6, 6]
    measure: [params, "numbers_of:sparsity"]
    device: cpu
    cases:
      - {label: A, module: self_attention}
      - {label: B, module: self_attention, pass: training, with: {key_channels: 2}}
    tables:
      - columns: [label, params, zero_share, largest]
    plots:
      - {kind: scatter, x: zero_share, y: largest}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(user, *arguments):
    done = user.call(*arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.timeout(400)  # several processes, on machines that do other things as well
def test_its_numbers_are_columns_fields_plots_exports_and_comparisons(user):
    user.write("numbers_of.py", NUMBERS)
    user.write("own.yaml", SUITE)
    rows = json.loads(said(user, "run", "own.yaml", "--json"))
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert all(0 < row["zero_share"] < 1 and row["params"] for row in rows)
    assert rows[0]["declared"]["zero_share"] == {
        "unit": "1", "better": "lower", "shown": "%", "decimals": 1, "head": "Zeros",
        "metric": "numbers_of:sparsity",
    }  # fmt: skip

    (user.folder / "numbers_of.py").unlink()  # a kept run says itself what its numbers are
    table = said(user, "show", "latest", "--format", "markdown")
    assert "Zeros (%)" in table
    assert f"{100 * rows[0]['zero_share']:.1f}" in table
    assert "largest: of the output" in table
    run = (user.folder / "results/runs/own/latest").resolve()
    assert "Zeros (%)" in (run / "plots/own-scatter-largest.svg").read_text(encoding="utf-8")
    exported = csv.DictReader(io.StringIO(said(user, "export", str(run), "--to", "csv")))
    assert [float(row["zero_share"]) for row in exported] == [row["zero_share"] for row in rows]
    tracked = json.loads(said(user, "export", str(run), "--to", "github-action-benchmark"))
    named = {entry["name"] for entry in tracked}
    assert "own/A Zeros" in named
    assert "own/A largest" not in named  # the action knows only what is better when smaller


@pytest.mark.timeout(400)
def test_a_comparison_knows_its_direction(user):
    user.write("numbers_of.py", NUMBERS)
    user.write("own.yaml", SUITE)
    runs = []
    for bias in ("", "-1"):
        text = NUMBERS.replace("module(*inputs)\n", f"module(*inputs) {bias}\n")
        user.write("numbers_of.py", text)
        said(user, "run", "own.yaml", "--only", "A", "--json")
        runs.append(str((user.folder / "results/runs/own/latest").resolve()))
    done = user.call("compare", *runs, "--json")
    found = {each["metric"]: each for each in json.loads(done.stdout)["comparisons"]}
    assert found["zero_share"]["verdict"] == "more"
    assert found["zero_share"]["regression"]
    assert found["largest"]["verdict"] == "less"
    assert found["largest"]["regression"]
    assert not found["params"]["regression"]


@pytest.mark.timeout(400)
def test_a_mistake_of_one_costs_no_other_metric(user):
    user.write("numbers_of.py", NUMBERS)
    names = {"A": "infinite", "B": "forgetful", "C": "raising"}
    for label, name in names.items():
        user.write(
            f"{label}.yaml",
            f"suite: s{label.lower()}\ninput: [1, 8, 6, 6]\n"
            f'measure: ["numbers_of:{name}", "numbers_of:norm", params]\n'
            f"cases: [{{label: {label}, module: self_attention}}]\n",
        )
    user.write("all.yaml", "suite: all\ninclude: [A.yaml, B.yaml, C.yaml]\n")
    rows = json.loads(user.call("run", "all.yaml", "--json").stdout)
    assert [row["cause"] for row in rows] == [
        "metric numbers_of:infinite: span is inf; return a finite number",
        "metric numbers_of:forgetful: returned no span; return every value that it declares",
        "metric numbers_of:raising: ZeroDivisionError: division by zero (numbers_of.py:34)",
    ]
    for row in rows:
        assert row["status"] == "error"
        assert row["params"] > 0
        assert row["weight_norm"] > 0


MISTAKES = {
    "file": ("nothing:f", "2:", "nothing cannot be imported (ModuleNotFoundError"),
    "function": ("numbers_of:sparsty", "", "numbers_of has no sparsty; did you mean sparsity?"),
    "no name": ("numbers_of:", "", "numbers_of: names no function; write package.file:function"),
    "undeclared": ("numbers_of:plain", "", "numbers_of:plain declares no values; write @harness"),
    "taken": ("numbers_of:thief", "", "declares params, which is a quantity of the harness; give"),
}


def lines_of(path):
    with pytest.raises(SuiteError) as caught:
        load(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(folder, name):
    measured, _, expected = MISTAKES[name]
    write(folder, "numbers_of.py", NUMBERS)
    suite = (
        f'suite: s\ninput: [1, 8, 6, 6]\nmeasure: [params, "{measured}"]\n'
        "cases: [{module: self_attention}, {module: ppm}]\n"
    )
    (line,) = lines_of(write(folder, "s.yaml", suite))
    assert line.startswith("s.yaml:3:19: measure.1: "), line
    assert expected in line


def test_two_functions_cannot_give_one_name(folder):
    write(folder, "numbers_of.py", NUMBERS)
    suite = (
        "suite: s\ninput: [1, 8, 6, 6]\ncases:\n"
        '  - {module: ppm, measure: "numbers_of:sparsity"}\n'
        '  - {module: ppm, measure: "numbers_of:twin", label: other}\n'
    )
    (line,) = lines_of(write(folder, "s.yaml", suite))
    assert line == (
        "s.yaml:5:28: cases.1.measure: numbers_of:twin declares zero_share, which is declared by "
        "numbers_of:sparsity; give it another name"
    )


def test_an_option_has_no_place_in_the_file(folder):
    write(folder, "numbers_of.py", NUMBERS)
    path = write(folder, "s.yaml", "# s\nsuite: s\ninput: [1, 8, 6, 6]\ncases: [{module: ppm}]\n")
    with pytest.raises(SuiteError, match=r"s\.yaml: option metrics: .* has no sparse; did"):
        load(path, Overrides(metrics=("numbers_of:sparse",)))
    (job,) = load(path, Overrides(metrics=("numbers_of:norm",))).jobs
    assert job.declared == {"weight_norm": {"unit": "1", "metric": "numbers_of:norm"}}


def write(folder, name, text):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("x", {}, "x has no unit; write one of 1, s, B"),
        ("x", {"unit": "ms"}, "x declares unit ms; write one of 1, s"),
        ("x", {"unit": "s", "shown": "MiB"}, "x declares shown MiB; write one of s, ms"),
        ("x", {"unit": "s", "better": "less"}, "x declares better less; write one of lower"),
        ("x", {"unit": "s", "betta": "lower"}, "x declares betta; did you mean better?"),
        ("x", {"unit": "s", "decimals": True}, "x declares decimals True; write 0 to 9"),
        ("x", {"unit": "s", "head": "a\nb"}, "x declares head a\\nb; write one line"),
        ("x", {"unit": ["s"]}, "x declares unit ['s']; write one of"),
        ("X y", {"unit": "s"}, "X y is no name of a value; write lower case"),
        ("x", "s", "x is declared by no mapping"),
    ],
)
def test_a_declaration_that_cannot_be(name, said, expected):
    with pytest.raises(MetricError) as caught:
        harness.metric(**{name: said})
    assert expected in str(caught.value)


def test_units_directions_and_heads():
    value = own_value("used", {"unit": "B", "shown": "MiB", "decimals": 1})
    assert (value.dimension, value.direction, value.head) == ("bytes", "min", "used")
    share = own_value("share", {"unit": "1", "shown": "%", "better": "higher"})
    assert (share.dimension, share.direction) == ("ratio", "max")
    assert own_value("nodes", {"unit": "1", "shown": "M"}).dimension == "count"
    assert own_value("nodes", {"unit": "1"}).direction is None
    assert own_value("took", {"unit": "s", "better": "neither"}).direction is None
    with pytest.raises(MetricError):
        declared([{"declared": {"x": {"unit": "furlong"}}}])


def test_numbers_of_any_kind_become_plain_ones():
    said = {name: {} for name in "ab"}
    plain = as_declared({"a": torch.tensor(3), "b": torch.tensor(0.5)}, said)
    assert plain == {"a": 3, "b": 0.5}
    assert [type(each) for each in plain.values()] == [int, float]
    for wrong in (True, "1", torch.ones(2), None, [1]):
        with pytest.raises(MetricError, match="return one number"):
            as_declared({"a": wrong, "b": 1}, said)
    with pytest.raises(MetricError, match="returned c; declare it"):
        as_declared({"a": 1, "b": 1, "c": 1}, said)
    with pytest.raises(MetricError, match="returned list; return a dictionary"):
        as_declared([1], said)
