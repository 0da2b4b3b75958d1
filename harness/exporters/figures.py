"""The figures of a row that trackers of benchmarks follow; smaller is better."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.present.quantity import Row
from harness.regression.metrics import METRICS


@dataclass(frozen=True)
class Figure:
    """A metric of a row.

    Attributes:
        metric: its stored name.
        head: how tables call it.
        dimension: of its unit: `seconds`, `bytes`, `count`, `operations`, `energy`.
        value: SI base unit.
        low: lower end of its 95 % interval; `None` where there is none.
        high: upper end.
    """

    metric: str
    head: str
    dimension: str
    value: float
    low: float | None = None
    high: float | None = None


def figures(row: Row) -> Iterator[Figure]:
    """Every metric that a row has, in the order of `harness.regression.metrics.METRICS`."""
    for metric in METRICS.values():
        value = metric.read(row)
        if value is None:
            continue
        low = high = None
        if metric.name == "latency_seconds":
            low, high = row.get("latency_low_seconds"), row.get("latency_high_seconds")
        yield Figure(metric.name, metric.head, metric.dimension, value, low, high)
