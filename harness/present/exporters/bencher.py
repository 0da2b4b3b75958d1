"""Bencher Metric Format: JSON that `bencher run --adapter json` takes.

Schema: https://bencher.dev/docs/reference/bencher-metric-format: benchmark, measure, and a `value`
with optional `lower_value` and `upper_value`.
"""

import json

from harness.present.exporters.exported import Exported, ExportError, Figure, figures, name_of

NANOSECONDS = 1e9
"""Bencher's own measure `latency` is in nanoseconds."""

LONGEST_NAME = 1024
"""Characters of a benchmark's name (same page, order of precedence)."""


def bencher(run: Exported) -> str:
    """A run as Bencher Metric Format.

    Latency is in nanoseconds, as Bencher's measure of that name; other measures are named after
    what is stored (`live-peak-bytes`) and keep SI base units. Failed cases are left out.

    Raises:
        ExportError: no case ended well.
    """
    made: dict[str, dict[str, dict[str, float]]] = {}
    for row in run.measured():
        measures = dict(map(_measure, figures(row)))
        if measures:
            made[name_of(row)[:LONGEST_NAME]] = measures
    if not made:
        raise ExportError(
            f"{run.path}: no case ended well; there is nothing that Bencher could take"
        )
    return json.dumps(made, indent=2, allow_nan=False) + "\n"


def _measure(figure: Figure) -> tuple[str, dict[str, float]]:
    scale = NANOSECONDS if figure.dimension == "seconds" else 1
    metric = {"value": figure.value * scale}
    if figure.low is not None and figure.high is not None:
        metric |= {"lower_value": figure.low * scale, "upper_value": figure.high * scale}
    slug = "latency" if figure.metric == "latency_seconds" else figure.metric.replace("_", "-")
    return slug, metric
