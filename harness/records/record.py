"""A record: what came back from one case, as one line of `records.jsonl`."""

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from harness.case import (
    DEFAULT_TIMING,
    Case,
    Identity,
    Job,
    Outcome,
    Place,
    Timing,
    UsedGpu,
    as_plain,
    from_json,
    from_plain,
)
from harness.measure import STORED, VALUES
from harness.measure.convention import ConventionSpec, as_convention, operations
from harness.measure.metric import Value
from harness.measure.own import MetricError, declared
from harness.records.origin import Origin
from harness.records.quantities.registry import is_taken

RECORD_SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One finished case of a run."""

    suite: str  # name of the suite that lists the case
    label: str  # its name there
    case_key: str  # hash of what was measured
    machine_key: str  # hash of the machine it was measured on
    case: Mapping[str, Any]  # module, arguments, inputs, device, dtype and pass, as plain data
    metrics: tuple[str, ...]  # what was asked for
    factors: Mapping[str, Any]  # values of grid axes
    status: str  # see `harness.case.Outcome`
    cause: str | None  # one line for everything but `ok`
    # stored names and values; `declared`: what those of users' metrics are
    values: Mapping[str, Any]
    warnings: tuple[str, ...]  # sentences for the reader
    seconds: Mapping[str, float]  # wall time of each metric
    tail: tuple[str, ...]  # last lines of a failed worker
    elapsed_seconds: float  # from start to end of the case's process
    finished_at: str  # UTC, ISO 8601
    threads: int | None = None  # CPU threads asked for
    seed: int = 0  # of parameters and inputs
    # how the latency was to be sampled
    timing: Mapping[str, Any] = field(default_factory=lambda: as_plain(DEFAULT_TIMING))
    replicate: int = 1  # number, from 1, of its process among those of the same case
    # by which rules of a user operators were to be counted
    counting: Mapping[str, str] = field(default_factory=dict)
    # how it was to be trained and judged; `None` where it was not
    accuracy: Mapping[str, Any] | None = None
    # name of the machine it ran on; `None` in records of before there were engines for several
    node: str | None = None
    # code, versions and settings that it is of; `None` in records of before they were kept
    origin: Origin | None = None
    # which GPU it was measured on, how it was set, and its state before and after; `None` where
    # nothing ran on one, and in records of before that was kept
    gpu: UsedGpu | None = None
    schema: int = field(default=RECORD_SCHEMA)

    @classmethod
    def of(
        cls, job: Job, outcome: Outcome, machine_key: str, origin: Origin | None = None
    ) -> "Record":
        """The record of a job that has ended just now.

        Args:
            machine_key: of this machine, for an outcome that has no place of its own.
            origin: of what was measured.
        """
        place = outcome.place or Place(platform.node(), machine_key)
        return cls(
            suite=job.suite,
            label=job.label,
            case_key=job.case.key,
            machine_key=place.machine_key,
            case=as_plain(job.case),
            metrics=job.metrics,
            factors=dict(job.factors),
            status=outcome.status,
            cause=outcome.cause,
            values=outcome.values | ({"declared": dict(job.declared)} if job.declared else {}),
            warnings=(*outcome.warnings, *_unfollowed(job, outcome)),
            seconds=outcome.seconds,
            tail=outcome.tail,
            elapsed_seconds=outcome.elapsed,
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            threads=job.threads,
            seed=job.seed,
            timing=as_plain(job.timing),
            replicate=job.replicate,
            counting=dict(job.counting),
            accuracy=job.accuracy,
            node=place.node,
            origin=origin,
            gpu=outcome.gpu,
        )

    def to_line(self) -> str:
        """One line of JSON, without the line feed."""
        origin = as_plain(self.origin, defaults=False)
        data = {**vars(self), "origin": origin, "gpu": as_plain(self.gpu)}
        return json.dumps(finite(data), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_line(cls, line: str | bytes) -> "Record":
        """Read a line back; names of a newer schema are ignored.

        Raises:
            ValueError: not JSON, or a name is missing or has a value of a wrong type.
        """
        data = from_json(line)
        if not isinstance(data, dict):
            raise ValueError("no JSON object")
        record = from_plain(cls, data)
        if not record.case.keys() >= _CASE_NAMES:
            raise ValueError("case is wrong")
        for name, kind in (("case", Case), ("timing", Timing)):
            try:
                from_plain(kind, data.get(name, {}))
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        return record._sound()

    def _sound(self) -> "Record":
        """Without values of another kind than their metric stores, and of what is no metric's."""
        own = _declared_by(self.values)
        known = VALUES if own is None else {**VALUES, **own}

        def is_odd(name: str, value: Any) -> bool:
            if name == "declared":
                return own is None
            return not known[name].fits(value) if name in known else is_taken(name)

        odd = [name for name, value in self.values.items() if is_odd(name, value)]
        if not odd:
            return self
        said = f"left out, since they are of a wrong kind: {', '.join(odd)}"
        values = {name: value for name, value in self.values.items() if name not in odd}
        return replace(self, values=values, warnings=(*self.warnings, said))

    @property
    def identity(self) -> Identity:
        """Of the job that it is of."""
        return (self.suite, self.label, self.case_key, self.replicate)

    def joined(self, more: "Record") -> "Record":
        """With what a further process has given of some of its metrics; its failure is one of both.

        What was asked for, where, and under which settings stays as it was.
        """
        failed = more.status != "ok"
        said = (*self.warnings, *more.warnings)
        seconds = {n: self.seconds.get(n, 0.0) + more.seconds.get(n, 0.0) for n in more.seconds}
        return replace(
            self,
            status=more.status,
            cause=more.cause,
            tail=more.tail,
            values=self.values if failed else {**self.values, **more.values},
            warnings=tuple(dict.fromkeys(said)),
            seconds={**self.seconds, **seconds},
            elapsed_seconds=self.elapsed_seconds + more.elapsed_seconds,
            finished_at=more.finished_at,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """What its row says of its origin, beside the label; `None` where that was not kept."""
        origin = self.origin or Origin()
        return {
            "label": self.label,
            "commit": origin.commit,
            "dirty": origin.dirty,
            "versions": dict(origin.versions) or None,
        }

    @property
    def _on_gpu(self) -> dict[str, str]:
        """What its row says of the GPU: which one, and how it multiplies float32."""
        if self.gpu is None:
            return {}
        said = {"gpu": " ".join(filter(None, (self.gpu.name, self.gpu.uuid)))}
        if self.case["dtype"] == "float32" and self.gpu.float32:
            fast = [part for part, precision in self.gpu.float32.items() if precision == "tf32"]
            mixed = f"ieee but tf32 in {' and '.join(fast)}" if fast else "ieee"
            said["float32"] = "tf32" if len(fast) == len(self.gpu.float32) else mixed
        return said

    def row(self, convention: ConventionSpec | str = "flops") -> dict[str, Any]:
        """The flat row of tables, plots and `--json`, with `operations` under a convention."""
        case, counted = self.case, as_convention(convention)
        row: dict[str, Any] = {
            "suite": self.suite,
            "label": self.label,
            "status": self.status,
            "cause": self.cause,
            "module": case["module"],
            "arguments": dict(case["arguments"]),
            "input": [list(shape) for shape in case["inputs"]],
            "device": case["device"],
            "dtype": case["dtype"],
            "pass": case["pass_"],
            "channels_last": case.get("channels_last", False),
            "compile": case.get("compile", False),
            **{name: case[name] for name in ("autocast", "call", "prepare") if case.get(name)},
            **self._on_gpu,
            **({"turns": True} if self.timing.get("turns") else {}),
            "replicate": self.replicate,
            "threads": self.threads,
            "case_key": self.case_key,
            "machine_key": self.machine_key,
            "node": self.node,
            **self.provenance,
            "factors": dict(self.factors),
            **{name: self.values.get(name) for name in STORED},
            **{name: value for name, value in self.values.items() if name not in STORED},
            "convention": counted.name,
            "warnings": list(self.warnings),
            "elapsed_seconds": self.elapsed_seconds,
        }
        row["operations"] = operations(row, counted)
        return row


def _unfollowed(job: Job, outcome: Outcome) -> list[str]:
    """What no hash follows, for the reader; who names files under `depends_on` knows it."""
    if job.depends_on:
        return []
    return [
        f"while it is built it {each}: what that gives is not followed; name the files that decide "
        "it under depends_on"
        for each in (outcome.used.unfollowed if outcome.used else ())
    ]


def _declared_by(values: Mapping[str, Any]) -> dict[str, Value] | None:
    """What users' metrics declare; `None` where that cannot be."""
    try:
        found = declared([values])
    except (MetricError, TypeError, ValueError):
        return None
    return None if any(map(is_taken, found)) else found


_CASE_NAMES = {"module", "arguments", "inputs", "device", "dtype", "pass_"}


def finite(value: Any) -> Any:
    """Plain data with `None` for NaN and infinity, which JSON has no words for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value
