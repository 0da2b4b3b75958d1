"""A calibration: the ceilings of one machine, kept as a file named by the machine's key."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from harness.case import as_plain, from_plain
from harness.environment.files import FileNameError, checked_name, write_atomically
from harness.environment.machine import describe_environment
from harness.environment.searching import safe_environment
from harness.measure.convention import Roof
from harness.measure.roofline.ceilings import Ceilings
from harness.messages import HarnessError, last_line

DEFAULT_FOLDER = Path("results/calibration")
SCHEMA = 1


class CalibrationError(HarnessError):
    """A calibration cannot be made, read or written."""


@dataclass(frozen=True)
class Entry:
    """The ceilings of one device with one number of threads."""

    device: str  # `cpu` or `cuda`
    threads: int | None  # of the CPU; `None` on CUDA, where they do not matter
    ceilings: Ceilings  # as measured
    measured_at: str  # UTC, ISO 8601
    # of the measurement, as `harness.environment.machine` describes it
    environment: Mapping[str, Any]

    def roof(self, dtype: str, float32: str = "tf32") -> Roof | None:
        """The roof over cases of a data type; `None` where its peak is unknown.

        Args:
            dtype: of the case.
            float32: how CUDA multiplied it, as rows have it: a ceiling must hold for whatever runs
                below it, and unless told otherwise convolutions use TensorFloat-32.
        """
        peaks = self.ceilings.peaks
        fast = (self.device, dtype) == ("cuda", "float32") and "tf32" in float32
        known = [peaks[name] for name in (dtype, *(["tf32"] if fast else [])) if name in peaks]
        rates = [peak.rate.median for peak in known if peak.rate is not None]
        return Roof(max(rates), self.ceilings.bandwidth.median) if rates else None


@dataclass(frozen=True)
class Calibration:
    """What has been measured on one machine."""

    machine_key: str  # of the machine
    entries: tuple[Entry, ...] = ()  # one per device and number of threads

    def entry(self, device: str, threads: int | None) -> Entry | None:
        """The entry of a device; on the CPU, of exactly that number of threads."""
        wanted = None if device == "cuda" else threads
        return next((e for e in self.entries if (e.device, e.threads) == (device, wanted)), None)

    def with_entry(self, entry: Entry) -> "Calibration":
        """With an entry in place of an earlier one of the same device and threads."""
        place = (entry.device, entry.threads)
        kept = tuple(e for e in self.entries if (e.device, e.threads) != place)
        return Calibration(self.machine_key, (*kept, entry))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"schema": SCHEMA, **as_plain(self)}


def load(machine_key: str, folders: Sequence[Path] = (DEFAULT_FOLDER,)) -> Calibration | None:
    """The calibration of a machine from the first folder that has one.

    Raises:
        CalibrationError: the file is damaged.
    """
    for folder in folders:
        path = folder / f"{machine_key}.json"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise CalibrationError(f"{path}: cannot be read: {error}; remove it") from error
        try:
            return from_plain(Calibration, json.loads(text))
        except ValueError as error:
            raise CalibrationError(
                f"{path}: not a calibration ({error!r:.100}); remove it and run `harness calibrate`"
            ) from error
    return None


def known_roofs(
    folders: Sequence[Path], threads: int | None
) -> Callable[[Mapping[str, Any]], Roof | None]:
    """What says the roof over a row: of its machine, device, threads and data type, where known.

    Args:
        folders: in which calibrations are looked up, the first that has one.
        threads: of the rows that leave the number to PyTorch.
    """
    calibrations = cache(partial(load, folders=folders))

    def roof_of(row: Mapping[str, Any]) -> Roof | None:
        found = None
        with suppress(FileNameError):  # a machine that no calibration can be of
            found = calibrations(checked_name(str(row.get("machine_key") or "")))
        if found is None:
            return None
        entry = found.entry(str(row.get("device")), row.get("threads") or threads)
        if entry is None:
            return None
        return entry.roof(str(row.get("dtype")), str(row.get("float32") or "tf32"))

    return roof_of


def save(calibration: Calibration, folder: Path = DEFAULT_FOLDER) -> Path:
    """Write `<folder>/<machine key>.json` at once: a reader sees the old file or the new one.

    Raises:
        CalibrationError: the folder cannot be written.
    """
    path = folder / f"{calibration.machine_key}.json"
    text = json.dumps(calibration.to_json(), indent=1) + "\n"
    try:
        write_atomically(path, text)
    except OSError as error:
        raise CalibrationError(
            f"{path}: cannot be written: {error.strerror}; choose another folder with --out"
        ) from error
    return path


# Calibrating: the ceilings of a device measured in a fresh process.
#
# `python -m harness.measure.roofline.calibration cpu 2` is that process: it answers with one line
# of JSON.

LIMIT = 300.0  # seconds; a calibration takes under 30
_MARK = "ceilings: "


def calibrate(
    device: str,
    threads: int,
    measure: Callable[[str, int], Ceilings] | None = None,
    environment: Any = None,
) -> Entry:
    """Measure the ceilings of a device now.

    Args:
        device: `cpu` or `cuda`.
        threads: of the CPU.
        measure: how; in a fresh process if absent.
        environment: of the machine; described if absent, before anything is measured.

    Raises:
        CalibrationError: the measurement failed.
    """
    described = describe_environment() if environment is None else environment
    ceilings = (measure or in_fresh_process)(device, threads)
    return Entry(
        device=device,
        threads=threads if device == "cpu" else None,
        ceilings=ceilings,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=described,
    )


def in_fresh_process(device: str, threads: int) -> Ceilings:
    """Measure in a process of its own: no caches, threads or allocator state of this one.

    Raises:
        CalibrationError: the process failed, with the last line that it said.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.measure.roofline.calibration", device, str(threads)],
            env=os.environ | safe_environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CalibrationError(
            f"no answer of the calibration within {LIMIT:g} s; end other work and try again"
        ) from error
    # Libraries may print what they like, so the answer is marked.
    answers = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode != 0 or not answers:
        raise CalibrationError(
            f"the calibration of {device} ended with exit code {done.returncode}: "
            f"{last_line(done.stderr)}; see `harness env` for what this machine has"
        )
    return from_plain(Ceilings, json.loads(answers[-1].removeprefix(_MARK)))


def measure_here(device: str, threads: int) -> Ceilings:
    """Measure in this process; meant for a fresh one."""
    import torch

    from harness.measure.roofline.bench import CpuBench, CudaBench
    from harness.measure.roofline.ceilings import measure_ceilings

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with torch.inference_mode():
        return measure_ceilings(CudaBench() if device == "cuda" else CpuBench())


if __name__ == "__main__":
    found = measure_here(sys.argv[1], int(sys.argv[2]))
    sys.stdout.write(_MARK + json.dumps(as_plain(found)) + "\n")
