"""Marks of plots: fronts, intervals, printed curves, failed rows in place, and free texts."""

import pytest
from drawn_texts import outside, overlaps
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import Suite, draw, failed, look, ocnet, row, table4

from harness.judge.part import Context
from harness.present.plots.canvas import FILE_KINDS, house, render
from harness.present.plots.sheet import COLUMN, PAGE, SLIDE
from harness.present.plots.view import front, steps
from harness.suite.presentation import FigureSpec, PlotSpec, ReferenceSpec

LOST = failed("DANet", "oom", "CUDA out of memory: needs 12.3 GiB, 4.0 GiB are free", factors={})
MACHINE = Context(machine={"cpu": "AMD EPYC", "threads": 2})
SCATTER = PlotSpec(kind="scatter", x="flops", y="miou")
RANET = ReferenceSpec(
    paper="ranet",
    table="table2",
    match=("k",),
    figures={"miou": FigureSpec(value="miou", unit="%", judged=False)},
)


def trained(k, miou, half=0.01, **more):
    """A row of an ablation over k, with the interval of its seeds."""
    accuracy = {"miou": miou, "miou_low": miou - half, "miou_high": miou + half}
    return row(f"K={k}", 1, 10 + k, 8, 1, factors={"k": k}, **accuracy, **more)


def grid(base):
    shares = (0.000, 0.004, 0.003, 0.007, 0.005, 0.002)
    return [trained(k, base + share) for k, share in zip(range(2, 14, 2), shares, strict=True)]


def lines(axes, marker=None):
    """Drawn lines of more than one point, by what they connect."""
    return [
        each
        for each in axes.lines
        if len(each.get_xdata()) > 1
        and each.get_linestyle() != "None"
        and (marker is None or each.get_marker() == marker)
    ]


POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=40)
@given(POINTS, st.sampled_from(["min", "max"]), st.sampled_from(["min", "max"]))
def test_nothing_beats_the_front_and_all_else_is_beaten(points, x, y):
    sign = {"min": 1, "max": -1}

    def beats(one, other):
        pairs = [
            (sign[aim] * a, sign[aim] * b) for aim, a, b in zip((x, y), one, other, strict=True)
        ]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    expected = {
        index
        for index, point in enumerate(points)
        if not any(beats(other, point) for other in points)
    }
    assert set(front(points, x, y)) == expected


def test_the_front_is_a_staircase_from_the_best_in_x():
    points = [(3.0, 9.0), (1.0, 4.0), (2.0, 3.0), (2.5, 6.0)]
    kept = front(points, "min", "max")
    assert kept == [1, 3, 0]
    assert steps([points[index] for index in kept]) == [
        *((1.0, 4.0), (2.5, 4.0), (2.5, 6.0)),
        *((3.0, 6.0), (3.0, 9.0)),
    ]


def test_accuracy_against_cost_has_its_front():
    rows = [trained(2, 0.50), trained(4, 0.55), trained(6, 0.53), trained(8, 0.58)]
    (axes,) = draw(SCATTER, Suite(), rows).axes
    (line,) = lines(axes)
    assert line.get_xydata().tolist() == pytest.approx(
        [pytest.approx(each) for each in ([12, 50], [14, 50], [14, 55], [18, 55], [18, 58])]
    )
    bold = [text.get_text() for text in axes.texts if text.get_weight() == "bold"]
    assert sorted(bold) == ["K=2", "K=4", "K=8"]
    notes = " ".join(look(SCATTER, Suite(), rows).notes)
    assert "less FLOPs and more mIoU" in notes
    assert "The axis of mIoU does not begin at zero." in notes
    assert axes.get_ylim()[0] > 40


def test_predicted_against_measured_has_the_line_of_equal_values():
    rows = [
        row(f"c{n}", 1, 1, 8, 1, measured_peak_bytes=n * 2**20, predicted_peak_bytes=n * 2**21)
        for n in (1, 2, 3)
    ]
    spec = PlotSpec(kind="scatter", x="measured_peak_bytes", y="predicted_peak_bytes")
    (line,) = lines(draw(spec, Suite(), rows).axes[0])
    assert line.get_xydata().tolist() == [[2, 2], [3, 3]]
    assert "Dashed: both values equal." in look(spec, Suite(), rows).notes


def test_what_has_no_better_side_has_no_front():
    spec = PlotSpec(kind="scatter", x="positions", y="miou")
    assert lines(draw(spec, Suite(), [trained(2, 0.5), trained(4, 0.6)]).axes[0]) == []


