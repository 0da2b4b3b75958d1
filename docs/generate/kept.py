"""Tables of results that are kept with the code, from their records."""

from pathlib import Path

from md_table import table

import harness

KEPT = Path(__file__).parents[2] / "results" / "ablations"
MECHANISMS = "ablation-mechanisms"


def mechanisms() -> str:
    """Mean IoU of each mechanism on each kind of context, with the interval of its seeds."""
    shown: dict[str, dict[str, str]] = {}
    for row in harness.load(KEPT / MECHANISMS).rows():
        kind = row["suite"].removeprefix(f"{MECHANISMS}-")
        low, high = 100 * row["miou_low"], 100 * row["miou_high"]
        shown.setdefault(row["label"], {})[kind] = f"{100 * row['miou']:.1f} ({low:.0f}-{high:.0f})"
        if row["label"] == "FCN":
            ceiling = f"{100 * row['miou_ceiling']:.1f}"
            shown.setdefault("Ceiling of FCN", {})[kind] = ceiling
    kinds = list(shown["FCN"])
    rows = [(label, *(cells[kind] for kind in kinds)) for label, cells in shown.items()]
    return table(("mIoU (%)", *kinds), rows, numbers=True)


def orders() -> str:
    """Of each kept grid with printed accuracies, how alike its order is to the printed one."""
    rows = []
    for folder in sorted(path for path in KEPT.iterdir() if path.is_dir()):
        run = harness.load(folder)
        for part in run.suite.parts():
            for figure, found in run.orders().get(part.name, {}).items():
                name = part.name.removeprefix("ablation-").replace("-", "_")
                rows.append(
                    (
                        f"`{name}`",
                        part.title,
                        figure,
                        str(found.pairs),
                        f"{found.coefficient:+.2f}",
                        f"{found.p:.2g}",
                    )
                )
    return table(("grid", "what", "figure", "rows", "rank correlation", "p"), rows)
