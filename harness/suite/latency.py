"""What a suite or case says under `latency`, and how the two are merged."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from harness.suite.presentation import Strict
from harness.timing import DEFAULT_TIMING, Cache, Criterion, Timing

MOST_SAMPLES = 1_000_000
LONGEST_SAMPLING = 24 * 3600.0
"""Seconds."""

# Keys that say nothing under a criterion.
_IDLE: dict[str, tuple[str, ...]] = {
    "fixed": ("min_time", "relative_stdev"),
    "budget": ("samples", "min_time", "relative_stdev"),
}

Sampling = Annotated[float, Field(gt=0, le=LONGEST_SAMPLING)]


class LatencySpec(Strict):
    """How latency is sampled; what is absent is the suite's, then the default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    criterion: Criterion | None = Field(
        default=None,
        description="When the samples suffice: settled_noise (little spread, or one that has "
        "settled; if absent), relative_stdev, fixed (so many samples), budget (so many seconds).",
    )
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = Field(
        default=None, description="How many; the least number where the spread decides. 10."
    )
    min_time: Sampling | None = Field(
        default=None, description="Least seconds of samples where the spread decides. 0.5."
    )
    max_time: Sampling | None = Field(
        default=None, description="Seconds after which sampling ends. 5 on the CPU, 15 on CUDA."
    )
    relative_stdev: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Standard deviation over mean that suffices. 0.005."
    )
    cache: Cache | None = Field(
        default=None, description="hot (back to back; if absent) or cold (flushed before each)."
    )
    cuda_graph: bool | None = Field(
        default=None, description="Capture a pass on CUDA once and replay it."
    )
    turns: bool | None = Field(
        default=None,
        description="The processes of a case (repeats) live together and sample in turns: what the "
        "machine does meanwhile meets all alike.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LatencySpec":
        for name in _IDLE.get(self.criterion or "", ()):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name} says nothing with criterion {self.criterion}; remove one of the two"
                )
        if (self.min_time or 0.0) > (self.max_time or LONGEST_SAMPLING):
            raise ValueError("min_time is longer than max_time; raise max_time")
        return self


def timing(case: LatencySpec | None, suite: LatencySpec | None) -> Timing:
    """The case's words, key by key, then the suite's, then the defaults."""
    return replace(DEFAULT_TIMING, **{**_said(suite), **_said(case)})


def _said(spec: LatencySpec | None) -> dict[str, Any]:
    return {} if spec is None else spec.model_dump(exclude_none=True)