def test_intervals_of_accuracies_and_rates_are_drawn_whole():
    rows = [trained(2, 0.50, half=0.2), trained(4, 0.55)]
    (axes,) = draw(PlotSpec(kind="line", x="k", y="miou"), Suite(), rows).axes
    (bars,) = axes.collections
    assert bars.get_segments()[0][:, 1].tolist() == pytest.approx([30, 70])
    assert axes.get_ylim()[0] < 30
    assert axes.get_ylim()[1] > 70
    rates = [row("A", 1, 100, 8, 10) | {"latency_low_seconds": 8e-3, "latency_high_seconds": 20e-3}]
    (axes,) = draw(PlotSpec(kind="bar", y="flops_per_second"), Suite(), rates).axes
    (bars,) = [each for each in axes.collections if hasattr(each, "get_segments")]
    assert bars.get_segments()[0][:, 0].tolist() == pytest.approx([5000, 12500])


def test_the_printed_curve_stands_in_the_same_axes_where_ranges_meet():
    spec = PlotSpec(kind="line", x="k", y="miou")
    figure = draw(spec, Suite(name="ranet-k", reference=RANET), grid(0.81))
    (axes,) = figure.axes
    ours, printed = lines(axes)
    assert ours.get_linestyle() == "-"
    assert printed.get_linestyle() == ":"
    assert printed.get_markerfacecolor() == "white"
    assert printed.get_ydata().tolist() == [81.2, 81.6, 81.7, 81.9, 81.8, 81.6]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ours", "printed"]
    notes = look(spec, Suite(name="ranet-k", reference=RANET), grid(0.81)).notes
    assert any(note.startswith("Printed figures are not judged") for note in notes)


def test_the_printed_curve_has_axes_of_its_own_where_one_would_be_flat():
    figure = draw(
        PlotSpec(kind="line", x="k", y="miou"), Suite(reference=RANET), grid(0.5), MACHINE
    )
    left, right = figure.axes
    assert [len(lines(left)), len(lines(right))] == [1, 1]
    assert (left.get_ylabel(), right.get_ylabel()) == ("mIoU (%), ours", "mIoU (%), printed")
    assert right.get_ylim()[0] > 80
    assert (overlaps(figure), outside(figure)) == ([], [])


@pytest.mark.parametrize("y", ["flops", ("flops_2x", "macs")])
def test_a_failed_row_keeps_its_place_among_bars(y):
    rows = [*table4()[:2], LOST, table4()[3]]
    figure = draw(PlotSpec(kind="bar", y=y), Suite(), rows)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["PPM", "ASPP", "DANet", "RCCA"]
    place = axes.get_yticks()[2]
    (reason,) = [text for text in axes.texts if text.get_text().startswith("×")]
    assert reason.xy[1] == place
    assert reason.get_text().startswith("× oom: CUDA out of memory")
    assert not any(abs(bar.get_y() + bar.get_height() / 2 - place) < 0.5 for bar in axes.patches)
    assert (overlaps(figure), outside(figure)) == ([], [])


def test_a_failed_row_is_a_cross_at_its_place_along_a_line():
    lost = failed("K=8", "timeout", "no answer within 300 s", factors={"k": 8})
    figure = draw(PlotSpec(kind="line", x="k", y="miou"), Suite(), [*grid(0.5)[:3], lost])
    (axes,) = figure.axes
    (cross,) = [line for line in axes.lines if line.get_marker() == "x"]
    assert cross.get_xdata().tolist() == [8]
    assert cross.get_ydata().tolist() == [0]  # the foot of the axes
    assert "not shown: K=8 (timeout: no answer within 300 s)" in figure.texts[-1].get_text()


def test_rows_that_failed_alike_are_named_together():
    lost = [failed(f"c{number}", "oom", "out of memory") for number in range(45)]
    note = look(PlotSpec(kind="bar", y="flops"), Suite(), [table4()[0], *lost]).notes[-1]
    assert note.startswith("not shown: c0, c1, c2,")
    assert note.endswith("c39 and 5 more (oom: out of memory)")


def test_ticks_of_a_sweep_do_not_meet():
    sides = (64, 65, 66, 128, 4096)
    rows = [row(f"{s}", 1, s, 8, 1, factors={"side": s}) for s in sides]
    figure = draw(PlotSpec(kind="line", x="side", y="flops"), Suite(), rows)
    assert overlaps(figure) == []
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels() if label.get_text()]
    assert shown[-1] == "4096"
    assert len(shown) < len(sides)


