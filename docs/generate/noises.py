"""How `compare` and `history` do under the noises that the gate is tried on, simulated.

Run as a script, this file writes what takes long: `python docs/generate/noises.py`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from harness.judge.regression.history import ChangeLimits
from harness.judge.regression.noises import NOISES, Noise
from harness.judge.regression.observed import CaseMetric, Replicates, noise_floor
from harness.judge.regression.verdict import Limits, decide
from harness.judge.statistics.change_points import find_change_points
from harness.judge.statistics.share import Share

GRIDS = 1000
"""Comparisons of equal versions under each noise, with a slow case, and series."""

SLOWER = 0.05
_CASES, _PROCESSES, _NOISE_RUNS = 10, 5, 2
_RUNS, _STEP = 60, 40
_HOUR = 0.03
"""Standard deviation of what a run differs by from the next where hours are between them."""

KEYS = tuple(CaseMetric("grid", f"case {n}", str(n)) for n in range(_CASES))

Run = dict[CaseMetric, Replicates]


def _hours(draw: np.random.Generator, n: int) -> np.ndarray:
    """Runs of other hours: each has a level of its own."""
    of_a_run = _CASES * _PROCESSES
    levels = draw.normal(0, _HOUR, -(-n // of_a_run)).repeat(of_a_run)[:n]
    return levels + draw.normal(0, 0.01, n)


HOURS = Noise("normal 1 %, each run in another hour (3 %)", _hours)
EVERY = (*NOISES, HOURS)
