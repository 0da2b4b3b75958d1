"""Chance: random numbers that depend on a place in the training alone, not on its history.

A training that goes on after an interruption draws what it would have drawn, and readers in other
processes draw the same in any order.
"""

import hashlib

import torch


def derived_seed(*place: object) -> int:
    """A seed of 63 bits from a place such as `(seed, "augment", step, position)`."""
    text = "/".join(map(str, place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*place: object) -> torch.Generator:
    """A fresh generator on the CPU for a place."""
    made = torch.Generator()
    made.manual_seed(derived_seed(*place))
    return made
