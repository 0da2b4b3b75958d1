"""What testing samples in place of processes would do, simulated with the project's own tests."""

import math
import random

from md_table import table

from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.verdict import ALPHA, decide
from harness.judge.statistics.significance import mann_whitney_p

COMPARISONS, PROCESSES, SAMPLES, SPREAD, SLOWER = 300, 5, 30, 0.01, 1.03
KEY = CaseMetric("simulation", "case", "0")


def replicates() -> str:
    """False alarms and detections of both ways to test, in percent of the comparisons."""
    draw = random.Random(0)
    rows = []
    for what, alarm in (
        (f"Mann-Whitney on {SAMPLES} samples of one process a side", _samples_differ),
        (f"medians of {PROCESSES} processes a side, as here", _processes_differ),
    ):
        rates = [
            sum(alarm(draw, ratio) for _ in range(COMPARISONS)) / COMPARISONS
            for ratio in (1.0, SLOWER)
        ]
        rows.append((what, *(f"{100 * rate:.0f} %" for rate in rates)))
    heads = ("What is tested", "Alarms, equal code", f"Alarms, {100 * (SLOWER - 1):.0f} % slower")
    return table(heads, rows, numbers=True)


def _process(draw: random.Random, ratio: float) -> list[float]:
    """Samples of one process: its own level, and a spread around that."""
    level = math.log(ratio) + draw.gauss(0, SPREAD)
    return [math.exp(level + draw.gauss(0, SPREAD)) for _ in range(SAMPLES)]


def _samples_differ(draw: random.Random, ratio: float) -> bool:
    return mann_whitney_p(_process(draw, 1.0), _process(draw, ratio)) < ALPHA


def _processes_differ(draw: random.Random, ratio: float) -> bool:
    def side(ratio: float) -> list[float]:
        return [sorted(_process(draw, ratio))[SAMPLES // 2] for _ in range(PROCESSES)]

    return decide({KEY: side(1.0)}, {KEY: side(ratio)})[KEY].verdict in ("slower", "faster")
