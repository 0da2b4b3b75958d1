"""Sections of the self-check in processes of their own: one that fails costs the others nothing."""

import os
import time

import pytest

from harness.engines.devices import DeviceLock
from harness.selfcheck.check import GRACE, in_fresh_process, self_check
from harness.selfcheck.finding import Finding
from harness.selfcheck.section import Section

SECTIONS = {
    "sound": """
yield Finding("first", "pass", "seen", {"ratio": 1.0, "none": float("inf")})
yield Finding("second", "skipped", "not here")
""",
    "crashing": """
yield Finding("before", "pass", "seen")
os.kill(os.getpid(), signal.SIGSEGV)
""",
    "raising": 'yield Finding("before", "pass", "seen")\nraise ValueError("as meant")',
    "mistaken": 'raise HarnessError("no such thing; write another")\nyield',
    "failing": 'yield Finding("only", "fail", "1 where 2 should be")',
    "endless": 'yield Finding("before", "pass", "seen")\ntime.sleep(600)',
    "telling": 'yield Finding(setting.device, "pass", str(setting.left()))',
    "seeing": 'yield Finding(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), "pass", "")',
    "leaving": 'subprocess.Popen([sys.executable, "-c", LIVE])\nyield Finding("left", "pass", "")',
}


@pytest.fixture
def section(tmp_path, monkeypatch):
    """A section whose process runs some lines of code."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name, **options):
        body = "".join(f"    {line}\n" for line in SECTIONS[name].strip().splitlines())
        live = f"import time; time.sleep(2); open({str(tmp_path / 'alive')!r}, 'w')"
        (tmp_path / f"{name}_section.py").write_text(
            "import os, signal, subprocess, sys, time\n"
            "from harness.messages import HarnessError\n"
            "from harness.selfcheck.finding import Finding\n"
            f"LIVE = {live!r}\n\n\ndef check(setting):\n{body}"
        )
        return Section(name, "?", 1.0, 0.0, file=f"{name}_section", **options)

    return make


def test_each_has_its_verdict_and_all_are_checked(section, tmp_path):
    order = ("crashing", "raising", "mistaken", "failing", "sound")
    told = []
    found = self_check("cpu", 60.0, [section(name) for name in order], told.append)
    assert told == list(found)
    by_name = {each.name: each for each in found}
    assert {name: each.verdict for name, each in by_name.items()} == {
        "crashing": "fail",
        "raising": "fail",
        "mistaken": "fail",
        "failing": "fail",
        "sound": "pass",
    }
    # What was found before a crash is kept.
    assert [each.name for each in by_name["crashing"].findings] == ["before"]
    assert by_name["crashing"].failure.startswith("ended by SIGSEGV")
    assert by_name["raising"].failure == "ValueError: as meant"
    assert by_name["mistaken"].failure == "no such thing; write another"
    assert by_name["failing"].said == "0 of 1 as they should be"
    first = Finding("first", "pass", "seen", {"ratio": 1.0, "none": None})
    assert by_name["sound"].findings[0] == first
    assert by_name["sound"].said == "1 of 1 as they should be"


def test_a_section_that_hangs_is_ended(section, monkeypatch):
    monkeypatch.setattr("harness.selfcheck.check.GRACE", 0.5)
    # An import of PyTorch lies before the first finding.
    found = in_fresh_process(section("endless"), "cpu", 4.0)
    assert found.verdict == "fail"
    assert "not ended" in found.failure
    assert found.seconds < 4.0 + GRACE


def test_a_device_that_somebody_has_is_named(section, monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    monkeypatch.setattr("harness.selfcheck.check.GRACE", 0.5)
    with DeviceLock("cpu", "a long run") as lock:
        assert lock.take()
        found = in_fresh_process(section("sound", alone=True), "cpu", 4.0)
    assert found.verdict == "fail"
    assert found.failure.endswith(f"waiting: cpu is held by process {os.getpid()}: a long run")


def test_nothing_that_it_started_outlives_it(section, tmp_path):
    found = in_fresh_process(section("leaving"), "cpu", 30.0)
    assert found.verdict == "pass"
    assert not (tmp_path / "alive").exists()
    time.sleep(2.5)
    assert not (tmp_path / "alive").exists()


@pytest.mark.parametrize(
    ("device", "before", "seen"),
    [("cuda", None, "0"), ("cuda", "GPU-7, GPU-8", "GPU-7"), ("cpu", None, "all")],
)
def test_of_several_gpus_the_first_is_checked(section, monkeypatch, device, before, seen):
    """Two runs on two GPUs would not wait for each other."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    (found,) = in_fresh_process(section("seeing"), device, 30.0).findings
    assert found.name == seen


def test_sections_of_another_device_and_those_without_time_are_skipped(section):
    on_gpu = section("sound", devices=("cuda",))
    long = Section("long", "?", 1.0, 1e6)
    found = self_check("cpu", 60.0, [on_gpu, long, section("telling")])
    assert [(each.verdict, each.short) for each in found] == [
        ("skipped", False),
        ("skipped", True),
        ("pass", False),
    ]
    assert found[0].said == "needs a GPU"
    assert "raise --budget" in found[1].said
    (told,) = found[2].findings
    assert told.name == "cpu"
    assert 40 < float(told.said) <= 60  # all that was left: the other sections took none
