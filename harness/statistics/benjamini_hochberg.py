"""Benjamini-Hochberg: p values of many questions, adjusted so that few alarms are false."""

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given.

    With p_(1) <= ... <= p_(m), the adjusted p_(i) is the smallest m p_(j) / j over j >= i. Calling
    everything with an adjusted value below alpha keeps the expected share of false calls among all
    calls at alpha, for independent and for positively dependent questions; where nothing differs at
    all, the probability of any call is at most alpha (Benjamini and Hochberg 1995; Benjamini and
    Yekutieli 2001, theorem 1.2).

    Args:
        p_values: each in [0, 1].

    Raises:
        ValueError: a value is out of range or not a number.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p value lies between 0 and 1")
    m = len(p_values)
    descending = sorted(range(m), key=lambda index: p_values[index], reverse=True)
    result = [1.0] * m
    smallest = 1.0
    for rank, index in zip(range(m, 0, -1), descending, strict=True):
        smallest = min(smallest, p_values[index] * m / rank)
        result[index] = smallest
    return result