LONG = "a label of many words that goes on for longer than any table of a paper would bear"
SERIES = [
    row(f"{name} {side}", 1, weight * side, side / 9, side / 10, factors={"m": name, "side": side})
    for name, weight in (("Pyramid-OC (ISA)", 1), ("Base-OC", 1.01), ("PPM", 1.02), (LONG, 3))
    for side in (32, 64, 128)
]


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (PlotSpec(kind="bar", y="latency"), [*table4(), LOST]),
        (PlotSpec(kind="bar", y="flops", series="pass", title=LONG * 2), [*table4(), LOST]),
        (PlotSpec(kind="bar", y=("flops_2x", "macs")), table4()[:4]),
        (PlotSpec(kind="scatter", x="latency", y="memory", series="device"), table4()),
        (PlotSpec(kind="line", x="side", y="flops", series="m"), SERIES),
        (PlotSpec(kind="line", x="m", y="flops", series="side"), SERIES[:9]),
        (PlotSpec(kind="scatter", x="flops", y="miou"), grid(0.5)),
    ],
    ids=["bar", "series", "grouped", "scatter", "line", "text axis", "intervals"],
)
def test_texts_cover_no_text_and_stay_inside(spec, rows):
    figure = draw(spec, ocnet() if spec.kind == "bar" else Suite(), rows, MACHINE)
    assert overlaps(figure) == []
    assert outside(figure) == []


def test_the_check_of_overlaps_can_fail():
    figure = draw(PlotSpec(kind="bar", y="flops"), Suite(), table4()[:2])
    (axes,) = figure.axes
    axes.text(0.5, 0.5, "one", transform=axes.transAxes)
    axes.text(0.51, 0.5, "other", transform=axes.transAxes)
    axes.text(2.5, 0.5, "gone", transform=axes.transAxes)
    assert ("one", "other") in overlaps(figure)
    assert outside(figure) == ["gone"]


HOSTILE = (
    "<script>",
    "x" * 10_000,
    "$\\frac{",
    "a\nb\x00\x1b[31m",
    "\u202eabc",
    "漢字",
    "%s {0}",
    "",
)


@pytest.mark.parametrize(
    "spec",
    [
        PlotSpec(kind="bar", y="flops", series="label"),
        PlotSpec(kind="scatter", x="latency", y="flops"),
        PlotSpec(kind="line", x="latency", y="flops", series="label"),
    ],
)
def test_hostile_labels_leave_a_plot_readable(spec, recwarn):
    rows = [row(label, 1, index + 1, 8, 1 + index) for index, label in enumerate(HOSTILE)]
    figure = draw(spec, Suite(title="t" * 500), rows)
    assert render(figure, "svg").startswith(b"<?xml")
    assert not [each for each in recwarn if "Glyph" in str(each.message)]
    with house():
        assert outside(figure) == []


def test_thousands_of_rows_stay_a_figure():
    rows = [trained(k, 0.3 + (k * 7919 % 1000) / 3000) | {"label": f"c{k}"} for k in range(1200)]
    figure = draw(SCATTER, Suite(), rows)
    (axes,) = figure.axes
    assert 0 < len([text for text in axes.texts if text.get_text()]) <= 32
    assert "Of 1200 points only those of a front are named; the table has all." in (
        figure.texts[-1].get_text()
    )
    view = look(PlotSpec(kind="bar", y="flops"), Suite(), [*rows, LOST])
    assert len(view.rows) == 150
    assert "The first 150 of 1201 rows; the table has all." in view.notes
    assert view.notes[-1].startswith("not shown: DANet (oom")


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_files_do_not_know_when_they_were_made(kind, monkeypatch):
    files = set()
    for moment in ("0", "1500000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        files.add(render(draw(PlotSpec(kind="bar", y="flops"), ocnet(), table4()[:2]), kind))
    (file,) = files
    assert b"CreationDate" not in file
    assert b"Matplotlib v" not in file
    if kind == "pdf":  # fonts as outlines: publishers refuse type 3
        assert b"/Type3" not in file
        assert b"/CIDFontType2" in file


def heads(count, rates=(1, 2, 4, 8)):
    return [
        row(f"{n} {rate}", 1, n * rate, 8, 1, factors={"heads": n, "rate": rate})
        for n in range(1, count + 1)
        for rate in rates
    ]


BY_HEADS = PlotSpec(kind="line", x="rate", y="flops", series="heads")


def test_a_series_is_named_by_its_axis_and_value():
    (axes,) = draw(BY_HEADS, Suite(), heads(3)).axes
    assert {"heads = 1", "heads = 2", "heads = 3"} <= {text.get_text() for text in axes.texts}
    mixed = [*heads(2), row("FCN", 1, 1, 1, 1, factors={"rate": 2})]
    (axes,) = draw(BY_HEADS, Suite(), mixed).axes
    assert "no heads" in {text.get_text() for text in axes.texts}
    rows = [row(f"{m}{n}", 1, n, 8, 1, factors={"module": m, "k": n}) for m in "ab" for n in (1, 2)]
    (axes,) = draw(
        PlotSpec(kind="line", x="k", y="flops", series="factors.module"), Suite(), rows
    ).axes
    assert {"a", "b"} <= {text.get_text() for text in axes.texts}  # a name needs no other one


def test_more_than_eight_series_are_small_plots_with_the_same_axes():
    assert len(draw(BY_HEADS, Suite(), heads(8)).axes) == 1
    figure = draw(BY_HEADS, Suite(), heads(11))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [f"heads = {n}" for n in range(1, 12)]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in shown}) == 1
    own = [axes.lines[0].get_ydata() for axes in shown]
    assert list(own[2]) == pytest.approx([3, 6, 12, 24])
    assert len(shown[2].collections[-1].get_segments()) == 11  # the others behind it
    assert (overlaps(figure), outside(figure)) == ([], [])


