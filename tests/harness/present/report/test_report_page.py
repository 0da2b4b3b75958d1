import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from made_reports import broken, ended, job, machine, record, write_run
from parsed_html import Parsed, text

import harness
from harness.case import Outcome
from harness.messages import HarnessError
from harness.present.plots.heatmap import COLOURS, LOST
from harness.suite.presentation import PlotSpec, ReferenceSpec, TableSpec

TABLE = "suite-1-table-1"
PAPER = "https://arxiv.org/abs/1809.00916"


def parsed(*runs):
    """The parsed report of run directories."""
    out = runs[0].parent / "out.html"
    return Parsed(harness.report(list(runs), out).read_text(encoding="utf-8"))


def quick(root, *cases, name="quick", **more):
    """A run of which nothing can be drawn: one number per case."""
    jobs = [each if not isinstance(each, str) else job(each, name) for each in cases]
    records = [record(each, Outcome("ok", values={"params": 10})) for each in jobs]
    tables = [TableSpec(columns=("label", "params"))]
    return write_run(root, records, jobs, name=name, **({"tables": tables} | more))


def test_sections_come_in_the_order_in_which_people_ask(printed):
    sections = [each.get("id") for each in printed.one("main").iter("section")]
    assert sections == ["summary", "suite-1", "failed", "warnings", "samples", "environment"]


def test_summary_counts_cases_and_verdicts(printed):
    facts = {text(each[0]): text(each[1]) for each in printed.one("dl")}
    assert facts["Cases"] == "6"
    assert facts["Failed"] == "1"
    assert [facts[name] for name in ("Agree", "Differ", "Not reproducible")] == ["3", "1", "1"]


def test_figures_that_differ_stand_in_the_summary(printed):
    ((label, verdict, suite, figure, shown, ours, *_),) = printed.lines("differing")
    assert (label, suite, figure, shown, ours) == ("DANet", "printed", "gflops", "1110", "5400")
    assert verdict == "✗ differs"


def test_printed_figures_stand_beside_ours_with_their_verdict(printed):
    heads = printed.heads(TABLE)
    assert {"FLOPs (GFLOPs)", "ours", "reported", "difference (%)"} <= set(heads)
    rows = {line[0]: line for line in printed.lines(TABLE)}
    assert rows["PPM"][1:6] == ["✓ reproduced", "0.0103", "618.580", "619", "-0.07 ✓"]
    assert rows["RCCA"][1] == "0 of 1 agree"
    every = printed.lines("suite-1-figures")
    assert ["RCCA", "‡ not reproducible", "gflops"] in [line[:3] for line in every]


def test_best_and_second_of_a_column_are_marked_and_said_to_be(printed):
    body = printed.one("table", id=TABLE).find("tbody")
    memory = {text(row[0]): row[6] for row in body}
    marked = {name: cell[0].tag for name, cell in memory.items() if cell.find("*") is not None}
    assert marked == {"DANet": "strong", "RCCA": "u"}
    assert text(memory["DANet"]) == "1.1 best"
    assert "Bold: best of its column" in text(printed.one("div", id=f"{TABLE}-block"))


def test_a_paper_can_be_followed_from_its_figures(printed):
    (link,) = printed.all("a", rel="noreferrer")
    assert link.get("href") == PAPER
    assert text(link).startswith("OCNet: Object Context")


def test_failed_cases_keep_their_place_and_say_why(printed):
    *_, last = printed.lines(TABLE)
    assert last[:3] == ["broken", "✕ oom", "✕ oom"]
    (failure,) = printed.all("article")
    assert "no room </script><b>" in text(failure.find(".//pre"))
    (row,) = printed.all("tr", **{"class": "failed"})
    assert row.get("data-words") == "oom"


def test_numbers_are_sorted_by_what_is_stored_and_absent_ones_by_nothing(printed):
    body = printed.one("table", id=TABLE).find("tbody")
    assert body[0][2].get("data-v") == "10300"
    assert body[5][2].get("data-v") == ""


def test_plots_are_pictures_with_names_and_the_numbers_behind_them(printed):
    pictures = printed.all("svg", role="img")
    figures = printed.all("figure")
    assert len(pictures) == len(figures) >= 4  # bars, memory over latency, latency, roofline
    ids = printed.ids()
    for picture in pictures:
        assert set(picture.get("aria-labelledby").split()) <= set(ids)
        assert picture.find("title").text
        assert "6 cases" in picture.find("desc").text or "5 cases" in picture.find("desc").text
    data = [each.get("id") for each in printed.all("table") if "data" in (each.get("id") or "")]
    assert len(data) == len(figures)
    front = {line[0]: line[-2] for line in printed.lines("suite-1-data-2")}
    assert front["DANet"] == "yes"
    assert "oom: it asked for 40 GiB" in printed.lines("suite-1-data-2")[-1]


