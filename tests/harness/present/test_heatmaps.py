"""Heat maps: a quantity over two axes, as a plot of a suite."""

import numpy as np
import pytest
from drawn_texts import outside, overlaps
from made_rows import Suite, draw, failed, look, row
from pydantic import ValidationError

from harness.messages import HarnessError
from harness.present.plots.canvas import TEXT_CONTRAST, contrast
from harness.present.plots.heatmap import COLOURS, INKS
from harness.present.plots.sheet import PAGE
from harness.suite.presentation import PlotSpec

FLOPS = PlotSpec(kind="heatmap", x="rate", y="heads", value="flops")


def cell(heads, rate, gflops, **more):
    factors = {"heads": heads, "rate": rate}
    return row(f"{heads} {rate}", 1, gflops, 8, 1, factors=factors, **more)


ROWS = [cell(heads, rate, heads * rate) for heads in (1, 8, 2) for rate in (0.5, 1.0, 0.25)]


def cells(figure):
    return np.ma.getdata(figure.axes[0].collections[0].get_array()).reshape(3, 3).tolist()


def labels(axis):
    return [each.get_text() for each in axis.get_ticklabels()]


def test_numbers_ascend_to_the_right_and_upwards():
    figure = draw(FLOPS, Suite(), ROWS, None, PAGE)
    axes, scale = figure.axes
    assert labels(axes.xaxis) == ["0.25", "0.5", "1"]
    assert labels(axes.yaxis) == ["8", "2", "1"]
    assert cells(figure) == [[2, 4, 8], [0.5, 1, 2], [0.25, 0.5, 1]]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first line is the upper one
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rate", "heads")
    assert scale.get_ylabel() == "FLOPs (GFLOPs)"
    assert {text.get_text() for text in axes.texts} >= {"8.000", "0.250"}
    assert (overlaps(figure), outside(figure)) == ([], [])


def test_text_stands_in_the_suites_order():
    rows = [
        row(f"{name} {side}", 1, side, 8, 1, factors={"form": name, "side": side})
        for name in ("published", "exact")
        for side in (2, 1)
    ]
    spec = PlotSpec(kind="heatmap", x="side", y="form", value="flops")
    axes = draw(spec, Suite(), rows, None, PAGE).axes[0]
    assert labels(axes.yaxis) == ["published", "exact"]
    assert labels(axes.xaxis) == ["1", "2"]


def test_a_failed_case_is_grey_and_a_pair_that_was_not_asked_for_is_empty():
    lost = failed("8 1", "oom", "out of memory", factors={"heads": 8, "rate": 1.0})
    rows = [lost if each["label"] == "8 1.0" else each for each in ROWS if each["label"] != "1 0.5"]
    figure = draw(FLOPS, Suite(), rows, None, PAGE)
    axes = figure.axes[0]
    (grey,) = axes.patches
    assert (grey.get_x(), grey.get_y()) == (1.5, -0.5)  # the last column, the upper line
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts[2, 0] == "oom"
    assert (1, 2) not in texts
    assert len(texts) == 8
    assert "not shown: 8 1 (oom: out of memory)" in look(FLOPS, Suite(), rows).notes


def test_a_wide_range_has_a_logarithmic_scale_unless_refused():
    rows = [cell(heads, rate, 10.0 ** (heads * rate)) for heads in (1, 2, 4) for rate in (0, 1, 2)]
    assert draw(FLOPS, Suite(), rows).axes[1].get_yscale() == "log"
    plain = PlotSpec(kind="heatmap", x="rate", y="heads", value="flops", log="none")
    assert draw(plain, Suite(), rows).axes[1].get_yscale() == "linear"


def test_numbers_that_have_no_room_are_left_to_the_colours():
    rows = [cell(heads, rate, heads + rate) for heads in (1, 2) for rate in range(60)]
    figure = draw(FLOPS, Suite(), rows, None, PAGE)
    assert list(figure.axes[0].texts) == []
    failing = [*rows[1:], failed("1 0", "oom", "no", factors={"heads": 1, "rate": 0})]
    (mark,) = draw(FLOPS, Suite(), failing, None, PAGE).axes[0].texts
    assert mark.get_text() == "×"
    assert 10 < len([each for each in labels(figure.axes[0].xaxis) if each]) < 60
    assert outside(figure) == []


def test_one_value_in_all_cells_is_drawn():
    rows = [cell(heads, rate, 3) for heads in (1, 2) for rate in (0.5, 1.0)]
    assert len(draw(FLOPS, Suite(), rows).axes[0].texts) == 4


def test_rows_outside_the_grid_are_named_and_do_not_stand_in_the_way():
    rows = [row("FCN", 1, 1, 1, 1), row("ASPP", 1, 1, 1, 1), *ROWS]
    notes = look(FLOPS, Suite(), rows).notes
    assert "not shown: FCN, ASPP (no rate, heads)" in notes
    assert cells(draw(FLOPS, Suite(), rows)) == cells(draw(FLOPS, Suite(), ROWS))


def test_two_rows_in_one_cell_are_refused():
    rows = [*ROWS, cell(8, 1.0, 5) | {"factors": {"heads": 8, "rate": 1.0, "form": "exact"}}]
    with pytest.raises(HarnessError, match="several rows into one cell of heads x rate") as found:
        look(FLOPS, Suite(), rows)
    assert "which also differ in form" in str(found.value)
    assert "draw lines" in str(found.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"value": None}, "a heatmap needs value, the quantity in its cells"),
        ({"x": None}, "a heatmap plot needs x"),
        ({"series": "heads"}, "a heatmap has no series"),
        ({"log": "x"}, "its log, auto or none"),
        ({"kind": "line"}, "a line plot has no value; name the quantity as y"),
    ],
)
def test_keys_that_do_not_go_together(given, said):
    with pytest.raises(ValidationError, match=said):
        PlotSpec.model_validate(FLOPS.model_dump() | given)


def test_numbers_in_cells_can_be_read_and_steps_are_told_apart_in_grey():
    steps = [contrast(each) for each in COLOURS]
    assert steps == sorted(steps, reverse=True)  # from dark to light
    assert steps[0] > 10 * steps[-1]
    assert min(max(contrast(ink, each) for ink in INKS) for each in COLOURS) >= TEXT_CONTRAST
