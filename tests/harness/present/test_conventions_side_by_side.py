"""One count under several conventions: in one table, and as grouped bars."""

import pytest
from made_rows import Suite, draw, make, row

from harness.measure.convention import CONVENTIONS
from harness.messages import HarnessError
from harness.suite.presentation import PlotSpec, TableSpec

NAMES = tuple(f"operations_{name}" for name in CONVENTIONS)
COUNTS = {
    "conv_macs": 2 * 10**9,
    "matmul_macs": 3 * 10**9,
    "elementwise_ops": {"relu": 10**9, "mul": 5 * 10**8},
    "elementwise_ops_once": {"relu": 10**9, "mul": 5 * 10**8},
}


def rows():
    return [row("A", 1, 1, 1, 1) | COUNTS, row("B", 1, 1, 1, 1) | COUNTS | {"matmul_macs": 0}]


def test_each_column_has_its_own_convention_whatever_the_suites():
    spec = TableSpec(columns=("label", *NAMES))
    for own in CONVENTIONS:
        table = make(spec, Suite(convention=own), rows())
        assert table.lines == [
            ["A", "10.000", "5.000", "6.500", "6.000", "4.657"],
            ["B", "4.000", "2.000", "3.500", "3.000", "1.863"],
        ]
        heads = [column.head for column in table.shown[1:]]
        assert heads == [
            "FLOPs (GFLOPs)",
            "FLOPs (GMACs)",
            "FLOPs, G (torchstat)",
            "FLOPs, G (toolbox)",
            "FLOPs (GiMACs, gibi_macs)",
        ]
        foot = "\n".join(table.footnotes)
        for name in CONVENTIONS:
            assert foot.count(f"convention {name}: ") == 1


def test_grouped_bars_are_as_long_as_their_numbers():
    spec = PlotSpec(kind="bar", y=NAMES[:2])
    figure = draw(spec, Suite(), rows())
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [10, 4, 5, 2]
    tops = [bar.get_y() for bar in axes.patches]
    assert tops[0] < tops[2] < tops[1] < tops[3]  # A's bars, then B's, in the order of y
    assert [text.get_text() for text in axes.texts] == ["10.000", "4.000", "5.000", "2.000"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "FLOPs (GFLOPs)",
        "FLOPs (GMACs)",
    ]
    (notes,) = [text.get_text() for text in figure.texts if "convention" in text.get_text()]
    assert "convention flops" in notes
    assert "convention macs" in notes


def test_bars_of_a_wide_range_are_logarithmic():
    small = row("small", 1, 1, 1, 1) | COUNTS | {"matmul_macs": 0, "conv_macs": 10**6}
    (axes,) = draw(PlotSpec(kind="bar", y=NAMES[:2]), Suite(), [*rows(), small]).axes
    assert axes.get_xscale() == "log"
    assert "logarithmic" in axes.get_xlabel()


def test_rows_that_lack_one_of_the_quantities_are_named():
    lacking = row("C", 1, 1, 1, 1) | {"matmul_macs": None}
    figure = draw(PlotSpec(kind="bar", y=NAMES[:2]), Suite(), [*rows(), lacking])
    assert any("not shown: C" in text.get_text() for text in figure.texts)


def test_one_axis_holds_one_dimension():
    with pytest.raises(HarnessError, match="'params' cannot stand on one axis"):
        draw(PlotSpec(kind="bar", y=("macs", "params")), Suite(), rows())


def test_a_list_of_one_is_a_plain_bar_plot():
    (axes,) = draw(PlotSpec(kind="bar", y=("macs",)), Suite(), rows()).axes
    assert [bar.get_width() for bar in axes.patches] == [5, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "line", "x": "params", "y": ("macs", "flops")},
        {"kind": "bar", "y": ("macs", "flops"), "series": "module"},
        {"kind": "bar", "y": ()},
    ],
)
def test_only_bars_without_series_take_a_list(arguments):
    with pytest.raises(ValueError, match=r"only bars|at least 1 item"):
        PlotSpec(**arguments)