@pytest.mark.parametrize("sheet", [COLUMN, SLIDE])
def test_fifty_series_stay_on_the_page(sheet):
    figure = draw(BY_HEADS, Suite(), heads(50), None, sheet)
    assert outside(figure) == []
    assert figure.get_size_inches()[1] <= 9
    shown = sum(axes.get_visible() for axes in figure.axes)
    assert f"The first {shown} of 50 series; the table has all." in figure.caption


@pytest.mark.parametrize(
    ("exponents", "ticks"),
    [
        (range(-2, 5), ["0.01", "0.1", "1", "10", "100", "1000", "10000"]),
        (range(1, 9, 2), ["10¹", "10³", "10⁵", "10⁷"]),
        ((6, 6.9), ["10⁶", "2·10⁶", "5·10⁶"]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_of_one_form(exponents, ticks):
    rows = [row(f"{n}", 1, 10.0**e, 8, 1, factors={"k": n}) for n, e in enumerate(exponents)]
    spec = PlotSpec(kind="line", x="k", y="flops", log="y")
    figure = draw(spec, Suite(), rows)
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    shown = [
        label.get_text()
        for label in axes.get_yticklabels()
        if low <= label.get_position()[1] <= high
    ]
    assert set(ticks) <= set(shown)
    assert len({each.isascii() for each in shown}) == 1


@pytest.mark.parametrize("y", ["flops", ("flops_2x", "macs")])
def test_a_logarithmic_axis_has_dots_for_bars(y):
    rows = [row(f"{n}", 1, 10.0**n, 8, 1) for n in range(4)]
    (axes,) = draw(PlotSpec(kind="bar", y=y), Suite(), rows).axes
    assert axes.get_xscale() == "log"
    assert [patch for patch in axes.patches if patch.get_width()] == []
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == pytest.approx([1, 10, 100, 1000])
    (axes,) = draw(PlotSpec(kind="bar", y=y, log="none"), Suite(), rows).axes
    assert len(axes.patches) == 4 * (1 if isinstance(y, str) else 2)


def test_names_of_lines_stay_below_the_top_of_the_figure():
    rows = [
        row(f"{n} {k}", 1, 100 + n / 100 if k else 1, 8, 1, factors={"heads": n, "k": k})
        for n in range(8)
        for k in (0, 1)
    ]
    spec = PlotSpec(kind="line", x="k", y="flops", series="heads", log="none")
    for sheet in (COLUMN, PAGE):
        figure = draw(spec, Suite(), rows, None, sheet)
        assert (overlaps(figure), outside(figure)) == ([], [])


def test_long_names_of_lines_stand_above_them():
    rows = [
        row(f"{form} {k}", 1, k, 8, 1, factors={"form": form, "k": k})
        for form in (LONG, "exact")
        for k in (1, 2, 3)
    ]
    spec = PlotSpec(kind="line", x="k", y="flops", series="form")
    figure = draw(spec, Suite(), rows, None, COLUMN)
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[1] == "form = exact"
    assert axes.get_position().width > 0.6
    assert (overlaps(figure), outside(figure)) == ([], [])
