"""The suites of today's mechanisms: all modules are there, and printed figures are judged."""

from functools import cache

import pytest
from paper_rows import row, suite

from context_modules.catalog import CATALOG
from harness.judge.printed import figure as printed
from harness.judge.verdict import annotate, reference_table, unmatched, within

# Backbones, networks and detectors are other suites'; the rest is a part of what is listed.
ELSEWHERE = {
    "resnet", "hrnet", "mask_rcnn", "self_attention", "afnb", "aggregation_module",
    "region_attention",
}  # fmt: skip
# At 512 x 2048: positions of the map at stride 8, and of the one at stride 2.
N, HALF = 64 * 256, 256 * 1024
STEM = 3 * 32 * 9 + 32 * 32 * 9 + 32 * 64 * 9 - 3 * 64 * 49
COARSE = 1024 * 256 * 9 + 256 * 150
SCORES = 2048 * 150
NMF = 17 * N * 512 * 64 + 15 * (N + 512) * 64**2
# A 3x3 with its norm and a classifier, 512 channels wide here, 256 there.
AUXILIARY = (1024 * 9 + 2 + 150) * 256
CLASSIFIER = 512 * 150 + 150
G, M = 1e9, 1e6
EXPLAINED = {
    "modern_printed": {("params_m", "External attention"): -64 * 512 / M},
    "modern_networks": {
        ("gflops", "OCRNet"): (STEM * HALF + N * (COARSE - SCORES - 150 * 1024)) / G,
        ("gflops", "DNL"): STEM * HALF / G,
        ("gflops", "HamNet"): (STEM * HALF - NMF) / G,
        ("gflops", "HamNet+"): (STEM * HALF - NMF) / G,
        ("params_m", "DANet"): (STEM - AUXILIARY + 2 * CLASSIFIER) / M,
        ("params_m", "OCRNet"): (STEM - AUXILIARY - SCORES - 150) / M,
        **{("params_m", label): (STEM - AUXILIARY) / M for label in ("DNL", "HamNet", "HamNet+")},
    },
}
NOT_REPRODUCIBLE = {
    "modern_printed": {
        ("memory_ratio", "RCCA (R=2)"),
        ("gmacs", "External attention"),
    },
    "modern_networks": {("gflops", "DANet")},
}


@cache
def judged(name):
    """The rows of which something is printed, by label; those beside them cost much more time."""
    table = reference_table(suite(name))
    rows = [row(name, label, memory=name == "modern_printed") for label in table.names]
    return {each["label"]: each for each in annotate(rows, suite(name))}


def test_every_mechanism_of_the_catalog_is_in_them():
    cases = [job.case for part in suite("modern").parts() for job in part.jobs]
    inside = [case.arguments.get("context") for case in cases]
    deeper = [(case.arguments.get("context_arguments") or {}).get("context") for case in cases]
    used = {case.module for case in cases} | {*inside} | {*deeper}
    assert {entry.name for entry in CATALOG} - used == ELSEWHERE


@pytest.mark.parametrize("name", sorted(EXPLAINED))
def test_every_printed_figure_agrees_or_is_known_not_to(name):
    found: dict[str, set[tuple[str, str]]] = {}
    for label, each in judged(name).items():
        for figure, verdict in each["verdicts"].items():
            found.setdefault(str(verdict["verdict"]), set()).add((figure, label))
    assert found["explained"] == set(EXPLAINED[name])
    assert found["not reproducible"] == NOT_REPRODUCIBLE[name]
    assert found.keys() <= {"agrees", "explained", "not reproducible", "not judged"}
    assert unmatched(list(judged(name).values()), suite(name)) == ()


@pytest.mark.parametrize("name", sorted(EXPLAINED))
def test_what_is_explained_adds_up_to_the_printed_figure(name):
    reference = suite(name).reference
    for (figure, label), more in EXPLAINED[name].items():
        found = judged(name)[label]["verdicts"][figure]
        tolerance = reference.figures[figure].tolerance or reference.tolerance
        printed_one = printed(found["printed_text"])
        assert within(found["ours"] + more, printed_one, tolerance), (figure, label)
        assert not within(found["ours"], printed_one, tolerance), (figure, label)
