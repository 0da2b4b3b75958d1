"""Compilation of a subject's module, timed apart."""

import time
from dataclasses import replace
from typing import cast

import torch
from torch import nn

from harness.measure.subject import Subject
from harness.measure.timed_pass import Clock, forward


def as_run(subject: Subject) -> Subject:
    """The subject as its real passes run it: compiled if its case says so."""
    return compiled(subject, time.perf_counter)[0] if subject.case.compile else subject


def compiled(subject: Subject, clock: Clock) -> tuple[Subject, float]:
    """The subject with its module behind `torch.compile`, and what the compilation took.

    `torch.compile` compiles at the first call, so the seconds are those of the first pass:
    compilation and one run. Its cache on disk (`TORCHINDUCTOR_CACHE_DIR`) shortens them.

    Args:
        subject: as built.
        clock: in seconds.
    """
    start = clock()
    ready = replace(subject, module=cast(nn.Module, torch.compile(subject.module)))
    forward(ready)
    if subject.case.device == "cuda":
        torch.cuda.synchronize()
    seconds = clock() - start
    ready.clear_gradients()
    return ready, seconds
