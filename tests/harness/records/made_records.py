"""Records as runs make them."""

from dataclasses import replace
from typing import Any

from harness.case import Case, Job, Outcome
from harness.records.record import Record

CASE = Case("self_attention", {"key_channels": 4}, ((1, 8, 6, 6),))
JOB = Job("mini", "A", CASE, ("params", "flops"), 60.0, factors={"key_channels": 4})
VALUES = {"params": 216, "conv_macs": 100, "matmul_macs": 20, "flops": 240, "elementwise_ops": {}}


def made_record(label: str = "A", machine: str = "m1", **changes: Any) -> Record:
    outcome = Outcome("ok", values=VALUES, seconds={"params": 0.1}, elapsed=0.25)
    return replace(Record.of(replace(JOB, label=label), outcome, machine), **changes)
