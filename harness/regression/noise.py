"""The noise floor: by how much runs of equal code differ on one machine."""

import math
from collections.abc import Iterable, Mapping

from harness.errors import HarnessError
from harness.regression.metrics import METRICS
from harness.regression.observed import Observed
from harness.regression.replicates import CaseMetric, Replicates

QUANTILE = 0.95
"""Share of pairs of equal code that lie below the floor; with fewer than 20 pairs, all do."""


class NoiseError(HarnessError):
    """A run says nothing about the noise of another."""


def noise_floor(
    pairs: Iterable[tuple[Mapping[CaseMetric, Replicates], Mapping[CaseMetric, Replicates]]],
) -> dict[str, float]:
    """Floor of each measured metric: what 95 % of the pairs of equal code differ by at most.

    The larger geometric mean over the smaller, less 1; the quantile is an order statistic, rounded
    up.

    Args:
        pairs: replicates of equal code, measured twice.
    """
    effects: dict[str, list[float]] = {}
    for a, b in pairs:
        for key in a:
            if METRICS[key.metric].is_measured and a[key] and b.get(key):
                effects.setdefault(key.metric, []).append(_difference(a[key], b[key]))
    return {metric: _upper(found) for metric, found in effects.items()}


def noise_of_runs(run: Observed, others: Iterable[Observed]) -> dict[str, float]:
    """Floor from further runs of the same version on the same machine.

    Raises:
        NoiseError: another machine, another commit, or no measured case in common.
    """
    pairs = []
    for other in others:
        if other.machine_key != run.machine_key:
            raise NoiseError(
                f"{other.path}: measured on machine {other.machine_key}, not {run.machine_key}; "
                "noise is that of one machine"
            )
        if other.commit != run.commit:
            raise NoiseError(
                f"{other.path}: measured at commit {other.commit}, not {run.commit}; only runs of "
                "the same version show noise"
            )
        if other.path == run.path:
            raise NoiseError(f"{other.path}: a run does not differ from itself; give another run")
        pairs.append((run.replicates, other.replicates))
    floor = noise_floor(pairs)
    if pairs and not floor:
        raise NoiseError(f"{run.path}: no measured case in common with the runs given as noise")
    return floor


def _difference(a: Replicates, b: Replicates) -> float:
    log = math.fsum(map(math.log, b)) / len(b) - math.fsum(map(math.log, a)) / len(a)
    return math.expm1(abs(log))


def _upper(effects: list[float]) -> float:
    return sorted(effects)[math.ceil(QUANTILE * len(effects)) - 1]
