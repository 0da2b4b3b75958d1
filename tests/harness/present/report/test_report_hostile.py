"""Texts of any origin in a report: shown as they are, never obeyed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_reports import broken, job, record, write_run
from parsed_html import Parsed, text

import harness
from harness.case import Outcome
from harness.messages import printable
from harness.present.report.document import script_json
from harness.suite.presentation import TableSpec

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;",
    "]]></svg><style>*{display:none}</style>",
    "\u202egnp.exe",
    "שלום עולם",
    "a\x00b\x1b[31mc\x7f",
    "x" * 10_000,
    "--> \u2028 \u2029 \ud800",
    "$\\frac{1}{2}$ %s {0}",
)
TABLES = [TableSpec(columns=("label", "params"))]


def reported(folder, *labels, value=10):
    """The text of the report of cases with these labels, the last one failed."""
    jobs = [job(label, "hostile") for label in labels]
    records = [record(each, Outcome("ok", values={"params": value})) for each in jobs]
    records[-1] = broken(jobs[-1], "error", labels[-1], [labels[-1]])
    title = labels[-1]
    run = write_run(folder, records, jobs, name="hostile", title=title, tables=TABLES)
    return harness.report(run, folder / "out.html").read_text(encoding="utf-8")


def shown(label):
    return " ".join(printable(label).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return Parsed(reported(tmp_path_factory.mktemp("hostile"), "plain", *HOSTILE))


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_labels_are_text_and_nothing_else(page, number):
    (line,) = [row[0] for row in page.lines("suite-1-table-1")][number + 1 : number + 2]
    wanted = shown(HOSTILE[number])
    assert wanted in line
    assert line == wanted or "10,000 characters" in line


def test_hostile_texts_add_no_element_and_no_handler(page, tmp_path):
    harmless = Parsed(reported(tmp_path, *[f"label {n}" for n in range(len(HOSTILE) + 1)]))
    tags = [each.tag for each in page.elements()]
    plain = [each.tag for each in harmless.elements()]
    added = {"details", "summary", "bdi"}  # of the long label, which is folded
    assert [tag for tag in tags if tag not in added] == [tag for tag in plain if tag not in added]
    assert not [name for each in page.elements() for name in each.attrib if name.startswith("on")]
    assert len(page.all("script")) == 1


@settings(max_examples=12)
@given(label=st.text(min_size=1, max_size=80))
def test_any_label_is_shown_and_the_page_stays_valid(tmp_path_factory, label):
    page = Parsed(reported(tmp_path_factory.mktemp("any"), label, "last"))
    assert page.lines("suite-1-table-1")[0] == [shown(label), "0.0000100"]
    assert len(page.lines("suite-1-table-1")) == 2


@settings(max_examples=30)
@given(st.recursive(st.text() | st.floats() | st.none(), st.lists))
def test_data_of_scripts_cannot_end_their_element(data):
    written = script_json(data)
    assert written.isascii()
    assert not set("<>&") & set(written)
    json.loads(written)


@settings(max_examples=30)
@given(st.lists(st.text()))
def test_data_of_scripts_comes_back_as_it_was(data):
    assert json.loads(script_json(data)) == data


def test_samples_of_a_hostile_case_stay_data(tmp_path):
    of = job("</script><script>alert(1)</script>", "hostile")
    taken = {"params": 1, "latency_seconds": 1e-3, "latency_samples_seconds": [1e-3, float("nan")]}
    run = write_run(tmp_path, [record(of, Outcome("ok", values=taken))], [of], name="hostile")
    page = Parsed(harness.report(run).read_text(encoding="utf-8"))
    (case,) = page.samples()
    assert case["name"] == of.label
    assert case["ms"] == [1.0]
    assert text(page.one("section", id="samples")).startswith("Raw samples 1 latencies of 1 cases")
