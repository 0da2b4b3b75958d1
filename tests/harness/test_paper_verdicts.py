"""The main job says of every printed figure that it is reproduced, or why it is not."""

import pytest
from paper_rows import jobs, judged, suite

from harness.judge.verdict import unmatched

# Figures that are judged: printed, measured here, and neither an accuracy nor a time.
JUDGED_FIGURES = {
    "ocnet_table4": 12 * 2,
    "ocnet_figure4": 2,
    "srnet_table1": 6 * 2,
    "srnet_table3": 12 * 3,
    "srnet_table5": 8,
    "ranet_table3": 5 * 3,
    "ggcf_efficiency": 2,
}
PARTS = sorted(JUDGED_FIGURES)
# The only figures that are judged and not reproduced; every other one of these suites is.
NOT_REPRODUCIBLE = {
    "ocnet_table4": {
        "memory_mb": {
            "PPM", "ASPP", "DANet", "RCCA", "CGNL", "Efficient Attention", "Base-OC (ISA)",
            "Pyramid-OC (ISA)", "ASP-OC (SA)", "ASP-OC (ISA)",
        },
    },
    "ocnet_figure4": {"memory_ratio": {"ISA relative to SA"}},
    "srnet_table3": {
        "gflops": {"+ASPP", "+A2Net", "+CGNL"},
        "params_m": {"+EMAU"},
        "memory_mb": {"+PSP", "+NL", "+CGNL", "+RCCA", "+EMAU"},
    },
    "srnet_table1": {},
    "srnet_table5": {"gflops_overhead": {"R-50 +NL", "R-50 +SR", "R-101 +NL", "R-101 +SR"}},
    "ranet_table3": {
        "gflops": {"Asymmetric NL", "CCNet", "DANet", "PSANet", "RANet"},
        "params_m": {"Asymmetric NL", "CCNet", "DANet", "PSANet"},
        "memory_mb": {"Asymmetric NL", "CCNet", "DANet", "PSANet", "RANet"},
    },
    "ggcf_efficiency": {},
}  # fmt: skip
NOT_JUDGED = {"miou", "time_ms", "time_ratio"}  # training, and other hardware
# Which figure a row's verdict is.
DECIDES = dict.fromkeys(PARTS, "gflops") | {
    "ocnet_figure4": "gflops_ratio",
    "srnet_table1": "computation",
}
# Rows without that figure have no verdict, but for the overheads of SRNet's Table 5.
OTHERS = {"srnet_table5": {"not reproducible"}}


def rows(name: str):
    printed = suite(name).reference.figures
    return judged(name, memory=any("memory" in figure for figure in printed))


def test_the_main_job_is_every_efficiency_table():
    assert {part.path.stem for part in suite("efficiency").parts()} == set(PARTS)
    labels = {(part.name, job.label) for part in suite("efficiency").parts() for job in part.jobs}
    alone = {(suite(name).name, label) for name in PARTS for label in jobs(name)}
    assert labels == alone


@pytest.mark.parametrize("name", PARTS)
def test_every_printed_figure_is_reproduced_or_known_not_to_be(name):
    by_verdict: dict[str, set[tuple[str, str]]] = {}
    for label, each in rows(name).items():
        for figure, verdict in each["verdicts"].items():
            by_verdict.setdefault(str(verdict["verdict"]), set()).add((figure, label))
    expected = {(f, label) for f, labels in NOT_REPRODUCIBLE[name].items() for label in labels}
    assert by_verdict.get("not reproducible", set()) == expected
    assert {figure for figure, _ in by_verdict.get("not judged", ())} <= NOT_JUDGED
    assert by_verdict.keys() <= {"reproduced", "not reproducible", "not judged"}
    judged_ = len(by_verdict.get("reproduced", ())) + len(expected)
    assert judged_ == JUDGED_FIGURES[name]


@pytest.mark.parametrize("name", PARTS)
def test_verdict_of_each_row_is_that_of_its_operations(name):
    key = DECIDES[name]
    refused = NOT_REPRODUCIBLE[name].get(key, set())
    printed = {label: row for label, row in rows(name).items() if key in row["reported"]}
    assert {label: row["verdict"] for label, row in printed.items()} == {
        label: "not reproducible" if label in refused else "reproduced" for label in printed
    }
    others = set(rows(name)) - set(printed)
    assert {rows(name)[label]["verdict"] for label in others} <= OTHERS.get(name, {None})


@pytest.mark.parametrize("name", PARTS)
def test_what_is_not_reproduced_has_its_reason_and_our_figure(name):
    for label, row in rows(name).items():
        for figure, verdict in row["verdicts"].items():
            if verdict["verdict"] == "not reproducible":
                assert verdict["ours"] is not None, (label, figure)
                assert len(verdict["reason"].split()) >= 5, (label, figure)
            elif verdict["verdict"] == "reproduced":
                assert verdict["reason"] == ""


@pytest.mark.parametrize("name", PARTS)
def test_figures_called_not_reproducible_really_do_differ(name):
    """A refusal that would pass the judgement hides a reproduced figure."""
    tolerance = {"gflops": 2e-3, "params_m": 2e-3}
    for label, row in rows(name).items():
        for figure, verdict in row["verdicts"].items():
            if verdict["verdict"] != "not reproducible":
                continue
            assert abs(verdict["difference"]) > tolerance.get(figure, 0.01), (label, figure)


@pytest.mark.parametrize("name", PARTS)
def test_every_printed_row_has_ours_beside_it(name):
    assert unmatched(list(rows(name).values()), suite(name)) == ()
