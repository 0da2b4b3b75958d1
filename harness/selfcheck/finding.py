"""Findings: what a section of the self-check saw, and what that makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.engines.process.worker import classify

Verdict = Literal["pass", "fail", "skipped"]

NO_TIME = "no time was left for it"
"""Said of what a larger budget would check."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str  # of what was checked, unique in its section
    verdict: Verdict
    said: str  # what was seen, beside what it was held to; of what was skipped: why
    # the numbers behind it, in SI base units; names say which
    figures: Mapping[str, Any] = field(default_factory=dict)


def judged(name: str, passed: bool, said: str, **figures: Any) -> Finding:
    """A finding of something that was seen."""
    return Finding(name, "pass" if passed else "fail", said, figures)


def skipped(name: str, why: str) -> Finding:
    """A finding of something that could not be looked at."""
    return Finding(name, "skipped", why)


def left_out(count: int) -> Finding:
    """The rest of a section whose time is over."""
    return skipped(f"{count} more", NO_TIME)


def of_error(name: str, error: Exception) -> Finding:
    """A finding of one case that raised; one that does not fit into the memory says nothing."""
    status, cause = classify(error)
    return skipped(name, cause) if status == "oom" else judged(name, False, cause)


def ratio_within(name: str, ratio: float, least: float, most: float, said: str) -> Finding:
    """A ratio held between two limits."""
    limits = f"ratio {ratio:.3f}, held to {least:g} to {most:g}"
    return judged(name, least <= ratio <= most, f"{said}: {limits}", ratio=ratio)
