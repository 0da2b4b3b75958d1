"""The report of a run whose trained networks are at hand shows what they hold."""

import base64
import shutil
from dataclasses import replace

import pytest
from parsed_html import Parsed, text

import harness

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def run(trained_run):
    return harness.load(trained_run)


def test_predictions_and_one_picture_of_each_kind_stand_below_the_plots(run, tmp_path):
    file = harness.report(run, tmp_path / "a.html")
    page = Parsed(file.read_text(encoding="utf-8"))
    shown = page.all("img")
    assert [each.get("alt").partition(".")[0] for each in shown] == [
        "Images, labels, predictions and errors",
        "The context prior beside the ideal affinity map",
        "Regions and representative pixels on the image",
        "What each graph node is active on",
        "How strongly pixels relate to all others",
    ]
    for each in shown:
        kind, _, content = each.get("src").partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(content).startswith(PNG)
    assert file.stat().st_size < 1_500_000
    assert "Prior, Prior (BCE), on images" in text(page.one("main"))
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    assert "img-src data:;" in policy.get("content")


def test_without_the_trainings_the_report_is_as_ever(run, tmp_path):
    shutil.copytree(run.directory.path, tmp_path / "runs" / "inner" / "copy")
    copy = harness.load(tmp_path / "runs" / "inner" / "copy")
    page = Parsed(harness.report(copy).read_text(encoding="utf-8"))
    assert not page.all("img")
    assert "What was trained" not in text(page.one("main"))


def test_no_file_of_a_user_is_imported_for_a_report(run, tmp_path):
    """A run may come from elsewhere, and name any file there is."""
    witness = tmp_path / "imported"
    (tmp_path / "theirs.py").write_text(f"open({str(witness)!r}, 'w')\n")
    jobs = tuple(
        replace(job, case=replace(job.case, module="theirs:Block")) for job in run.suite.jobs
    )
    suite = replace(run.suite, jobs=jobs, path=tmp_path / "inner.yaml")
    page = Parsed(
        harness.report(
            harness.Run(suite, run.directory, run.records), tmp_path / "r.html"
        ).read_text(encoding="utf-8")
    )
    assert not page.all("img")
    assert not witness.exists()
