"""Growth: sweeps, verdicts on printed orders, exponents as columns."""

import pytest
from made_rows import Suite, failed, make

from harness.judge.printed import load_table
from harness.judge.verdict import annotate, tally_of, unmatched
from harness.messages import HarnessError
from harness.present.formats import csv_text, markdown
from harness.present.latex.source import latex
from harness.records.quantities.derived import sweep_name, sweeps
from harness.suite.presentation import FigureSpec, ReferenceSpec, TableSpec

SIDES = (64, 128, 256)
REFERENCE = ReferenceSpec(
    paper="srnet",
    table="table1",
    figures={
        "computation": FigureSpec(value="reasoning_operations", over="positions"),
        "affinity_memory": FigureSpec(value="affinity_elements", over="positions"),
    },
)
SPEC = TableSpec(columns=("label", "computation", "affinity_memory", "verdict"))


def made(name, side, macs, affinity):
    shape = [1, 512, side, side]
    return {
        "suite": "srnet-table1",
        "label": f"{name} (input=1x512x{side}x{side})",
        "status": "ok",
        "input": [shape],
        "factors": {"input": shape},
        "conv_macs": 10**12 * side,  # channel reduction: left out
        "matmul_macs": macs,
        "elementwise_ops": {"batch_norm": 10**12 * side},
        "affinity_elements": affinity,
        "warnings": [],
    }


def swept(name="Non-local", macs=lambda n: 512 * n**2, affinity=lambda n: n**2, sides=SIDES):
    return [made(name, side, macs(side**2), affinity(side**2)) for side in sides]


def judged(rows, spec=REFERENCE):
    return annotate(rows, Suite(reference=spec))


@pytest.mark.parametrize(
    ("label", "factors", "name"),
    [
        ("NL (input=1x512x64x64)", {"input": [1, 512, 64, 64]}, "NL"),
        ("NL (input=1x512x64x64, k=3)", {"input": [1, 512, 64, 64], "k": 3}, "NL (k=3)"),
        ("NL 1x512x64x64", {"input": [1, 512, 64, 64]}, "NL"),
        ("NL, 1x512x64x64, k=3", {"input": [1, 512, 64, 64], "k": 3}, "NL, k=3"),
        ("NL (1x512x64x64)", {"input": [1, 512, 64, 64]}, "NL"),
        ("1x512x64x64: NL", {"input": [1, 512, 64, 64]}, "NL"),
        ("NL", {"k": 3}, "NL"),
        ("NL", {}, "NL"),
        ("non_local (input=1x8x4x4)", {"module": "non_local", "input": (1, 8, 4, 4)}, "non_local"),
    ],
)
def test_a_sweep_is_the_label_without_the_swept_value(label, factors, name):
    assert sweep_name({"label": label, "factors": factors}) == name


def test_sweeps_keep_the_order_of_the_suite():
    rows = [*swept("B"), *swept("A")]
    assert {name: len(each) for name, each in sweeps(rows).items()} == {"B": 3, "A": 3}
    assert list(sweeps(rows)) == ["B", "A"]


def test_an_order_is_judged_once_where_the_sweep_ends():
    rows = judged(swept()[::-1])  # whatever the order of the rows
    at_end = rows[0]["verdicts"]
    assert [row["verdicts"] for row in rows[1:]] == [{}, {}]
    computation = at_end["computation"]
    assert computation["verdict"] == "agrees"
    assert (computation["printed"], computation["printed_text"]) == (2, "O(C (HW)^2)")
    assert computation["ours"] == pytest.approx(2)
    assert computation["difference"] is None
    assert tally_of(rows).text.startswith("2 printed figures: 2 agree")


@pytest.mark.parametrize(
    ("exponent", "verdict"),
    [(1.951, "agrees"), (1.949, "differs"), (2.049, "agrees"), (2.051, "differs")],
)
def test_the_tolerance_is_absolute(exponent, verdict):
    rows = judged(swept(macs=lambda n: round(1e9 * n**exponent)))
    assert rows[-1]["verdicts"]["computation"]["verdict"] == verdict


def test_an_exponent_of_zero_is_judged_too():
    rows = judged(swept("SRNet", macs=lambda n: 768 * n, affinity=lambda _: 512))
    assert rows[-1]["verdicts"]["affinity_memory"]["verdict"] == "agrees"
    rows = judged(swept("SRNet", affinity=lambda n: round(1000 * n**0.06)))
    assert rows[-1]["verdicts"]["affinity_memory"]["verdict"] == "differs"


