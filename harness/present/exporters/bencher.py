"""Bencher Metric Format: JSON that `bencher run --adapter json` takes.

Schema: https://bencher.dev/docs/reference/bencher-metric-format: benchmark, measure, and a `value`
with optional `lower_value` and `upper_value`.
"""

import json

from harness.present.exporters.exported import Exported, ExportError, figures, unique_name

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
        measures = {}
        for each in figures(row):
            scale = NANOSECONDS if each.dimension == "seconds" else 1
            slug = "latency" if each.metric == "latency_seconds" else each.metric.replace("_", "-")
            measures[slug] = {"value": each.value * scale}
            if each.low is not None and each.high is not None:
                measures[slug] |= {
                    "lower_value": each.low * scale,
                    "upper_value": each.high * scale,
                }
        if measures:
            made[unique_name(row)[:LONGEST_NAME]] = measures
    if not made:
        raise ExportError(
            f"{run.path}: no case ended well; there is nothing that Bencher could take"
        )
    return json.dumps(made, indent=2, allow_nan=False) + "\n"
