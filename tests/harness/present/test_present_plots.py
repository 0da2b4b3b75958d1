"""Plots: what they show, what they say they do not show, and that they are the same every time."""

import matplotlib as mpl
import pytest
from made_rows import COUNTED, Suite, draw, failed, look, ocnet, row, table4

from harness.judge.part import Context
from harness.messages import HarnessError
from harness.present.plots.canvas import render
from harness.present.plots.scales import is_log, wants_log
from harness.suite.presentation import PlotSpec

LOST = failed("DANet", "oom", "CUDA out of memory")


def texts(figure):
    (axes,) = figure.axes
    found = [text.get_text() for text in (*figure.texts, *axes.texts)]
    found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return [*found, axes.get_xlabel(), axes.get_ylabel()]


def swept(sides=(32, 64, 128)):
    return [
        row(f"{name} {side}", 1, weight * side**3 * 1e-3, side, side / 10)
        | {"input": [[1, 512, side, side]], "factors": {"module": name}}
        for name, weight in (("SA", 1.0), ("ISA", 0.25))
        for side in sides
    ]


def test_bars_are_ours_and_diamonds_are_printed():
    figure = draw(PlotSpec(kind="bar", y="memory"), ocnet(), table4())
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(
        [figures[3] for figures in COUNTED], abs=1e-4
    )
    (diamonds,) = [each for each in axes.collections if len(each.get_offsets()) == 12]
    assert diamonds.get_offsets()[0].tolist() == [792, 0]
    assert axes.get_xlabel() == "Live peak + parameters (MiB)"
    shown = texts(figure)
    assert {"PPM", "504.0", "792 ‡", "331 ✗", "2339 ✓", "■ ours", "◇ printed"} <= set(shown)


def test_intervals_are_drawn():
    figure = draw(PlotSpec(kind="bar", y="latency"), Suite(), table4()[:1])
    (axes,) = figure.axes
    (lines,) = [each for each in axes.collections if hasattr(each, "get_segments")]
    (segment,) = lines.get_segments()
    assert segment[:, 0].tolist() == pytest.approx([3.21 * 0.995, 3.21 * 1.006])
    assert "Latency: median and the 95 % interval of the median." in "\n".join(texts(figure))


def test_an_interval_that_no_row_has_is_not_spoken_of():
    rows = [row("A", 1, 1, 1, 1) | {"miou": 0.8, "miou_low": None, "miou_high": None}]
    said = "\n".join(texts(draw(PlotSpec(kind="bar", y="miou"), Suite(), rows)))
    assert "mIoU: mean over the classes" in said
    assert "interval" not in said


def test_an_axis_of_rates_ends_near_the_first_and_the_last():
    rates = [0.0, 0.3, 0.5, 0.7, 0.9, 0.95]
    rows = [
        row(f"rate {rate}", 1, 1, 1, 1) | {"miou": 0.8 - rate / 3, "factors": {"rate": rate}}
        for rate in rates
    ]
    (axes,) = draw(PlotSpec(kind="line", x="rate", y="miou"), Suite(), rows).axes
    left, right = axes.get_xlim()
    assert -0.1 < left <= 0
    assert 0.95 <= right < 1.05
    assert all(left <= tick <= right for tick in axes.get_xticks())


@pytest.mark.parametrize(
    "spec",
    [
        PlotSpec(kind="bar", y="flops"),
        PlotSpec(kind="scatter", x="flops", y="memory"),
        PlotSpec(kind="line", x="params", y="flops"),
    ],
)
def test_failed_rows_are_named_below(spec):
    figure = draw(spec, ocnet(), [*table4()[:3], LOST])
    assert "not shown: DANet (oom: CUDA out of memory)" in "\n".join(texts(figure))


def test_rows_without_the_quantity_are_named_too():
    rows = [row("A", 1, 1, 1, 1), row("B", 1, 1, 1, 1, latency_seconds=None)]
    view = look(PlotSpec(kind="bar", y="latency"), Suite(), rows)
    assert [each["label"] for each in view.rows] == ["A"]
    assert "not shown: B (no Latency)" in view.notes


def test_nothing_to_show_is_said():
    figure = draw(PlotSpec(kind="bar", y="flops"), Suite(), [LOST])
    shown = "\n".join(texts(figure))
    assert "nothing to show" in shown
    assert "not shown: DANet (oom" in shown


def test_labels_of_a_scatter_do_not_overlap():
    figure = draw(PlotSpec(kind="scatter", x="latency", y="memory"), ocnet(), table4())
    (axes,) = figure.axes
    labels = [text for text in axes.texts if text.get_text()]
    assert len(labels) == 12
    boxes = [text.get_window_extent() for text in labels]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "Latency (ms)",
        "Live peak + parameters (MiB)",
    )


