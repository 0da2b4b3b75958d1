"""The page of a self-check: verdicts, exit codes and files."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environment.machine import describe_machine
from harness.messages import HarnessError
from harness.selfcheck.finding import Finding, judged, left_out, of_error, ratio_within, skipped
from harness.selfcheck.page import FAILED, PASSED, SHORT, Page
from harness.selfcheck.section import SECTIONS, Checked


def checked(*findings, name="timing", **options):
    short = any(each == left_out(2) for each in findings)
    return Checked(name, "is it?", findings, 1.5, **({"short": short} | options))


MACHINE = describe_machine() | {"cpu": "EPYC", "gpus": [{"name": "NVIDIA H100", "memory_gib": 80}]}


def page(*sections, device="cpu", machine=MACHINE):
    environment = {"machine_key": "abc", "libraries": {"torch": "2.13.0"}, "machine": machine}
    return Page(
        device, 400.0, "2026-01-02T03:04:05+00:00", 9.0, environment, sections, len(sections)
    )


GOOD, BAD = judged("a", True, "seen"), judged("b", False, "not | seen")
NEVER = Checked("roofs", "?", (), 0.0, skipped="needs 20 s, 3 s are left", short=True)


@pytest.mark.parametrize(
    ("sections", "code"),
    [
        ((checked(GOOD),), PASSED),
        ((checked(GOOD), checked(skipped("c", "no git"))), PASSED),
        ((checked(GOOD), checked(GOOD, BAD)), FAILED),
        ((checked(GOOD), checked(failure="ended by SIGSEGV: nothing was said")), FAILED),
        ((checked(GOOD), NEVER), SHORT),
        ((checked(BAD), NEVER), FAILED),
        ((checked(skipped("c", "no git")),), SHORT),  # nothing at all was seen
        ((checked(GOOD, left_out(2)),), PASSED),
        ((checked(left_out(2)),), SHORT),
    ],
)
def test_the_exit_code(sections, code):
    assert page(*sections).exit_code == code


def test_what_is_said_of_a_section():
    assert checked(GOOD, GOOD, BAD).said == "2 of 3 as they should be"
    assert checked(GOOD, left_out(2)).said == (
        "1 of 1 as they should be; 2 more: no time was left for it"
    )
    assert checked(skipped("c", "git is missing; install it")).said == "git is missing; install it"
    assert checked(failure="ended").said == "ended"
    assert checked(GOOD, failure="ended").said == "ended; 1 of 1 as they should be"


def test_a_case_that_raises():
    found = of_error("a", ValueError("as meant"))
    assert (found.verdict, found.said) == ("fail", "ValueError: as meant")
    found = of_error("a", RuntimeError("CUDA out of memory. Tried to allocate 2.25 GiB."))
    assert (found.verdict, found.said[:13]) == ("skipped", "out of memory")


def test_a_section_without_findings_has_not_passed():
    assert checked().verdict == "skipped"
    assert checked().said == "nothing was found"


@given(ratio=st.floats(0, 10, allow_nan=False))
def test_a_ratio_within_limits(ratio):
    found = ratio_within("copy", ratio, 0.9, 1.1, "9 GB/s")
    assert (found.verdict == "pass") == (0.9 <= ratio <= 1.1)
    assert found.figures == {"ratio": ratio}
    assert found.said.startswith("9 GB/s: ratio ")


def test_the_files(tmp_path):
    whole = page(checked(GOOD, BAD), NEVER)
    whole.write(tmp_path / "new")
    text = (tmp_path / "new" / "selfcheck.md").read_text()
    assert text.startswith("# Self-check of EPYC\n")
    assert "| timing: is it? | fail | 2 | 1 of 2 as they should be |" in text
    assert "| b | fail | not \\| seen |" in text
    data = json.loads((tmp_path / "new" / "selfcheck.json").read_text())
    assert data["exit_code"] == FAILED
    assert data["sections"][0]["findings"][1] == vars(Finding("b", "fail", "not | seen", {}))
    assert data["outcome"] == (
        "1 failed, 1 skipped; failed: timing; more time would check more of roofs: raise --budget"
    )


def test_the_page_is_of_what_was_checked():
    assert page().named == "EPYC"
    assert page(device="cuda").named == "NVIDIA H100"
    assert page(machine={}).named == "cpu"


def test_an_interrupted_check_says_so():
    ended = replace(page(checked(GOOD)), asked=3)
    assert ended.outcome == "ended early, 1 of 3 sections: 1 passed"
    assert ended.exit_code == SHORT
    assert replace(page(), asked=3).outcome == "ended early, 0 of 3 sections"


def test_what_disturbed_the_machine_stands_on_the_page():
    whole = page(checked(BAD))
    busy = replace(whole, environment={**whole.environment, "warnings": ["noisy machine: load 5"]})
    assert "\nWarning: noisy machine: load 5.\n" in busy.markdown()
    assert "Warning" not in whole.markdown()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="choose another folder with --out"):
        page(checked(GOOD)).write(tmp_path / "file")


def test_every_section_has_its_file_and_a_place_to_run():
    import importlib

    for section in SECTIONS:
        assert callable(importlib.import_module(section.module).check)
        assert section.devices
    assert len({each.name for each in SECTIONS}) == len(SECTIONS)
