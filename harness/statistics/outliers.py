"""Outliers by the median absolute deviation, which the outliers themselves cannot inflate."""

import statistics
from collections.abc import Sequence

# Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, section 3.3: the median absolute
# deviation of normal data is 0.6745 standard deviations, their mean absolute one 0.7979 of them.
_MAD_TO_STDEV = 1 / 0.6745
_MEAN_DEVIATION_TO_STDEV = 1.253314

# Their cut of 3.5 is for normal data. Timings have a long upper tail, so hyperfine
# (src/outlier_detection.rs) takes ten standard deviations, 14.826 median absolute deviations.
THRESHOLD = 10.0


def outliers(samples: Sequence[float], threshold: float = THRESHOLD) -> list[int]:
    """Indices of samples that lie more than `threshold` robust standard deviations off the median.

    Where more than half of the samples are equal, the median absolute deviation is 0 and the mean
    absolute deviation takes its place, as Iglewicz and Hoaglin advise.

    Args:
        samples: any number, in one unit.
        threshold: robust standard deviations.
    """
    if len(samples) < 3:
        return []
    middle = statistics.median(samples)
    deviations = [abs(sample - middle) for sample in samples]
    stdev = _MAD_TO_STDEV * statistics.median(deviations)
    if stdev == 0:
        stdev = _MEAN_DEVIATION_TO_STDEV * statistics.fmean(deviations)
    return [i for i, deviation in enumerate(deviations) if deviation > threshold * stdev]