def test_what_differs_says_its_exponent_and_sizes():
    rows = judged(swept(affinity=lambda n: n))
    assert rows[-1]["verdicts"]["affinity_memory"]["reason"] == (
        "exponent 1.000 over N = 4,096 to 65,536, 3 sizes; O((HW)^2) has 2"
    )


def test_an_own_tolerance_and_a_known_reason():
    loose = FigureSpec(
        value="reasoning_operations",
        over="positions",
        tolerance=0.3,
        not_reproducible={"DANet": "a reason"},
    )
    spec = ReferenceSpec(paper="srnet", table="table1", figures={"computation": loose})
    rows = judged([*swept(macs=lambda n: round(1e6 * n**1.75)), *swept("DANet")], spec)
    assert rows[2]["verdicts"]["computation"]["verdict"] == "agrees"
    assert rows[5]["verdicts"]["computation"]["reason"] == "a reason"


@pytest.mark.parametrize("sides", [(64,), (64, 64)])
def test_one_size_has_no_exponent(sides):
    found = judged(swept(sides=sides))[-1]["verdicts"]["computation"]
    assert (found["ours"], found["verdict"], found["reason"]) == (None, None, "not measured")


def test_failed_sizes_are_left_out_of_the_fit():
    lost = failed("x", "timeout", "too slow") | {
        key: made("Non-local", 512, None, None)[key] for key in ("label", "input", "factors")
    }
    rows = judged([*swept(), lost])
    assert rows[-1]["verdicts"]["computation"]["verdict"] == "agrees"
    table = make(SPEC, Suite(reference=REFERENCE), rows)
    assert [line[1] for line in table.lines] == ["2.000"]


def test_rows_of_the_paper_that_nothing_stands_beside():
    part = Suite(reference=REFERENCE)
    missing = unmatched(swept(), part)
    assert missing == ("A2Net", "CGNL", "CCNet", "DANet", "SRNet")
    renamed = ReferenceSpec(**{**REFERENCE.model_dump(), "rows": {"NL": "Non-local"}})
    assert unmatched(swept("NL"), Suite(reference=renamed)) == missing


def test_exponents_are_columns_with_a_figure_where_the_sweep_ends():
    part = Suite(reference=REFERENCE)
    table = make(SPEC, part, [*swept(), *swept("Ours", macs=lambda n: n)])
    # Of other sizes there is nothing to say, unless something else is asked of them.
    assert [line[1:] for line in table.lines] == [
        ["2.000", "O(C (HW)^2) ✓", "2.000", "O((HW)^2) ✓", "reproduced"],
        ["1.000", "–", "2.000", "–", "–"],
    ]
    sizes = TableSpec(columns=("label", "positions", "computation"))
    assert len(make(sizes, part, swept()).lines) == 3
    foot = "\n".join(table.footnotes)
    assert "slope of the logarithm over that of N, in the row of the largest size" in foot
    assert "exponent of computation within 0.05; exponent of affinity_memory within 0.05." in foot
    assert "half a unit" not in foot
    assert "2 printed figures: 2 agree" in foot
    header, *lines = csv_text(table).splitlines()
    values = dict(zip(header.split(","), lines[0].split(","), strict=True))
    assert float(values["computation_ours"]) == pytest.approx(2)
    assert values["computation_verdict"] == "agrees"
    assert r"O\(C \(HW\)" in markdown(table) or "O(C (HW)" in markdown(table)
    assert "S[table-format=1.3]" in latex(table, "growth")


def test_an_order_without_its_degree_is_refused(tmp_path):
    folder = tmp_path / "results" / "paper"
    folder.mkdir(parents=True)
    rows = "{rows: [{row: A, computation: {order: O(N), degree: one}}]}"
    (folder / "mine.yaml").write_text(f"paper: Mine\ntables: {{table1: {rows}}}\n")
    with pytest.raises(HarnessError, match="no printed order; write"):
        load_table("mine", "table1", tmp_path)


def test_a_figure_over_text_is_refused():
    spec = ReferenceSpec(
        paper="srnet",
        table="table1",
        figures={"computation": FigureSpec(value="macs", over="label")},
    )
    with pytest.raises(HarnessError, match="'label' is text"):
        judged(swept(), spec)


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (FigureSpec, {"value": "macs", "over": "positions", "unit": "G"}, "no unit"),
    ],
)
def test_suites_that_contradict_themselves(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model(**arguments)
