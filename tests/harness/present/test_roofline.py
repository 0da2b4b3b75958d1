"""Roofline: rows under the roofs of their machine, in tables, notes and the plot."""

import pytest
from made_rows import Suite, draw, failed, look, make, row

from harness.judge.part import Context
from harness.measure.roofline.calibration import Calibration, Entry, known_roofs, save
from harness.measure.roofline.ceilings import Ceilings, Peak, Rate
from harness.messages import HarnessError
from harness.present.plots.canvas import render
from harness.present.rows import with_roofs
from harness.records.quantities.derived import uncalibrated
from harness.records.quantities.registry import find
from harness.suite.presentation import PlotSpec, TableSpec

# GFLOPs (2 per MAC), bytes moved, latency in ms: made so that shares are round.
CONV = {"gflops": 100, "bytes_moved": 1_000_000_000, "latency": 2000}
RELATION = {"gflops": 2, "bytes_moved": 4_000_000_000, "latency": 800}
POOLING = {"gflops": 0, "bytes_moved": 1_000_000_000, "latency": 400}


def measured(label, gflops, bytes_moved, latency, **more):
    made = row(label, 1, gflops, 1, latency, bytes_moved=bytes_moved)
    return made | {"device": "cpu", "threads": None, "machine_key": "abc"} | more


def rate(value):
    return Rate(value, value, value, 0.95, 6)


def kept(folder, threads=2):
    """A machine of 100 GFLOP/s and 10 GB/s."""
    ceilings = Ceilings({"float32": Peak(rate(100e9), 512)}, rate(10e9), 1 << 28)
    save(Calibration("abc", (Entry("cpu", threads, ceilings, "now", {}),)), folder)
    return (folder,)


@pytest.fixture
def rows(tmp_path):
    made = [measured("Conv", **CONV), measured("SA", **RELATION), measured("Pool", **POOLING)]
    return with_roofs(made, known_roofs(kept(tmp_path), threads=2))


def values(name, rows):
    return [find(name, rows).read(each) for each in rows]


def test_each_row_has_its_roof_and_its_share(rows):
    assert values("arithmetic_intensity", rows) == [100.0, 0.5, 0.0]
    assert values("roof", rows) == ["compute", "memory", "memory"]
    assert values("attainable_flops_per_second", rows) == [100e9, 5e9, 0.0]
    # 1 s of 2 s; 0.4 s of 0.8 s; without operations the bandwidth decides: 0.1 s of 0.4 s.
    assert values("share_of_roof", rows) == pytest.approx([0.5, 0.5, 0.25])
    assert values("bytes_per_second", rows) == pytest.approx([0.5e9, 5e9, 2.5e9])


@pytest.mark.parametrize(
    "change",
    [{"machine_key": "other"}, {"dtype": "float16"}, {"threads": 1}, {"device": "cuda"}],
)
def test_other_machines_types_threads_and_devices_have_no_roof(tmp_path, change):
    (found,) = with_roofs([measured("Conv", **CONV) | change], known_roofs(kept(tmp_path), 2))
    assert values("share_of_roof", [found]) == [None]
    assert values("roof", [found]) == [None]
    assert values("arithmetic_intensity", [found]) == [100.0]


def test_a_rows_own_threads_come_before_the_runs(tmp_path):
    (found,) = with_roofs([measured("A", **CONV, threads=4)], known_roofs(kept(tmp_path, 4), 2))
    assert values("share_of_roof", [found]) == [0.5]


def test_without_a_calibration_a_table_shows_a_dash_and_the_cure():
    made = [measured("Conv", **CONV), failed("DANet", "oom", "out of memory")]
    spec = TableSpec(columns=("label", "arithmetic_intensity", "roof", "share_of_roof"))
    table = make(spec, Suite(), made)
    assert table.lines[0][1:] == ["100.0", "–", "–"]
    note = "No roof of float32 is known for the machine of these rows; "
    assert f"{note}run `harness calibrate --device cpu` on it." in table.footnotes
    plain = make(TableSpec(columns=("label", "latency")), Suite(), made)
    assert not any("calibrate" in line for line in plain.footnotes)


