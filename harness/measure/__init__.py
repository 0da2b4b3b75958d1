"""Metrics: each measures one thing of a case; `METRICS` lists them by the name that suites use."""

import importlib
from collections.abc import Callable
from typing import cast

from harness.case import Job

Metric = Callable[[Job], dict[str, object]]

METRICS: dict[str, str] = {
    "params": "harness.measure.operations:measure_params",
    "flops": "harness.measure.operations:measure_operations",
    "memory": "harness.measure.memory:measure_memory",
    "witness": "harness.measure.witness:measure_witness",
    "resident": "harness.measure.memory:measure_resident",
    "allocator": "harness.measure.memory:measure_allocator",
    "memory_model": "harness.measure.memory_model:measure_memory_model",
    "latency": "harness.measure.latency:measure_latency",
    "energy": "harness.measure.energy:measure_energy",
    "accuracy": "harness.training.accuracy:measure_accuracy",
}

# Need neither the case's memory nor its time, and give the same answer on every machine.
STATIC = ("params", "flops", "memory", "witness")


def metric(name: str) -> Metric:
    """Import the function behind a metric's name."""
    module, _, function = METRICS[name].partition(":")
    return cast(Metric, getattr(importlib.import_module(module), function))
