"""The metrics: one row each, read by suites, records, tables, comparisons, exports and reports."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from harness.case import Job
from harness.judge.statistics.decision import LEAST_REPLICATES
from harness.measure.metric import Metric, Value
from harness.measure.own import Declared, MetricError, as_declared, measure_own
from harness.messages import quote

_MIOU = ("miou_low", "miou_high")
_LATENCY = ("latency_low_seconds", "latency_high_seconds")
# From six samples on an interval of their median reaches 95 %.
_TIMES = (("latency_processes_seconds", LEAST_REPLICATES), ("latency_samples_seconds", 6))
_LIVE = "largest sum of live storages during the forward"

TRAFFIC = (
    "bytes that every operator reads and writes, views and allocations left out; a cache may spare "
    "the memory some of them"
)


@dataclass(frozen=True)
class Witnessed:
    """What `measure_witness` stores: both counts of convolutions and matrix products."""

    input: tuple[tuple[int, ...], ...] = ()
    conv: dict[str, Any] = field(default_factory=dict)
    matmul: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SeedsStopped:
    """Why a row got no more seeds, where they came by rounds; see `harness.training.rounds`."""

    why: str  # `separated`, `narrow` or `limit`
    points: float  # of mIoU, known to which a difference is narrow
    rows: int  # of the grid
    seeds: int  # at its last look
    apart: tuple[str, ...] = ()  # labels of the rows from which it was told apart


# fmt: off
_ROWS = (
    Metric(
        "params", "harness.measure.operations:measure_params",
        (
            Value("params", "Parameters", "count", "M", better="lower", compared="exactly"),
            Value("frozen_params", "Frozen parameters", "count", "M", compared="exactly",
                  note="parameters that take no gradient; they are part of the parameters"),
            Value("param_bytes", "Parameter memory", "bytes", "MiB", 1),
            Value("buffer_bytes", "Buffer memory", "bytes", "MiB", 1, compared="exactly"),
        ),
        columns=("params",), static=True,
    ),
    Metric(
        "flops", "harness.measure.operations:measure_operations",
        (
            Value("conv_macs", "Convolution MACs", "operations", "G", compared="exactly"),
            Value("transposed_conv_macs", "Transposed convolution MACs", "operations", "G",
                  compared="exactly"),
            Value("matmul_macs", "Matmul MACs", "operations", "G", compared="exactly"),
            Value("module_output_bytes", "Outputs of modules", "bytes", "MiB", 2,
                  "outputs of modules without children added up, of one without parameters that of "
                  "its last call", better="lower"),
            Value("functional_output_bytes", "Outputs of functions", "bytes", "MB", 2,
                  "outputs of operators outside of such modules added up", better="lower"),
            Value("algorithmic_macs", "Algorithmic MACs", "operations", "G",
                  note="the closed form that the module declares: every edge computed once"),
            Value("elementwise_ops", kind=dict[str, float]),
            Value("elementwise_ops_once", kind=dict[str, float]),
            Value("elementwise_ops_layers", kind=dict[str, float], always=False),
            Value("uncounted_ops", kind=dict[str, float]),
            Value("coverage", "Counter coverage", "ratio", "%", 1,
                  "share of the work whose operators have a counting rule"),
            Value("flops", kind=float),
            Value("bytes_moved", "Bytes moved", "bytes", "MiB", 1, TRAFFIC, compared="exactly"),
            Value("affinity_elements", "Affinity elements", "count", decimals=0,
                  note="elements of the relations between positions, channels or nodes that the "
                       "module declares for one forward at batch 1; logits and their softmax count "
                       "once", better="lower", always=False),
        ),
        columns=("operations",), static=True,
    ),
    Metric(
        "memory", "harness.measure.memory:measure_memory",
        (
            Value("live_peak_bytes", "Live peak", "bytes", "MiB", 1,
                  f"{_LIVE}, inference; input and parameters left out", compared="exactly"),
            Value("live_peak_training_bytes", "Live peak, training", "bytes", "MiB", 1,
                  "largest sum of live storages during forward and backward; input and parameters "
                  "left out", compared="exactly"),
            Value("input_bytes", kind=float),
        ),
        columns=("live_peak_bytes", "live_peak_training_bytes"), static=True,
    ),
    Metric(
        "memory_kept", "harness.measure.kept:measure_kept",
        (
            Value("kept_peak_bytes", "Live peak, names kept", "bytes", "MiB", 1,
                  f"{_LIVE}, inference, if what a module's forward makes and gets from other "
                  "modules were released only when it returns; input and parameters left out",
                  compared="exactly", always=False),
        ),
        columns=("kept_peak_bytes",), static=True,
    ),
    Metric(
        "resident", "harness.measure.memory:measure_resident",
        (
            Value("resident_peak_bytes", "Resident peak", "bytes", "MiB", 1,
                  "largest resident set of the whole process, framework included",
                  compared="statistically"),
        ),
        columns=("resident_peak_bytes",),
    ),
    Metric(
        "memory_model", "harness.measure.memory_model:measure_memory_model",
        (
            Value("predicted_peak_bytes", "Predicted peak", "bytes", "MiB", 1,
                  "live storages when an operator begins plus all that this operator, run alone at "
                  "the same size, takes of the allocator; largest over the pass; input and "
                  "parameters left out"),
            Value("measured_peak_bytes", "Measured peak", "bytes", "MiB", 1,
                  "peak of one real pass: on the CPU what its allocator was asked for, as the "
                  "profiler records it, on CUDA max_memory_allocated; input and parameters left "
                  "out", compared="statistically"),
            Value("predicted_peak_operator", "Operator at the peak", always=False),
        ),
        columns=("measured_peak_bytes",),
    ),
    Metric(
        "allocator", "harness.measure.memory:measure_allocator",
        (
            Value("allocator_peak_bytes", "Allocator peak", "bytes", "MiB", 1,
                  "max_memory_allocated of one pass on CUDA over what was allocated before it; "
                  "input and parameters left out", compared="statistically"),
            Value("allocator_requested_bytes", "Requested peak", "bytes", "MiB", 1,
                  "the allocator peak before blocks are rounded up, which the live peak predicts",
                  compared="statistically"),
            Value("allocator_reserved_bytes", "Reserved", "bytes", "MiB", 1,
                  "max_memory_reserved of the process, everything included",
                  compared="statistically"),
        ),
        columns=("allocator_peak_bytes",),
    ),
    Metric(
        "latency", "harness.measure.latency:measure_latency",
        (
            Value("latency_seconds", "Latency", "seconds", "ms",
                  note="median, with no more digits than its 95 % interval supports",
                  compared="statistically", interval=_LATENCY,
                  interval_note="median and the 95 % interval of the median", samples=_TIMES),
            Value(_LATENCY[0], "Latency, low", "seconds", "ms"),
            Value(_LATENCY[1], "Latency, high", "seconds", "ms"),
            Value("latency_confidence", kind=float),
            Value("latency_q1_seconds", "Latency, first quartile", "seconds", "ms"),
            Value("latency_q3_seconds", "Latency, third quartile", "seconds", "ms"),
            Value("latency_samples_seconds", kind=tuple[float | None, ...]),
            Value("latency_warmup_seconds", kind=tuple[float | None, ...]),
            Value("latency_flags", kind=tuple[str, ...]),
            Value("latency_unmet"),
            Value("latency_with_launches_seconds", "Latency, with launches", "seconds", "ms",
                  note="median of ten passes on CUDA whose launches by the host are part of the "
                       "time", always=False),
            Value("latency_outlier_samples", always=False, kind=tuple[float, ...]),
            Value("latency_throttled_samples", always=False, kind=tuple[float, ...]),
            Value("latency_warnings", always=False, kind=tuple[str, ...]),
            Value("compile_seconds", "Compilation", "seconds", "ms", 0,
                  "first pass of the compiled module, the compilation in it"),
            Value("latency_cache", "Cache", always=False),
            Value("threads", "Threads", "count", decimals=0, always=False),
        ),
        columns=("latency_seconds",),
    ),
    Metric(
        "energy", "harness.measure.energy:measure_energy",
        (
            # too short a window gives a number, no measurement
            Value("energy_joules", "Energy", "energy", "J",
                  note="of one pass by the GPU's own counter over at least 1 s, idle power of the "
                       "board included", compared="statistically", compared_if="energy_valid"),
            Value("energy_valid", kind=bool),
            Value("energy_window_seconds", kind=float),
            Value("energy_passes", kind=float),
            Value("energy_watts", "Mean power", "power", "W", 1),
        ),
        columns=("energy_joules",),
    ),
    Metric(
        "witness", "harness.measure.witness:measure_witness",
        (Value("witness", kind=Witnessed),), static=True,
    ),
    Metric(
        "accuracy", "harness.training.accuracy:measure_accuracy",
        (
            # Papers print two decimals of it, and the interval of few seeds would leave none.
            Value("miou", "mIoU", "ratio", "%", 2,
                  "mean over the classes, of all validation pixels together; over several seeds "
                  "the mean of theirs", better="higher", interval=_MIOU,
                  interval_note="mean over the seeds and the 95 % interval of that mean",
                  samples=(("miou_seeds", 2),), rounded=False),
            Value(_MIOU[0], "mIoU, low", "ratio", "%", 2),
            Value(_MIOU[1], "mIoU, high", "ratio", "%", 2),
            Value("miou_confidence", kind=float),
            Value("miou_seeds", kind=tuple[float, ...]),
            Value("pixel_acc", "Pixel accuracy", "ratio", "%", 2, better="higher"),
            Value("class_iou", kind=dict[str, float | None]),
            Value("boundary_f", "Boundary F", "ratio", "%", 2,
                  "mean over the classes at the first tolerance of the evaluation",
                  better="higher"),
            Value("class_boundary_f", kind=dict[str, dict[str, float | None]]),
            Value("class_iou_seeds", always=False, kind=dict[str, tuple[float | None, ...]]),
            Value("class_boundary_f_seeds", always=False,
                  kind=dict[str, dict[str, tuple[float | None, ...]]]),
            Value("diagnostics", always=False, kind=dict[str, tuple[float, ...]]),
            Value("train_steps", "Training steps", "count", decimals=0),
            Value("train_loss", "Training loss", "ratio"),
            Value("train_seconds", "Training time", "seconds", "s", 0),
            Value("train_keys", kind=tuple[str, ...]),
            Value("data", always=False),
            Value("data_version", "Data version"),
            Value("miou_ceiling", "mIoU ceiling", "ratio", "%", 2,
                  "the most, in expectation, that any network can reach that sees no farther than "
                  "this one; computed from the data's structure", always=False),
            Value("reach_pixels", "Reach", "pixels", "px", 0,
                  "farthest row or column that a prediction depends on", always=False),
            Value("context", "Context", always=False),
            Value("recipe", "Recipe", always=False),
            Value("train_seeds", always=False, kind=tuple[float, ...]),
            Value("seeds_stopped", always=False, kind=SeedsStopped),
        ),
        columns=("miou",),
    ),
)
# fmt: on

METRICS: Mapping[str, Metric] = {row.name: row for row in _ROWS}
"""By the name that suites use."""

STATIC = tuple(name for name, row in METRICS.items() if row.static)
"""Need neither the case's memory nor its time, and give the same answer on every machine."""

