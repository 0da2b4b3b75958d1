"""The suites of SRNet's Table 1 and of the conventions, counted on fake tensors."""

from dataclasses import replace

import pytest
from made_rows import REPOSITORY, write_all_plots, write_all_tables

from harness.case import Job, Outcome
from harness.judge.verdict import annotate, tally_of
from harness.measure.operations import measure_operations, measure_params
from harness.present.check import check
from harness.records.record import Record
from harness.suite.document import SuiteError
from harness.suite.loader import load

SUITES = REPOSITORY / "suites"


def counted(job: Job):
    values = measure_params(job) | measure_operations(job)
    outcome = Outcome("ok", None, values, (), {}, (), 0.0)
    return Record.of(job, outcome, "machine").row()


def at_sides(suite, sides):
    """The suite's cases at the given sides of the map in place of its own."""
    jobs = {
        (job.label.partition(" (")[0], side): replace(
            job,
            label=f"{job.label.partition(' (')[0]} (input=1x512x{side}x{side})",
            case=replace(job.case, inputs=((1, 512, side, side),)),
            factors={"input": [1, 512, side, side]},
        )
        for job in suite.jobs
        for side in sides
    }
    return list(jobs.values())


@pytest.fixture(scope="module")
def table1():
    return load(SUITES / "srnet_table1.yaml", check=check)


def test_every_order_of_srnet_table_1_is_reproduced(table1, tmp_path):
    rows = annotate([counted(job) for job in table1.jobs], table1)
    found = tally_of(rows)
    assert (found.agrees, found.total) == (12, 12)
    exponents = {
        row["label"].partition(" (")[0]: [round(v["ours"], 2) for v in row["verdicts"].values()]
        for row in rows
        if row["verdicts"]
    }
    assert exponents == {
        "Non-local": [2.0, 2.0],
        "A2Net": [1.0, 0.0],
        "CGNL": [1.0, 0.0],
        "CCNet": [1.5, 1.5],
        "DANet": [1.97, 2.0],
        "SRNet": [1.0, 0.0],
    }
    files = write_all_tables(table1, rows, tmp_path) + write_all_plots(table1, rows, tmp_path)
    assert {path.name for path in files} >= {"srnet-table1.md", "srnet-table1-computation.png"}


def test_at_the_sizes_of_segmentation_a_lower_term_weighs(table1):
    """DANet's channel attention costs as much as its position attention at 30 x 30."""
    rows = annotate([counted(job) for job in at_sides(table1, (32, 48, 64, 96))], table1)
    differing = [
        (row["label"].partition(" (")[0], figure)
        for row in rows
        for figure, each in row["verdicts"].items()
        if each["verdict"] == "differs"
    ]
    assert differing == [("DANet", "computation"), ("DANet", "affinity_memory")]


def test_conventions_of_one_count(tmp_path):
    suite = load(SUITES / "conventions.yaml", check=check)
    rows = [counted(job) for job in suite.jobs]
    names, *_ = (spec.columns for spec in suite.tables)
    assert {"operations_flops", "operations_macs", "operations_gibi_macs"} <= set(names)
    (_, md, *_) = (None, *write_all_tables(suite, rows, tmp_path))
    line = next(line for line in md.read_text().splitlines() if line.startswith("| Non-local"))
    assert "108.152" in line  # the golden figure, 2 per multiply-accumulate
    assert "54.076" in line
    assert "50.362" in line  # in units of 2^30
    assert [path.name for path in write_all_plots(suite, rows, tmp_path)] == [
        "conventions.png",
        "conventions.svg",
        "conventions.pdf",
        "conventions.txt",
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("value: affinity_elements, over: positions", "value: affinity_elements, over: position",
         "did you mean 'positions'"),
        ("over: positions}\n    affinity", "over: sweep}\n    affinity", "'sweep' is text"),
        ("computation, affinity_memory, verdict]", "computtion, affinity_memory, verdict]",
         "unknown quantity 'computtion'"),
        ("label: A2Net\n", "label: A2-Net\n", None),
        ("  figures:", "  rows: {A2: A2Net}\n  figures:", "no case is labelled 'A2'"),
        ("y: affinity_elements", "y: affinities", "unknown quantity 'affinities'"),
        ("y: affinity_elements", "y: [affinity_elements, params]", "only bars without series"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_anything_is_measured(tmp_path, before, after, message):
    text = (SUITES / "srnet_table1.yaml").read_text()
    assert before in text
    path = tmp_path / "srnet_table1.yaml"
    path.write_text(text.replace(before, after))
    if message is None:  # another name is no mistake: the printed row is listed as missing
        load(path, check=check)
        return
    with pytest.raises(SuiteError) as caught:
        load(path, check=check)
    assert message in str(caught.value)


def test_a_misspelt_quantity_of_a_list_is_named_with_its_place(tmp_path):
    text = (SUITES / "conventions.yaml").read_text()
    path = tmp_path / "conventions.yaml"
    path.write_text(text.replace("[operations_flops, operations_macs,", "[operations_flops, op_m,"))
    with pytest.raises(SuiteError, match=r"plots\.0\.y\.1.*op_m"):
        load(path, check=check)
