"""github-action-benchmark: JSON for its tool `customSmallerIsBetter`.

Format: https://github.com/benchmark-action/github-action-benchmark, "Custom benchmarks": a list of
`name`, `unit`, `value`, and optionally `range` and `extra`.
"""

import json

from harness.present.exporters.exported import (
    Exported,
    ExportError,
    TrackedFigure,
    figures,
    unique_name,
)
from harness.records.quantities.quantity import Row

# The action scales values between units of time that it knows (s, ms, us, ns); others must stay the
# same from run to run, so each dimension has one unit.
_ACTION_UNITS = {
    "seconds": ("ms", 1e-3),
    "bytes": ("bytes", 1.0),
    "energy": ("J", 1.0),
    "count": ("count", 1.0),
    "operations": ("operations", 1.0),
}


def github_action(run: Exported) -> str:
    """A run as the list that the action takes; failed cases are left out.

    `range` is the half width of the 95 % interval, written as the action reads it back
    (`± 0.0123`); `extra` says what the value is of.

    Raises:
        ExportError: no case ended well.
    """
    made = [_tracked(row, figure) for row in run.measured() for figure in figures(row)]
    if not made:
        raise ExportError(f"{run.path}: no case ended well; there is nothing that the action takes")
    return json.dumps(made, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _tracked(row: Row, figure: TrackedFigure) -> dict[str, str | float]:
    unit, factor = _ACTION_UNITS[figure.dimension]
    entry: dict[str, str | float] = {
        "name": f"{unique_name(row)} {figure.head}",
        "unit": unit,
        "value": figure.value / factor,
    }
    if figure.low is not None and figure.high is not None:
        # The action's pattern for a range wants two characters at least: fixed digits give them.
        entry["range"] = f"± {(figure.high - figure.low) / 2 / factor:.6f}"
    shape = "; ".join("x".join(map(str, each)) for each in row["input"])
    lines = {
        "module": row["module"],
        "input": shape,
        "device": row["device"],
        "dtype": row["dtype"],
        "pass": row["pass"],
        "machine": row["machine_key"],
        "processes": row.get("processes", 1),
    }
    entry["extra"] = "\n".join(f"{name}: {value}" for name, value in lines.items())
    return entry
