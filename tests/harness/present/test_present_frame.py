"""Frame: rows as a typed pandas table."""

import pandas as pd
from made_rows import failed, ocnet, row, table4

from harness.judge.verdict import annotate
from harness.present.frame import frame


def test_columns_have_types_whatever_the_rows_hold():
    full = frame(annotate(table4(), ocnet()))
    lost = frame([failed("A", "oom", "out of memory")])
    for name in ("params", "conv_macs", "live_peak_bytes", "live_peak_with_params_bytes"):
        assert full[name].dtype == lost[name].dtype == "Int64", name
    for name in ("latency_seconds", "operations", "coverage"):
        assert full[name].dtype == lost[name].dtype == "Float64", name
    for name in ("label", "status", "cause", "input"):
        assert isinstance(full[name].dtype, pd.StringDtype), name
        assert isinstance(lost[name].dtype, pd.StringDtype), name


def test_failed_rows_stay_and_missing_values_are_missing():
    table = frame([*table4(), failed("Z", "oom", "out of memory")])
    assert len(table) == 13
    assert table["status"].value_counts().to_dict() == {"ok": 12, "oom": 1}
    assert table["params"].isna().sum() == 1
    assert table["params"].sum() == sum(each["params"] for each in table4())
    assert table.loc[0, "input"] == "1x2048x128x128"


def test_factors_and_printed_figures_are_columns():
    rows = [row("PPM", 23, 618.58, 504, 3, factors={"k": 3, "order": "lg"})]
    table = frame(annotate(rows, ocnet()))
    assert table["factors.k"].dtype == "Int64"
    assert table.loc[0, "factors.order"] == "lg"
    assert table.loc[0, "reported.gflops"] == 619
    assert table.loc[0, "verdict.gflops"] == "agrees"
    assert table.loc[0, "difference.memory_mb"] < -0.3


def test_other_values_are_kept():
    table = frame([row("A", 1, 1, 1, 1, threads=4, witness={"conv": {"agree": True}})])
    assert table.loc[0, "threads"] == 4
    assert table.loc[0, "witness"] == '{"conv": {"agree": true}}'
    assert table.loc[0, "elementwise_ops"] == '{"relu": 1000}'


def test_no_rows_make_an_empty_frame_with_columns():
    table = frame([])
    assert len(table) == 0
    assert {"label", "params", "latency_seconds"} <= set(table.columns)
