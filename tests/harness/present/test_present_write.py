"""Writing: the asked files, whole, the same every time, and only where they belong."""

import pytest
from made_rows import COLUMNS, Suite, ocnet, table4, write_all_plots, write_all_tables

from harness.judge.verdict import annotate
from harness.messages import HarnessError
from harness.present.measured import measured_plots
from harness.present.write import named_plots, write_whole
from harness.suite.presentation import PlotSpec, TableSpec

PLOT_FILES = ("pdf", "png", "svg", "txt")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_asked_table_and_plot_is_written_and_nothing_else(tmp_path):
    written = write_all_tables(ocnet(), table4(), tmp_path)
    written += write_all_plots(ocnet(), table4(), tmp_path)
    assert set(contents(tmp_path)) == {path.relative_to(tmp_path).as_posix() for path in written}
    assert sorted(contents(tmp_path)) == [
        *(f"plots/ocnet-table4-bar-flops.{ending}" for ending in PLOT_FILES),
        *(f"plots/ocnet-table4-scatter-memory.{ending}" for ending in PLOT_FILES),
        *(f"tables/ocnet-table4.{ending}" for ending in ("csv", "md", "tex")),
    ]


def test_the_same_rows_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_all_tables(ocnet(), table4(), tmp_path / name)
        write_all_plots(ocnet(), table4(), tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_tables_of_one_name_do_not_overwrite_each_other(tmp_path):
    spec = TableSpec(columns=COLUMNS)
    named = TableSpec(name="other", columns=("label",))
    written = write_all_tables(Suite(tables=(spec, spec, named)), table4(), tmp_path)
    assert [path.name for path in written if path.suffix == ".md"] == [
        *("ocnet-table4.md", "ocnet-table4-2.md", "other.md")
    ]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\nb", "a\x00b"])
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    part = Suite(name=name, tables=(TableSpec(columns=("label",)),))
    with pytest.raises(HarnessError, match="cannot be a file name"):
        write_all_tables(part, table4(), tmp_path)
    assert contents(tmp_path) == {}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.md"
    write_whole(path, b"old")

    def refuse(self, target):
        raise OSError("disk is full")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(HarnessError, match=r"x\.md: cannot be written: disk is full"):
        write_whole(path, b"new")
    assert contents(tmp_path) == {"x.md": b"old"}


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "tables").write_text("a file")
    with pytest.raises(HarnessError, match="cannot be written"):
        write_all_tables(ocnet(plots=(PlotSpec(kind="bar", y="flops"),)), table4(), tmp_path)


def test_plots_of_what_no_case_measures_wait_until_they_are_asked_for():
    part = ocnet()
    rows = [{k: v for k, v in row.items() if "latency" not in k} for row in table4()]
    every = list(named_plots(part))
    static = {row["label"]: ("params", "flops", "memory") for row in rows}
    timed = {label: (*metrics, "latency") for label, metrics in static.items()}
    assert list(measured_plots(part, annotate(rows, part), timed)) == every
    assert list(measured_plots(part, annotate(rows, part), static)) == every[1:]
    one = {**static, rows[0]["label"]: ("params", "flops", "memory", "latency")}
    assert list(measured_plots(part, annotate(rows, part), one)) == every
