"""Predicted memory of a case: known from earlier records, else from a pass on fake tensors."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

from harness.case import Case, Job
from harness.engines.engine import Engine, Finished
from harness.records.record import Record

Basis = Literal["earlier run", "fake tensors"]

METRICS = ("params", "memory")
"""The static metrics that the need is made of."""

_STATE = ("param_bytes", "buffer_bytes", "input_bytes")
_PEAKS = {"inference": "live_peak_bytes", "training": "live_peak_training_bytes"}
_LONGEST = 60.0
"""Seconds that the prediction of one case may take; one that hangs must not take all."""


@dataclass(frozen=True)
class Prediction:
    """Memory that a case needs at least.

    Attributes:
        bytes: parameters, buffers, inputs and the live peak of its pass; operators' temporaries and
            PyTorch itself come on top.
        basis: where it is from.
    """

    bytes: int
    basis: Basis


@dataclass(frozen=True)
class _Known:
    """Figures of one module on one input, whichever the pass and device."""

    values: Mapping[str, Any]
    basis: Basis

    def need(self, pass_: str) -> Prediction | None:
        parts = [self.values.get(name) for name in (*_STATE, _PEAKS[pass_])]
        if any(part is None for part in parts):
            return None
        return Prediction(sum(int(part) for part in parts if part is not None), self.basis)


class Needs:
    """Predicted memory by case; the same on every machine and device.

    Args:
        records: earlier ones, newest first.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._known: dict[str, _Known] = {}
        for record in records:
            if all(record.values.get(name) is not None for name in _STATE):
                self._known.setdefault(
                    _of_record(record.case), _Known(record.values, "earlier run")
                )

    def of(self, case: Case) -> Prediction | None:
        """The need of a case; `None` where it is not known (yet)."""
        found = self._known.get(_identity(case))
        return found.need(case.pass_) if found is not None else None

    def unknown(self, jobs: Iterable[Job]) -> list[Job]:
        """One static job for each distinct module and input that is not known, largest first."""
        asked: dict[str, Job] = {}
        for job in jobs:
            identity = _identity(job.case)
            if identity not in asked and self.of(job.case) is None:
                asked[identity] = _static(job)
        return sorted(asked.values(), key=lambda job: -_elements(job.case))

    def learn(
        self,
        jobs: Sequence[Job],
        engine: Engine,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> int:
        """Predict on fake tensors, in processes of an engine, until time is up.

        Args:
            jobs: as `unknown` gives them.
            engine: where the passes on fake tensors run.
            seconds: for all together.
            clock: in seconds.

        Returns:
            How many jobs were finished, whether or not there was a figure.
        """
        end, done = clock() + seconds, 0
        if not jobs or seconds <= 0:
            return done
        for job in jobs:
            engine.submit(replace(job, timeout=max(1.0, min(_LONGEST, seconds))))
        try:
            for event in engine.events():
                if isinstance(event, Finished):
                    done += 1
                    known = _Known(event.outcome.values, "fake tensors")
                    self._known[_identity(event.job.case)] = known
                if clock() >= end:
                    break
        finally:
            engine.cancel()
        return done


def _static(job: Job) -> Job:
    """The job reduced to what the prediction needs; it runs without the case's device."""
    case = replace(job.case, device="cpu", compile=False)
    return replace(job, case=case, metrics=METRICS, threads=None, replicate=1, accuracy=None)


def _identity(case: Case) -> str:
    inputs = [list(shape) for shape in case.inputs]
    return _text(case.module, case.arguments, inputs, case.dtype, case.channels_last)


def _of_record(case: Mapping[str, Any]) -> str:
    return _text(
        case["module"],
        case["arguments"],
        case["inputs"],
        case["dtype"],
        case.get("channels_last", False),
    )


def _text(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True)


def _elements(case: Case) -> int:
    return sum(prod(shape) for shape in case.inputs)
