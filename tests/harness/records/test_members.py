"""Columns of one class, and of what modules say of their passes."""

from pathlib import Path

import pytest

from harness.judge.statistics.intervals import mean_interval
from harness.messages import HarnessError
from harness.present.check import check
from harness.present.frame import frame
from harness.present.reading import read
from harness.records.quantities.registry import find
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.suite import Suite

ROW = {
    "label": "A", "status": "ok", "miou": 0.5, "miou_seeds": [0.4, 0.6, 0.5],
    "class_iou": {"road": 0.7, "traffic light": 0.4, "train": None},
    "class_iou_seeds": {
        "road": [0.6, 0.8, 0.7], "traffic light": [0.3, 0.4, 0.5], "train": [None, 0.2, 0.1],
    },
    "class_boundary_f": {"3": {"road": 0.5}, "5": {"road": 0.9}},
    "class_boundary_f_seeds": {"3": {"road": [0.4, 0.5, 0.6]}, "5": {"road": [0.9, 0.9, 0.9]}},
    "diagnostics": {"regions": [20.0, 24.0, 22.0], "own_value": [3.0]},
}  # fmt: skip
OLD = {**ROW, "class_iou_seeds": None, "class_boundary_f_seeds": None, "diagnostics": None}
PART = Suite("s", "S", Path("s.yaml"), ())


def text(name, row=ROW):
    reading = read(name, PART, [row])
    spread = reading.spread(row)
    return reading.head, reading.text(row), spread.beside() if spread else None


def test_a_class_has_its_mean_over_the_seeds_with_its_interval():
    found = find("class_iou.traffic light", [ROW])
    interval = mean_interval([0.3, 0.4, 0.5])
    assert found.number(ROW) == pytest.approx(0.4)
    assert found.bounds(ROW) == pytest.approx((interval.low, interval.high))
    assert found.sampled(ROW) == (3, 2)
    assert text("class_iou.traffic light") == ("IoU, traffic light (%)", "40.00", "± 24.84")


def test_the_boundary_of_a_class_is_that_at_the_first_tolerance():
    assert text("boundary_f.road") == ("Boundary F, road (%)", "50.00", "± 24.84")


def test_a_class_that_a_seed_has_not_met_has_neither_mean_nor_interval():
    found = find("class_iou.train", [ROW])
    assert (found.number(ROW), found.bounds(ROW)) == (None, None)


def test_records_of_before_seeds_were_kept_by_class_show_the_mean():
    found = find("class_iou.road", [OLD])
    assert (found.number(OLD), found.bounds(OLD)) == (0.7, None)


def test_shares_stay_within_0_and_1():
    row = {**ROW, "class_iou_seeds": {"road": [0.2, 1.0, 0.9]}}
    assert find("class_iou.road", [row]).bounds(row)[1] == 1.0


def test_a_diagnostic_goes_by_its_own_name_and_by_its_family():
    head, shown, beside = text("regions")
    assert (head, shown, beside) == ("Regions", "22.0", "± 5.0")
    assert text("diagnostics.regions")[1:] == (shown, beside)
    assert text("own_value") == ("own_value", "3.0", "")
    assert find("own_value", [ROW]).number(OLD) is None


def test_an_axis_of_the_grid_comes_before_a_diagnostic_of_its_name():
    row = {**ROW, "factors": {"regions": 4}}
    assert find("regions", [row]).read(row) == 4
    assert find("diagnostics.regions", [row]).number(row) == 22.0


@pytest.mark.parametrize(
    ("name", "meant"),
    [("class_iou.raod", "class_iou.road"), ("diagnostics.region", "diagnostics.regions")],
)
def test_a_member_that_no_row_has_is_a_mistake(name, meant):
    with pytest.raises(HarnessError, match=f"'{name}'; did you mean '{meant}'"):
        find(name, [ROW])


def test_a_frame_has_a_column_for_each_diagnostic():
    table = frame([{**ROW, "input": [[1, 2, 3, 3]]}])
    assert table["regions"].tolist() == [22.0]
    assert "diagnostics" not in table.columns


SUITE = """
suite: s
input: [1, 8, 12, 12]
module: ppm
measure: [params, {measure}]
recipe: smoke
tables:
  - columns: [label, class_iou.ground, boundary_f.ground, regions, diagnostics.mine]
"""


def test_a_suite_can_ask_for_them_before_anything_is_measured(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(SUITE.replace("{measure}", "accuracy"))
    assert load(file, check=check).tables[0].names[1] == "class_iou.ground"
    file.write_text(SUITE.replace("{measure}", "flops"))
    with pytest.raises(SuiteError) as error:
        load(file, check=check)
    said = str(error.value).splitlines()
    assert len(said) == 4
    assert all("no case measures accuracy" in line for line in said)
