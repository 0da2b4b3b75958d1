"""Calibrations: kept whole per machine, found by device, threads and data type."""

import json

import pytest

from harness.measure.roofline.calibration import (
    Calibration,
    CalibrationError,
    Entry,
    calibrate,
    in_fresh_process,
    load,
    save,
)
from harness.measure.roofline.ceilings import Ceilings, Peak, Rate


def rate(value):
    return Rate(value, value * 0.9, value * 1.1, 0.96, 8)


def entry(device="cpu", threads=2, **peaks):
    peaks = peaks or {"float32": 100e9}
    measured = {name: Peak(rate(value), 512) for name, value in peaks.items()}
    measured["float16"] = Peak(None, cause="not implemented for 'Half'")
    ceilings = Ceilings(measured, rate(10e9), 1 << 28)
    return Entry(device, threads, ceilings, "2026-11-21T08:00:00+00:00", {"machine_key": "abc"})


def test_a_calibration_comes_back_as_it_was_kept(tmp_path):
    kept = Calibration("abc", (entry(), entry("cuda", None, float32=6e13, tf32=4e14)))
    path = save(kept, tmp_path / "new" / "folder")
    assert path.name == "abc.json"
    assert load("abc", (tmp_path / "nowhere", path.parent)) == kept
    assert load("other", (path.parent,)) is None
    assert [each.name for each in path.parent.iterdir()] == ["abc.json"]


def test_the_entry_of_the_cpu_has_exactly_the_threads():
    calibration = Calibration("abc", (entry(threads=2), entry("cuda", None)))
    assert calibration.entry("cpu", 2) is calibration.entries[0]
    assert calibration.entry("cpu", 1) is None
    assert calibration.entry("cuda", 1) is calibration.entries[1]


def test_a_new_entry_takes_the_place_of_the_old_one():
    calibration = Calibration("abc", (entry(threads=1), entry(threads=2)))
    changed = calibration.with_entry(entry(threads=2, float32=1.0))
    assert [each.threads for each in changed.entries] == [1, 2]
    assert changed.entry("cpu", 2).roof("float32").flops_per_second == 1.0


def test_roofs_by_data_type():
    on_cpu = entry(float32=100e9, bfloat16=400e9)
    assert on_cpu.roof("bfloat16").flops_per_second == 400e9
    assert on_cpu.roof("float32").bytes_per_second == 10e9
    assert on_cpu.roof("float16") is None
    assert on_cpu.roof("float64") is None
    # Convolutions of float32 use TensorFloat-32 on CUDA, so that is their ceiling.
    on_gpu = entry("cuda", None, float32=6e13, tf32=4e14)
    assert on_gpu.roof("float32").flops_per_second == 4e14
    assert on_gpu.roof("float32", "ieee but tf32 in conv and rnn").flops_per_second == 4e14
    assert on_gpu.roof("float32", "ieee").flops_per_second == 6e13


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"machine_key": "abc", "entries": [{}]}', "\xff"]
)
def test_a_damaged_file_is_one_sentence(tmp_path, text):
    (tmp_path / "abc.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CalibrationError, match=r"abc\.json.*remove it"):
        load("abc", (tmp_path,))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="choose another folder"):
        save(Calibration("abc"), tmp_path / "file")


def test_calibrating_notes_where_and_when():
    ceilings = entry().ceilings
    asked = []

    def measure(device, threads):
        asked.append((device, threads))
        return ceilings

    made = calibrate("cpu", 3, measure, {"machine_key": "abc"})
    assert (made.device, made.threads, made.ceilings) == ("cpu", 3, ceilings)
    assert made.measured_at.endswith("+00:00")
    assert calibrate("cuda", 3, measure, {}).threads is None
    assert asked == [("cpu", 3), ("cuda", 3)]
    assert json.loads(json.dumps(Calibration("abc", (made,)).to_json()))["entries"]


def test_a_process_that_fails_says_its_last_line(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(CalibrationError, match="exit code 1: nothing was said"):
        in_fresh_process("cpu", 1)
