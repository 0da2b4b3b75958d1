"""Run directories as `harness run` leaves them, made without measuring."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.case import Case, Job, Outcome
from harness.records.record import Record
from harness.records.run_directory import DESCRIPTION, RECORDS

MACHINE = "492be8573315"
STATIC = {
    "params": 216,
    "buffer_bytes": 160,
    "conv_macs": 5760,
    "matmul_macs": 10368,
    "elementwise_ops": {"relu": 288, "softmax": 1296},
    "live_peak_bytes": 12672,
}


def timed(seconds: float, samples: int = 7, seed: int = 0) -> dict[str, Any]:
    """Values of a latency."""
    draw = random.Random(seed)
    drawn = sorted(seconds * (1 + draw.gauss(0, 0.01)) for _ in range(samples))
    return {
        "latency_seconds": drawn[samples // 2],
        "latency_low_seconds": drawn[0],
        "latency_high_seconds": drawn[-1],
        "latency_samples_seconds": drawn,
    }


def record(
    label: str = "A",
    values: Mapping[str, Any] | None = None,
    key_channels: int | None = None,
    **changes: Any,
) -> Record:
    channels = len(label) if key_channels is None else key_channels
    case = Case("self_attention", {"key_channels": channels}, ((1, 8, 6, 6),))
    job = Job("mini", label, case, ("params", "flops", "latency"), 60.0, threads=1)
    outcome = Outcome("ok", values=dict(STATIC | timed(0.01) if values is None else values))
    return replace(Record.of(job, outcome, MACHINE), **changes)


FAILED = record("broken", {"params": 3}, status="error", cause="RuntimeError: no")


def environment(commit: str | None = None, torch: str = "2.13.0", dirty: bool = False) -> Any:
    return {
        "machine": {"architecture": "x86_64", "system": "Linux", "cpu": "EPYC", "cores": 2},
        "machine_key": MACHINE,
        "python": "3.11.7",
        "libraries": {"context-harness": "0.1.0", "torch": torch},
        "threads": 2,
        "system_version": "6.18",
        "git": {"commit": commit, "dirty": dirty} if commit else None,
    }


def described_suite(name: str, records: Sequence[Record]) -> dict[str, Any]:
    """A suite of the cases of records; those of other suites are of suites that it includes."""

    def part(suite: str) -> dict[str, Any]:
        jobs = {
            each.identity: {
                "label": each.label, "key": each.case_key, "replicate": each.replicate
            }
            for each in records
            if each.suite == suite
        }  # fmt: skip
        return {"suite": suite, "convention": "flops", "jobs": [*jobs.values()], "included": []}

    others = dict.fromkeys(each.suite for each in records if each.suite != name)
    return {**part(name), "included": [part(each) for each in others]}


def write_run(
    root: Path,
    number: int,
    records: Sequence[Record],
    described: Mapping[str, Any] | None = None,
    suite: str = "mini",
) -> Path:
    """A run directory; runs of rising numbers begin an hour after each other."""
    day, hour = divmod(number, 24)
    month, day = divmod(day, 28)
    at = f"{2026 + month // 12:04}-{1 + month % 12:02}-{1 + day:02}T{hour:02}:00:00+00:00"
    name = at[:19].replace("-", "").replace(":", "") + f"Z-{number % 65536:04x}"
    path = root / suite / name
    path.mkdir(parents=True)
    description = {
        "schema": 1,
        "suite": described_suite(suite, records),
        "environment": described or environment(),
        "started_at": at,
        "command": "harness run mini.yaml",
    }
    (path / DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")
    lines = "".join(each.to_line() + "\n" for each in records)
    (path / RECORDS).write_text(lines, encoding="utf-8")
    return path


def commit(number: int) -> str:
    """The commit of the run of that number."""
    return hashlib.sha1(str(number).encode()).hexdigest()


def write_commits(
    root: Path,
    commits: int,
    cases: int,
    changes: Sequence[tuple[int, int, float]] = (),
    named: Callable[[int], str] = commit,
) -> Path:
    """A run of each commit, of cases with a latency, its interval, and parameters.

    PyTorch changes its version after two thirds of the commits.

    Args:
        changes: number of a case, of the commit from which on, and the factor of its latency.
        named: hash of the commit of that number.
    """
    draw = random.Random(0)
    labels = [f"case {number:03}" for number in range(cases)]
    templates = [record(label, key_channels=number) for number, label in enumerate(labels)]
    plain = [json.loads(each.to_line()) for each in templates]
    for number in range(commits):
        torch = "2.13.0" if 3 * number < 2 * commits else "2.14.0"
        path = write_run(root, number, (), environment(named(number), torch))
        described = json.loads((path / DESCRIPTION).read_text())
        described["suite"] = described_suite("mini", templates)
        (path / DESCRIPTION).write_text(json.dumps(described))
        with (path / RECORDS).open("w", encoding="utf-8") as file:
            for case, each in enumerate(plain):
                seconds = 0.01 * (1 + case / 10) * draw.gauss(1, 0.008)
                for which, at, factor in changes:
                    seconds *= factor if which == case and number >= at else 1.0
                low, high = (seconds * (1 + sign * draw.uniform(0.002, 0.01)) for sign in (-1, 1))
                values = {
                    "params": 216 + case,
                    "latency_seconds": seconds,
                    "latency_low_seconds": low,
                    "latency_high_seconds": high,
                }
                file.write(json.dumps(each | {"values": values}) + "\n")
    return root
