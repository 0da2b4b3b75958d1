"""What a suite can ask of its tables: order, heads, a matrix, ratios, no printed figures."""

import csv
import io

import pytest
from made_rows import Suite, failed, make, ocnet, row, table4
from pydantic import ValidationError
from rich.console import Console

from harness.judge.relative import with_relative
from harness.messages import HarnessError
from harness.present.console_table import ConsoleTable
from harness.present.formats import csv_text, html, markdown
from harness.present.latex.source import latex
from harness.suite.presentation import TableSpec

ROUNDS = (1.0, 1.3, 0.9, 1.6, 1.1)


def heads(table):
    return [column.head for column in table.shown]


def first_column(table):
    return [line[0] for line in table.lines]


def timed(label, factor, **more):
    times = [factor * each * 1e-3 for each in ROUNDS]
    return row(label, 1, 1, 1, factor * 1.1, latency_processes_seconds=times, **more)


def test_rows_are_sorted_and_those_without_a_value_stand_last():
    rows = [timed("B", 2), failed("X", "oom", "too large"), timed("C", 3), timed("A", 1)]
    asked = TableSpec(columns=("label", "latency"), sort="latency")
    assert first_column(make(asked, Suite(), rows)) == ["A", "B", "C", "X"]
    asked = TableSpec(columns=("label",), sort="-latency")
    assert first_column(make(asked, Suite(), rows)) == ["C", "B", "A", "X"]
    asked = TableSpec(columns=("label",), sort="label")
    assert first_column(make(asked, Suite(), rows)) == ["A", "B", "C", "X"]


def test_a_column_has_the_head_that_is_asked_for():
    columns = ({"name": "latency", "head": "Time"}, {"name": "flops", "head": "GFLOPs"})
    made = make(TableSpec.of({"columns": ["label", *columns]}), ocnet(), table4())
    assert heads(made) == [
        *("Label", "Time, ours", "Time reported (ms)"),
        *("GFLOPs, ours", "GFLOPs reported (GFLOPs)", "GFLOPs difference (%)"),
    ]
    assert r"\multicolumn{2}{c}{Time}" in latex(made, "t")
    assert heads(make(TableSpec.of({"columns": [columns[0]]}), Suite(), table4())) == ["Time (ms)"]
    own = TableSpec.of({"columns": [{"name": "latency", "head": "Time (in ms)"}]})
    assert heads(make(own, Suite(), table4())) == ["Time (in ms)"]


@pytest.mark.parametrize(
    "asked",
    [
        {"columns": ["label", "params", "flops"], "reported": False},
        {"columns": ["label", "params", {"name": "flops", "reported": False}]},
    ],
)
def test_printed_figures_are_left_out_where_nobody_asks_for_them(asked):
    made = make(TableSpec.of(asked), ocnet(), table4())
    assert heads(made) == ["Label", "Parameters (M)", "FLOPs (GFLOPs)"]
    # A CSV file has them all the same.
    assert "gflops_reported" in csv_text(made).splitlines()[0]


def test_relative_stands_with_interval_mark_and_conclusion_in_every_form():
    rows = with_relative([timed("A", 1), timed("B", 2), failed("X", "oom", "too large")])
    made = make(TableSpec(columns=("label", "relative")), Suite(), rows)
    assert made.lines == [["A", "1"], ["B", "2.00 (2.00 to 2.00)"], ["X", "oom"]]
    said = "A is 2.00 times (2.00 to 2.00) as fast as B."
    assert made.conclusions == (said,)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(ConsoleTable(made))
    for text in (console.export_text(), markdown(made), html(made), latex(made, "t")):
        assert said in text
    _, line, _ = csv.DictReader(io.StringIO(csv_text(made)))
    found = [float(line[name]) for name in ("relative", "relative_low", "relative_high")]
    assert found == pytest.approx([2, 2, 2])


def test_a_table_is_relative_to_the_row_that_it_names():
    rows = with_relative([timed("A", 1), timed("B", 2)])
    made = make(TableSpec(columns=("label", "relative"), relative_to="B"), Suite(), rows)
    assert made.lines == [["A", "0.50 (0.50 to 0.50)"], ["B", "1"]]


def test_throughput_counts_inputs_and_fps_is_of_batch_1_alone():
    rows = [
        timed("one", 1, latency_low_seconds=1e-3, latency_high_seconds=1.2e-3),
        timed(
            "eight", 4, input=[[8, 3, 4, 4]], latency_low_seconds=4e-3, latency_high_seconds=5e-3
        ),
    ]
    made = make(TableSpec(columns=("label", "throughput", "fps")), Suite(), rows)
    assert heads(made) == ["Label", "Throughput (inputs/s)", "FPS"]
    stored = [[cell.raw for cell in column.cells] for column in made.shown[1:]]
    assert stored[0] == pytest.approx([1 / 1.1e-3, 8 / 4.4e-3])
    assert stored[1][1] is None
    # No more digits than the interval of the latency supports: 833 to 1000 for 909.
    assert made.lines[0][1:] == ["910 ± 100", "910 ± 100"]


def grid(heads_, rate, seconds, **more):
    label = f"G (heads={heads_}, rate={rate})"
    return timed(label, seconds, factors={"heads": heads_, "rate": rate}) | more


MATRIX = TableSpec.of({"pivot": {"rows": "heads", "columns": "rate", "value": "latency"}})


def test_a_pivot_is_a_row_for_each_value_of_one_axis_and_a_column_for_each_of_the_other():
    rows = [grid(h, r, h * (1 + r)) for h in (1, 2, 4) for r in (0, 0.5)]
    rows[3] |= {"status": "oom", "cause": "too large"}
    del rows[4]
    made = make(MATRIX, Suite(), rows)
    assert heads(made) == ["heads", "Latency (ms), rate = 0", "Latency (ms), rate = 0.5"]
    assert made.lines == [["1", "1.100", "1.650"], ["2", "2.20", "oom"], ["4", "–", "6.60"]]
    assert csv_text(made).splitlines()[0] == "heads,latency[rate=0],latency[rate=0.5]"
    assert r"\multicolumn{2}{c@{}}{Latency (ms)}" in latex(made, "t")


def test_a_pivot_refuses_two_rows_in_one_place_and_names_the_axis():
    rows = [grid(h, 0, 1, factors={"heads": h, "rate": 0, "k": k}) for h in (1, 2) for k in (3, 5)]
    with pytest.raises(HarnessError, match=r"cell of heads x rate, which also differ in k; leave"):
        make(MATRIX, Suite(), rows)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "a table needs columns or pivot; name the quantities to show"),
        ({"columns": []}, "a table needs columns or pivot"),
        (
            {"columns": ["label"], "pivot": {"rows": "a", "columns": "b", "value": "c"}},
            "a pivot has no columns, sort or best of its own",
        ),
        ({"pivot": {"rows": "a", "columns": "b"}}, "value"),
        ({"columns": [{"name": "latency", "title": "Time"}]}, "title"),
        ({"columns": [{"name": "latency", "head": "two\nlines"}]}, "a line break"),
        ({"columns": ["label"], "best": {"latency": "min"}}, "best names latency"),
    ],
)
def test_what_no_table_can_be_is_refused(asked, said):
    with pytest.raises(ValidationError, match=said):
        TableSpec.of(asked)