def test_the_cure_names_the_threads_once():
    two = [measured(label, **CONV, threads=4) for label in "AB"]
    assert uncalibrated(two) == [
        "No roof of float32 is known for the machine of these rows; "
        "run `harness calibrate --device cpu --threads 4` on it."
    ]
    assert uncalibrated([measured("A", **CONV) | {"latency_seconds": None}]) == []


def test_with_a_calibration_a_table_shows_the_share(rows):
    spec = TableSpec(columns=("label", "roof", "share_of_roof"))
    table = make(spec, Suite(), rows, Context(warnings=("on battery; connect the supply",)))
    assert table.lines[0][1:] == ["compute", "50.0"]
    assert "Warning, whole run: on battery; connect the supply" in table.footnotes
    assert not any("No roof" in line for line in table.footnotes)


def test_the_plot_has_points_under_the_roof(rows):
    figure = draw(PlotSpec(kind="roofline"), Suite(), rows[:2])
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    points, *_, roof = axes.lines
    assert list(points.get_xdata()) == [100.0, 0.5]
    assert list(points.get_ydata()) == pytest.approx([50.0, 2.5])
    left, ridge, _ = roof.get_xdata()
    assert ridge == 10.0
    assert list(roof.get_ydata()) == pytest.approx([left * 10.0, 100.0, 100.0])
    shown = [text.get_text() for text in axes.texts]
    assert {"Conv", "SA", "peak 100 GFLOP/s", "memory 10 GB/s"} <= set(shown)
    assert render(figure, "svg") == render(
        draw(PlotSpec(kind="roofline"), Suite(), rows[:2]), "svg"
    )


def test_labels_keep_off_each_other_and_off_the_roofs_labels(rows):
    many = [rows[0] | {"label": f"Conv {n}", "latency_seconds": 2 + n / 20} for n in range(5)]
    figure = draw(PlotSpec(kind="roofline"), Suite(), [*many, rows[1]])
    (axes,) = figure.axes
    boxes = [t.get_window_extent() for t in axes.texts if t.get_text() and not t.get_rotation()]
    assert len(boxes) == 7
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_without_a_roof_points_stand_alone_and_the_note_says_why():
    made = [measured("Conv", **CONV)]
    view = look(PlotSpec(kind="roofline"), Suite(), made)
    assert any("harness calibrate" in note for note in view.notes)
    (axes,) = draw(PlotSpec(kind="roofline"), Suite(), made).axes
    assert not [line for line in axes.lines if len(line.get_xdata()) == 3]  # no roof


def test_rows_without_operations_are_named_below(rows):
    view = look(PlotSpec(kind="roofline"), Suite(), rows)
    assert [row["label"] for row in view.rows] == ["Conv", "SA"]
    assert "not shown: Pool (0 has no place on a logarithmic axis)" in view.notes
    assert "nothing to show" in [
        t.get_text() for t in draw(PlotSpec(kind="roofline"), Suite(), rows[2:]).axes[0].texts
    ]


def test_two_types_have_two_roofs(rows):
    half = rows[0] | {"label": "Half", "dtype": "bfloat16", "peak_flops_per_second": 400e9}
    (axes,) = draw(PlotSpec(kind="roofline"), Suite(), [rows[0], half]).axes
    shown = [text.get_text() for text in axes.texts]
    assert "float32, cpu: peak 100 GFLOP/s" in shown
    assert "bfloat16, cpu: peak 400 GFLOP/s" in shown


def test_what_a_suite_can_write():
    assert PlotSpec(kind="roofline").ys == ("flops_per_second",)
    assert PlotSpec(kind="roofline", x="arithmetic_intensity", y="flops_per_second")
    with pytest.raises(ValueError, match="has its own axes"):
        PlotSpec(kind="roofline", x="latency")
    with pytest.raises(ValueError, match="a bar plot needs y"):
        PlotSpec(kind="bar")
    with pytest.raises(HarnessError, match="did you mean 'share_of_roof'"):
        find("share_of_rof", [])