def test_every_id_is_there_once_and_every_reference_has_its_target(printed):
    ids = printed.ids()
    assert len(ids) == len(set(ids))
    for each in printed.elements():
        targets = [each.get("href") or "#", *re.findall(r"url\((#[^)]+)\)", str(each.attrib))]
        for target in targets:
            if target == PAPER:
                continue
            assert target.startswith("#")
            assert target == "#" or target[1:] in ids
        if each.tag == "label":
            assert each.get("for") in ids


def test_nothing_is_fetched(printed, printed_report):
    assert not printed.all("link")
    assert not printed.all("img")
    for each in printed.elements():
        assert not {"src", "srcset", "action", "data"} & set(each.attrib)
    assert "@import" not in printed_report.read_text(encoding="utf-8")
    (policy,) = printed.all("meta", http_equiv="Content-Security-Policy")
    assert policy.get("content").startswith("default-src 'none'")


def test_headings_go_down_one_level_at_a_time(printed):
    levels = [int(e.tag[1]) for e in printed.elements() if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_same_run_gives_the_same_file(tmp_path):
    jobs = [job(name, "twice") for name in "AB"]
    run = write_run(tmp_path, [ended(each, samples=0) for each in jobs], jobs, name="twice")
    first, again = (harness.report(run, tmp_path / name) for name in ("first", "again"))
    assert first.read_bytes() == again.read_bytes()
    assert b'role="img"' in first.read_bytes()


def test_runs_of_one_suite_stand_side_by_side(tmp_path):
    jobs = [job("A", "pair"), job("B", "pair")]
    first = [
        record(each, Outcome("ok", values={"params": 10, "energy_joules": 2.0})) for each in jobs
    ]
    second = [
        record(jobs[0], Outcome("ok", values={"params": 10, "energy_joules": 3.0})),
        broken(jobs[1]),
    ]
    tables = [TableSpec(columns=("label", "params"))]
    runs = [
        write_run(tmp_path, records, jobs, name="pair", tables=tables, environment=machine(torch))
        for records, torch in ((first, "2.13.0"), (second, "2.14.0"))
    ]
    page = parsed(*runs)
    rows = {line[0]: line for line in page.lines("suite-1-compared")}
    assert rows["A"][1:3] == ["ok", "ok"]
    assert page.heads("suite-1-compared")[-3:] == ["A", "B", "B / A"]
    assert rows["A"][-3:] == ["2.000", "3.000", "1.500"]
    assert rows["B"][1:3] == ["ok", "✕ oom"]
    assert rows["B"][-3:] == ["2.000", "–", "–"]
    environment = {line[0]: line[1:] for line in page.lines("environment-table")}
    assert environment["libraries torch"] == ["2.13.0", "2.14.0", "differs"]
    assert environment["machine cpu"] == ["EPYC", "EPYC", "–"]
    assert [each.get("id") for each in page.all("section")][1:4] == [
        "suite-1",
        "suite-1-run-a",
        "suite-1-run-b",
    ]


def test_what_all_runs_agree_on_is_said_below_and_takes_no_column(tmp_path):
    runs = [quick(tmp_path, "A"), quick(tmp_path, "A")]
    page = parsed(*runs)
    assert page.heads("suite-1-compared") == ["Label"]
    assert "Equal in all runs: Parameters." in text(page.one("div", id="suite-1-compared-block"))


def test_a_run_given_twice_counts_once(tmp_path):
    run = quick(tmp_path, "A")
    assert not parsed(run, run.parent).all("table", id="suite-1-compared")


def test_a_run_that_was_interrupted_says_how_far_it_came(tmp_path):
    jobs = [job("A", "half"), job("B", "half")]
    run = write_run(tmp_path, [ended(jobs[0], samples=0)], jobs, name="half")
    page = parsed(run)
    assert text(page.one("p", **{"class": "alert"})).startswith(
        "The run is not complete: 1 of 2 processes have not ended."
    )
    assert not parsed(quick(tmp_path, "A")).all("p", **{"class": "alert"})


def test_printed_figures_that_are_elsewhere_do_not_keep_a_run_from_its_report(tmp_path):
    reference = ReferenceSpec(paper="mislaid", table="table9")
    page = parsed(quick(tmp_path, "A", reference=reference))
    assert page.lines(TABLE) == [["A", "0.0000100"]]
    assert "no printed figures of 'mislaid'" in text(page.one("section", id="warnings"))


def test_a_suite_without_tables_gets_one(tmp_path):
    page = parsed(quick(tmp_path, "A", tables=()))
    assert page.heads(TABLE) == ["Label", "Status", "Parameters (M)"]


def test_a_heat_map_keeps_its_colours_on_a_dark_page(tmp_path):
    jobs = [job(f"{h} {k}", "grid", heads=h, k=k) for h in (1, 2) for k in (1, 2)]
    records = [ended(each, 2.0**number, samples=0) for number, each in enumerate(jobs[:3])]
    records.append(broken(jobs[3]))
    spec = PlotSpec(kind="heatmap", x="k", y="heads", value="operations")
    page = parsed(write_run(tmp_path, records, jobs, name="grid", plots=[spec]))
    picture = page.all("svg", role="img")[0]
    assert "Heat map of k, heads, FLOPs" in picture.find("desc").text
    styles = " ".join(each.get("style") or "" for each in picture.iter())
    for colour in (COLOURS[0], COLOURS[-1], LOST):  # least, most, failed
        assert f"fill:{colour}" in styles
    assert not re.search(r"url\(#(?!clip)", styles)


def test_a_plot_of_what_nobody_measured_says_so(tmp_path):
    page = parsed(quick(tmp_path, "A", plots=[PlotSpec(kind="scatter", x="latency", y="memory")]))
    assert "no case has values of Latency and Live peak" in text(page.one("figure"))
    assert not page.all("svg", role="img")


def test_costs_of_a_sweep_are_drawn_against_the_size_of_the_input(tmp_path):
    jobs = [job(f"NL {n}", "sweep", n, input=[1, 64, n, n]) for n in (16, 32, 64)]
    records = [ended(each, 2.0**number, samples=0) for number, each in enumerate(jobs)]
    page = parsed(write_run(tmp_path, records, jobs, name="sweep"))
    titles = [text(each[0]) for each in page.all("figure")]
    assert "FLOPs by input height" in titles


def test_ablations_are_drawn_as_curves(tmp_path):
    jobs = [job(f"k={k} {b}", "grid", k=k, b=b) for b in ("none", "both") for k in (3, 5, 7)]
    records = [ended(each, 1.0 + number, samples=0) for number, each in enumerate(jobs)]
    page = parsed(write_run(tmp_path, records, jobs, name="grid"))
    (data,) = [each for each in page.all("table") if text(each[0]) == "Data: FLOPs by k"]
    assert [text(each) for each in data.find("thead").iter("th")][:3] == ["Label", "b", "k"]


def test_samples_are_kept_up_to_a_number_and_evenly_thinned_beyond(tmp_path):
    of = job("A", "long")
    run = write_run(tmp_path, [ended(of, samples=1200)], [of], name="long")
    page = parsed(run)
    (case,) = page.samples()
    assert (case["taken"], case["step"], len(case["ms"])) == (1200, 3, 400)
    stored = json.loads((run / "records.jsonl").read_text())["values"]["latency_samples_seconds"]
    assert case["ms"] == pytest.approx([1e3 * each for each in stored[::3]], rel=1e-3)
    assert "this file holds 400" in text(page.one("section", id="samples"))


def test_a_run_without_records_is_refused(tmp_path):
    run = write_run(tmp_path, [], [job("A")])
    with pytest.raises(HarnessError, match="no case of this run has ended"):
        harness.report(run)


def test_several_processes_of_a_case_are_one_row(tmp_path):
    jobs = [replace(job("A", "repeated"), replicate=number) for number in (1, 2)]
    records = [ended(each, 1.0 + number) for number, each in enumerate(jobs)]
    page = parsed(write_run(tmp_path, records, jobs, name="repeated"))
    assert len(page.lines(TABLE)) == 1
    assert page.samples()[0]["taken"] == 24


def test_a_run_object_is_reported_as_well_as_its_folder(tmp_path):
    run = harness.load(quick(tmp_path, "A"))
    out = harness.report(run, tmp_path / "from object.html")
    assert Parsed(out.read_text(encoding="utf-8")).lines(TABLE)[0][0] == "A"