def test_lines_by_series_over_the_side_of_the_input():
    figure = draw(
        PlotSpec(kind="line", x="input", y="flops", series="factors.module"), Suite(), swept()
    )
    (axes,) = figure.axes
    first, second = (line for line in axes.lines if len(line.get_xdata()) == 3)
    assert list(first.get_xdata()) == [32, 64, 128]
    assert list(second.get_ydata()) == pytest.approx(
        [0.25 * side**3 / 1000 for side in (32, 64, 128)]
    )
    assert {"SA", "ISA", "Input height (px)", "32", "128"} <= set(texts(figure))


def test_a_line_runs_along_its_axis_alone_where_others_part_the_rows_of_a_series():
    rows = [
        row(f"{heads} {order} {rate}", 1, gflops * (1 - rate), 1, 1)
        | {"factors": {"heads": heads, "order": order, "rate": rate}}
        for heads, gflops in (("FULL", 4), ("GRID", 2))
        for order in ("first", "last")
        for rate in (0.0, 0.5, 0.75)
    ]
    figure = draw(PlotSpec(kind="line", x="rate", y="flops", series="order"), Suite(), rows)
    (axes,) = figure.axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 4
    assert all(list(line.get_xdata()) == [0.0, 0.5, 0.75] for line in lines)
    named = {f"{order}, {heads}" for order in ("first", "last") for heads in ("FULL", "GRID")}
    assert named <= set(texts(figure))


def test_lines_over_text_have_even_places_in_the_suites_order():
    rows = [
        row(order, 1, gflops, 1, 1, factors={"order": order})
        for order, gflops in (("local", 1), ("both", 2), ("global", 3))
    ]
    (axes,) = draw(PlotSpec(kind="line", x="order", y="flops"), Suite(), rows).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["local", "both", "global"]


@pytest.mark.parametrize(
    ("asked", "values", "expected"),
    [
        ("auto", [1, 100], False),  # exactly two decades
        ("auto", [1, 101], True),
        ("auto", [0, 1000], False),
        ("x", [1, 2], True),
        ("both", [1, 2], True),
        ("y", [1, 1000], False),
        ("none", [1, 1000], False),
        ("both", [-1, 2], False),
    ],
)
def test_logarithmic_axes(asked, values, expected):
    assert is_log(asked, "x", values) is expected
    assert not wants_log([])


def test_a_wide_range_gets_a_logarithmic_axis():
    rows = [row("A", 1, 0.00947, 1, 1), row("B", 1, 241.05, 1, 1)]
    (axes,) = draw(PlotSpec(kind="bar", y="flops"), Suite(), rows).axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] > 0
    assert axes.get_xlabel().endswith("logarithmic")
    (axes,) = draw(PlotSpec(kind="bar", y="flops", log="none"), Suite(), rows).axes
    assert axes.get_xscale() == "linear"


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize("plot", ["bar", "scatter"])
def test_files_are_the_same_every_time_whatever_the_users_settings(kind, plot):
    spec = PlotSpec(kind=plot, x="latency", y="memory")

    def file():
        return render(draw(spec, ocnet(), table4()), kind)

    first = file()
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": None, "axes.facecolor": "black"}):
        again = file()
        assert mpl.rcParams["font.size"] == 20
    assert first == again
    assert b"<dc:date>" not in first


def test_labels_are_never_formulas():
    rows = [row("$x_1$ costs $2$", 1, 1, 1, 1), row("$\\frac{", 1, 2, 1, 2)]
    for spec in (PlotSpec(kind="bar", y="flops"), PlotSpec(kind="scatter", x="latency", y="flops")):
        assert render(draw(spec, Suite(), rows), "png").startswith(b"\x89PNG")


def test_the_machine_and_unjudged_figures_are_said():
    view = look(
        PlotSpec(kind="bar", y="latency"), ocnet(), table4(), Context(machine={"cpu": "x86"})
    )
    assert "Machine: cpu x86." in view.notes
    assert any("not judged: a time on other hardware" in note for note in view.notes)


def test_mistakes():
    with pytest.raises(HarnessError, match="unknown quantity 'latncy'; did you mean 'latency'"):
        draw(PlotSpec(kind="bar", y="latncy"), Suite(), table4())
    with pytest.raises(HarnessError, match="needs numbers; 'label' is text"):
        draw(PlotSpec(kind="scatter", x="label", y="flops"), Suite(), table4())
