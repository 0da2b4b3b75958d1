"""github-action-benchmark: JSON for its tool `customSmallerIsBetter`.

Format: https://github.com/benchmark-action/github-action-benchmark, "Custom benchmarks": a list of
`name`, `unit`, `value`, and optionally `range` and `extra`.
"""

import json

from harness.measure.metric import unit
from harness.messages import printable
from harness.present.exporters.exported import Exported, ExportError, figures, unique_name

# The action scales values between units of time that it knows (s, ms, us, ns); others must stay the
# same from run to run, so each dimension has one unit; what has none is called by its dimension.
_ACTION_UNITS = {"seconds": "ms", "energy": "J"}


def github_action(run: Exported) -> str:
    """A run as the list that the action takes; failed cases are left out.

    `range` is the half width of the 95 % interval, written as the action reads it back
    (`± 0.0123`); `extra` says what the value is of.

    Raises:
        ExportError: no case ended well.
    """
    made = []
    for row in run.measured():
        about = {
            "module": row["module"],
            "input": "; ".join("x".join(map(str, each)) for each in row["input"]),
            "device": row["device"],
            "dtype": row["dtype"],
            "pass": row["pass"],
            "machine": row["machine_key"],
            "processes": row.get("processes", 1),
        }
        extra = "\n".join(f"{name}: {value}" for name, value in about.items())
        for figure in figures(row):
            shown = _ACTION_UNITS.get(figure.dimension)
            factor = 1.0 if shown is None else unit(shown, figure.dimension).factor
            entry: dict[str, str | float] = {
                "name": f"{unique_name(row)} {figure.head}",
                "unit": shown or figure.dimension,
                "value": figure.value / factor,
            }
            if figure.low is not None and figure.high is not None:
                # The action's pattern for a range wants two characters at least: fixed digits.
                entry["range"] = f"± {(figure.high - figure.low) / 2 / factor:.6f}"
            made.append(entry | {"extra": extra})
    if not made:
        raise ExportError(f"{run.path}: no case ended well; there is nothing that the action takes")
    return printable(json.dumps(made, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"