SHARING = frozenset({*STATIC, "accuracy"})
"""Metrics that neighbours do not change: counts, and trainings, whose result is no time."""

VALUES: Mapping[str, Value] = {value.name: value for row in _ROWS for value in row.values}
"""Everything that metrics store, by name."""

STORED = tuple(value.name for row in _ROWS for value in row.values if value.always)
"""Stored names that every row has, `None` where a metric was not measured."""


class Function(Protocol):
    """What stands behind a metric."""

    def __call__(self, job: Job) -> Mapping[str, Any]:
        """Stored names and values."""


def require_declared(name: str, values: Mapping[str, Any], declared: Declared) -> None:
    """Check that values hold what their metric stores, and nothing else.

    Args:
        name: of the metric.
        values: stored names and values, as plain data of any origin.
        declared: what users' metrics declare, by stored name.

    Raises:
        ValueError: names the first that is wrong.
    """
    if name not in METRICS:
        own = {each: said for each, said in declared.items() if said["metric"] == name}
        try:
            as_declared(values, own)
        except MetricError as error:
            raise ValueError(error.what) from error
        return
    stored = {value.name: value for value in METRICS[name].values}
    for each, value in values.items():
        if each not in stored:
            raise ValueError(f"{name} stores no {quote(each)}")
        if not stored[each].fits(value):
            raise ValueError(f"{each} is wrong")


def function_of(name: str) -> Function:
    """The function behind a metric's name, imported; a user's where no row has it."""
    if name not in METRICS:
        return partial(measure_own, name)
    module, _, function = METRICS[name].function.partition(":")
    found: Function = getattr(importlib.import_module(module), function)
    return found
