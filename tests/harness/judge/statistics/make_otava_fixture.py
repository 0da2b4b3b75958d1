"""Writes `data/otava.json`: series and the change points that Apache Otava 0.8.0 finds in them.

After dropping a point, Otava's merge step judges again the point right of it and the one right of
that; the paper asks for the two neighbours. What the left neighbour then reports is of a series cut
elsewhere, and pairs of points outlive their reason. So each case is there twice: `as_released`, and
`both_neighbours`, from the same code with the one index mended.

Not a test; run once, with Otava in a folder of its own (it pins an older numpy):

    pip install --target /tmp/otava apache-otava==0.8.0
    PYTHONPATH=/tmp/otava python tests/harness/statistics/make_otava_fixture.py
"""

import inspect
import json
import random
from importlib.metadata import version
from pathlib import Path

import otava.analysis

SETTINGS = (
    {"window_len": 50, "max_pvalue": 0.001, "min_magnitude": 0.0},
    {"window_len": 30, "max_pvalue": 0.01, "min_magnitude": 0.02},
)


def noisy(seed, levels, noise=0.01, tail=0.0):
    """A level per run of values, with normal noise and now and then a value far above."""
    draw = random.Random(seed)
    values = []
    for length, level in levels:
        for _ in range(length):
            slow = 1 + draw.expovariate(5) if draw.random() < tail else 1.0
            values.append(float(f"{level * slow * (1 + draw.gauss(0, noise)):.6g}"))
    return values


SERIES = {
    "still": noisy(1, [(120, 0.0125)]),
    "still, noisy": noisy(2, [(200, 3.0)], noise=0.1),
    "step up 5 %": noisy(3, [(40, 1.0), (40, 1.05)]),
    "step up 2 %": noisy(4, [(60, 1.0), (60, 1.02)]),
    "step down 10 %": noisy(5, [(30, 1.0), (70, 0.9)]),
    "up and back": noisy(6, [(50, 1.0), (12, 1.08), (50, 1.0)]),
    "stairs": noisy(7, [(25, 1.0), (25, 1.04), (25, 1.08), (25, 1.12)]),
    "many": noisy(8, [(n, 1 + 0.1 * (k % 3)) for k, n in enumerate((9, 31, 17, 44, 8, 60, 23))]),
    "near the start": noisy(9, [(4, 1.0), (96, 1.2)]),
    "near the end": noisy(10, [(96, 1.0), (4, 1.2)]),
    "last value": noisy(11, [(60, 1.0), (1, 1.2)]),
    "tail": noisy(12, [(70, 1.0), (70, 1.06)], tail=0.08),
    "drift": noisy(13, [(1, 1 + 0.002 * k) for k in range(100)]),
    "short": noisy(14, [(4, 1.0), (4, 1.3)]),
    "two": noisy(15, [(2, 1.0)]),
    "large values": noisy(16, [(50, 3e9), (50, 3.2e9)]),
    "tiny values": noisy(17, [(50, 4e-6), (50, 4.4e-6)], noise=0.02),
    "thousand": noisy(18, [(333, 1.0), (334, 1.03), (333, 0.99)], noise=0.02),
}


def found(values, setting):
    points, _ = otava.analysis.compute_change_points(list(values), **setting)
    return [
        {
            "index": int(point.index),
            "p": float(point.stats.pvalue),
            "mean_before": float(point.stats.mean_1),
            "mean_after": float(point.stats.mean_2),
        }
        for point in points
    ]


def mended_merge():
    source = inspect.getsource(otava.analysis.merge)
    wrong, right = "recompute(weakest_cp_index + 1)", "recompute(weakest_cp_index - 1)"
    assert source.count(wrong) == 1
    names = dict(vars(otava.analysis))
    exec(source.replace(wrong, right), names)
    return names["merge"]


def main():
    cases = [{"series": name, **setting} for name in SERIES for setting in SETTINGS]
    for column, merge in (
        ("as_released", otava.analysis.merge),
        ("both_neighbours", mended_merge()),
    ):
        otava.analysis.merge = merge
        for case, setting in zip(cases, SETTINGS * len(SERIES), strict=True):
            case[column] = found(SERIES[case["series"]], setting)
    made = {"made_by": f"apache-otava {version('apache-otava')}", "series": SERIES, "cases": cases}
    path = Path(__file__).parent / "data" / "otava.json"
    path.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
