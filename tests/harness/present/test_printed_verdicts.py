"""Verdicts: ours against what the paper prints."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import Suite, failed, make, ocnet, reference, row, table4

from harness.judge.printed import figure
from harness.judge.verdict import VerdictTally, annotate, tally_of, unmatched, within
from harness.messages import HarnessError
from harness.suite.presentation import FigureSpec, ReferenceSpec, TableSpec


def by_label(rows):
    return {each["label"]: each for each in rows}


def suite(**more):
    return Suite(reference=ReferenceSpec(**more))


@pytest.mark.parametrize(
    ("ours", "printed", "tolerance", "expected"),
    [
        (618.5, "619", 0, True),  # exactly half a unit
        (618.49, "619", 0, False),
        (618.49, "619", 0.001, True),
        (0.105, "0.10", 0, True),
        (0.1051, "0.10", 0, False),
        (0.1051, "0.1", 0, True),  # one decimal fewer grants ten times more
        (-1.05, "-1.0", 0, True),
    ],
)
def test_half_a_unit_of_the_last_digit_is_granted(ours, printed, tolerance, expected):
    assert within(ours, figure(printed), tolerance) is expected


@settings(deadline=None, max_examples=200)
@given(st.floats(0.001, 1e6), st.integers(0, 4), st.floats(0, 0.1))
def test_what_rounds_to_the_printed_figure_is_reproduced(ours, places, tolerance):
    assert within(ours, figure(f"{ours:.{places}f}"), tolerance)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 10_000), st.floats(0, 0.1), st.floats(0.01, 10))
def test_what_lies_outside_is_not(printed, tolerance, beyond):
    outside = printed * (1 + tolerance) + 0.5 + beyond * 1e-2
    assert not within(outside, figure(str(printed)), tolerance)


def test_ocnet_table_4():
    rows = by_label(annotate(table4(), ocnet()))
    assert {each["verdicts"]["gflops"]["verdict"] for each in rows.values()} == {"agrees"}
    assert rows["PPM"]["reported"] == {"memory_mb": 792, "gflops": 619, "time_ms": 78}
    ppm = rows["PPM"]["verdicts"]
    assert ppm["memory_mb"]["verdict"] == "not reproducible"
    assert "filter buffer" in ppm["memory_mb"]["reason"]
    assert ppm["memory_mb"]["ours"] == pytest.approx(504.0, abs=1e-4)
    assert ppm["time_ms"]["verdict"] == "not judged"
    assert ppm["time_ms"]["ours"] == pytest.approx(3.21)
    assert ppm["gflops"]["difference"] == pytest.approx(618.58 / 619 - 1)
    assert rows["ASPP"]["verdicts"]["memory_mb"]["verdict"] == "differs"
    assert "-28.91 %" in rows["ASPP"]["verdicts"]["memory_mb"]["reason"]


def test_a_row_is_reproduced_where_all_its_judged_figures_agree():
    rows = by_label(annotate(table4(), ocnet()))
    assert rows["ASPP"]["verdict"] == "1 of 2 agree"  # its memory differs
    assert rows["PPM"]["verdict"] == "1 of 2 agree"  # its memory is not reproducible
    assert rows["DANet"]["verdict"] == "reproduced"
    plain = by_label(annotate(table4(), ocnet(reference=reference(figures={}))))
    assert plain["ASPP"]["verdicts"]["memory_mb"]["verdict"] == "not judged"
    assert plain["ASPP"]["verdict"] == "reproduced"
    none = {key: FigureSpec(value="latency", judged=False) for key in ("gflops", "memory_mb")}
    shown = annotate(table4(), ocnet(reference=reference(figures=none)))
    assert {each["verdict"] for each in shown} == {None}


def test_what_arithmetic_accounts_for_is_explained_and_does_not_agree():
    flops = FigureSpec(value="flops", explained={"PPM": "a misprint"})
    spec = reference(
        figures={"gflops": flops},
        explained={"ASPP": "all of it"},
        not_reproducible={"DANet": "nobody knows"},
    )
    rows = by_label(annotate([*table4()[:3]], ocnet(reference=spec)))
    gflops = {label: each["verdicts"]["gflops"] for label, each in rows.items()}
    assert {label: (each["verdict"], each["reason"]) for label, each in gflops.items()} == {
        "PPM": ("explained", "a misprint"),
        "ASPP": ("explained", "all of it"),
        "DANet": ("not reproducible", "nobody knows"),
    }
    assert {each["verdict"] for each in rows.values()} == {"0 of 1 agree"}
    table = make(TableSpec(columns=("label", "flops")), ocnet(reference=spec), table4()[:3])
    assert [line[3] for line in table.lines] == ["-0.07 †", "-0.05 †", "+0.02 ‡"]
    notes = [line for line in table.footnotes if line.startswith(("†", "‡"))]
    assert notes[0] == "† explained by arithmetic; ‡ not reproducible."
    assert "† PPM, gflops: explained: a misprint." in notes


@pytest.mark.parametrize(
    ("whole", "own", "named"),
    [
        ({"explained": {"PPM": "a"}, "not_reproducible": {"PPM": "b"}}, {}, "PPM;"),
        ({}, {"explained": {"PPM": "a"}, "not_reproducible": {"PPM": "b"}}, "PPM, gflops;"),
        ({"explained": {"PPM": "a"}}, {"not_reproducible": {"PPM": "b"}}, "PPM, gflops;"),
    ],
)
def test_no_figure_is_explained_and_not_reproducible(whole, own, named):
    with pytest.raises(
        ValueError, match=f"explained and not_reproducible both name {named} keep it"
    ):
        reference(**whole, figures={"gflops": FigureSpec(value="flops", **own)})


def test_a_failed_row_has_no_verdict_of_its_own():
    rows = [failed("DANet", "oom", "out of memory")]
    (found,) = annotate(rows, ocnet())
    assert found["verdict"] is None
    assert found["verdicts"]["gflops"]["verdict"] is None
    assert found["reported"]["gflops"] == 1110
    assert rows[0].keys() == failed("DANet", "oom", "").keys()  # the rows given stay as they were


def test_a_time_is_never_judged_and_accuracy_has_no_counterpart():
    latency = FigureSpec(value="latency", tolerance=0.9)
    (found,) = annotate(
        [row("PPM", 23, 618.58, 504, 78.0)],
        ocnet(reference=reference(figures={"time_ms": latency})),
    )
    assert found["verdicts"]["time_ms"]["verdict"] == "not judged"
    part = suite(paper="srnet", table="table3")
    (found,) = annotate([row("+SE", 0.033, 0.00947, 18, 1)], part)
    assert found["verdicts"]["miou"]["verdict"] == "not judged"
    assert found["verdicts"]["miou"]["ours"] is None
    assert found["verdicts"]["gflops"]["verdict"] == "agrees"


def test_ratios_of_rows():
    ratio = FigureSpec(value="operations", relative_to="SA", tolerance=0.005)
    part = suite(
        paper="ocnet",
        table="figure4",
        figures={"gflops_ratio": ratio},
        rows={"ISA": "ISA relative to SA"},
    )
    rows = by_label(annotate([row("SA", 1, 1000, 10, 1), row("ISA", 1, 246.2, 1, 1)], part))
    found = rows["ISA"]["verdicts"]["gflops_ratio"]
    assert (found["verdict"], found["unit"]) == ("agrees", "1")
    assert found["ours"] == pytest.approx(0.2462)
    # Without the row to divide by there is no ratio, and nothing is invented.
    (alone,) = annotate([row("ISA", 1, 246.2, 1, 1)], part)
    assert alone["verdicts"]["gflops_ratio"]["ours"] is None
    assert alone["verdicts"]["gflops_ratio"]["verdict"] is None


def test_overheads_over_rows():
    over = FigureSpec(value="operations", minus_of={"+NL": "+2*3x3"})
    part = suite(paper="srnet", table="table3", figures={"gflops": over})
    made = [row("+2*3x3", 11.8, 108.745, 36, 1), row("+NL", 12.3, 108.745 + 48.359, 700, 1)]
    rows = by_label(annotate(made, part))
    assert rows["+NL"]["verdicts"]["gflops"]["ours"] == pytest.approx(48.359)
    assert rows["+NL"]["verdicts"]["gflops"]["verdict"] == "agrees"
    assert rows["+2*3x3"]["verdicts"]["gflops"]["ours"] == pytest.approx(108.745)


def test_grid_axes_find_printed_rows():
    accuracy = ReferenceSpec(paper="ranet", table="table2", match=("k",))
    rows = [row(f"k={k}", 1, 1, 1, 1, factors={"k": k}) for k in (2, 8, 9)]
    found = by_label(annotate(rows, Suite(reference=accuracy)))
    assert found["k=8"]["reported"] == {"miou": 81.9}
    assert found["k=9"]["reported"] == {}
    renamed = ReferenceSpec(
        paper="cpnet", table="table2", match=("kernel_size=k", "branches=prior")
    )
    other = [
        row(branches, 1, 1, 1, 1, factors={"kernel_size": 11, "branches": branches})
        for branches in ("none", "both")
    ]
    found = by_label(annotate(other, Suite(reference=renamed)))
    assert found["none"]["reported"] == {"miou": 41.51}
    assert found["both"]["reported"] == {"miou": 43.92}


def test_several_fitting_rows_are_told_apart_by_name_or_refused():
    spec = ReferenceSpec(paper="ocnet", table="table1", match=("groups",))
    factors = {"groups": [8, 8]}
    label = "Base-OC (ISA, Local+Global)"
    (found,) = annotate([row(label, 1, 1, 1, 1, factors=factors)], Suite(reference=spec))
    assert found["reported"]["miou"] == 79.10
    outside = ReferenceSpec(
        paper="ocnet", table="table1", match=("groups",), rows={"FCN": "Dilated ResNet-101"}
    )
    (found,) = annotate([row("FCN", 1, 1, 1, 1)], Suite(reference=outside))
    assert found["reported"]["miou"] == 75.90
    loose = ReferenceSpec(paper="ocnet", table="table12")
    with pytest.raises(HarnessError, match="2 rows that fit 'Mask-RCNN'; add an axis to `match`"):
        annotate([row("Mask-RCNN", 1, 1, 1, 1)], Suite(reference=loose))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"rows": {"A": "PPN"}}, "no row 'PPN'; did you mean 'PPM'"),
        (
            {"figures": {"gflop": FigureSpec(value="flops")}},
            "no figure 'gflop'; did you mean 'gflops'",
        ),
        ({"figures": {"gigaflops": FigureSpec(value="flops")}}, "no figure 'gigaflops'"),
        ({"figures": {"gflops": FigureSpec(value="flosp")}}, "unknown quantity 'flosp'.*'flops'"),
        ({"figures": {"gflops": FigureSpec(value="flops", unit="MiB")}}, "does not measure"),
        ({"match": ("k",)}, "no figure 'k'"),
    ],
)
def test_mistakes_in_a_reference(spec, said):
    with pytest.raises(HarnessError, match=said):
        annotate(table4(), suite(paper="ocnet", table="table4", **spec))


def test_counting_verdicts():
    rows = annotate([*table4()[1:], failed("PPM", "oom", "out of memory")], ocnet())
    found = tally_of(rows)
    assert found.total == 36
    assert found == VerdictTally(
        agrees=15, differs=7, not_reproducible=0, not_judged=12, not_measured=2
    )
    assert found.text == (
        "36 printed figures: 15 agree, 7 differ, 0 explained, 0 not reproducible, 12 not judged, "
        "2 not measured"
    )
    assert (found + found).total == 72
    assert tally_of(table4()).text == ""


def test_printed_rows_that_nothing_stands_beside():
    assert unmatched(table4()[1:], ocnet()) == ("PPM",)
    assert unmatched(table4(), Suite()) == ()
    assert annotate(table4(), Suite())[0]["verdicts"] == {}
