"""The second witness: fvcore's counter on real tensors at a small size, per operator class."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from math import prod
from typing import Any

import torch

with warnings.catch_warnings():
    # Its import scripts two functions that nothing here uses, of which PyTorch 2.14 warns.
    warnings.simplefilter("ignore", FutureWarning)
    from fvcore.nn import FlopCountAnalysis

from harness.case import Case, Job
from harness.measure.kept_witness import keep, kept, place_of
from harness.measure.operations import OperatorCounter, Tally
from harness.measure.own_rules import rules_of
from harness.measure.subject import (
    Subject,
    on_fake_or_real,
    outputs_of,
    real_subject,
    uninitialised,
)
from harness.messages import first_line

# Sides large enough for every pyramid level (6 bins) and interlaced group (8), small enough that a
# 2048-channel head takes a fraction of a second.
FEATURE_SIDE = 16
IMAGE_SIDE = 64
# A check must stay cheap; a detector's heads on a thousand regions cost this whatever the image.
LARGEST_MACS = 10**10

# fvcore's operator names; it counts one per multiply-accumulate.
CONV = {"conv"}
MATMUL = {"linear", "matmul", "bmm", "mm", "addmm", "baddbmm", "einsum", "mv", "dot"}
# What it has no rule for and what would therefore make its sum too small.
MISSED_PRODUCTS = ("scaled_dot_product_attention", "baddbmm", "mv", "dot", "addbmm")
# Of most einsums it reads the count out of NumPy's text about them, which has four digits.
EINSUM_ROUNDING = 5e-4
# Elements of an input that is no trouble as it is: an image of 1024 x 1024.
LARGEST_INPUT = 3 * 2**20


def measure_witness(job: Job) -> dict[str, object]:
    """Count the same case with fvcore and with our counter, both at a small size.

    Returns:
        `witness`: for `conv` and `matmul` the MACs `ours` and `fvcore`, and whether they `agree`
        (`None` where fvcore has no rule for an operator that the module calls, which is named).
        `None` with a warning where the module does not run at a small size or cannot be traced, and
        without one where even the small size costs more than `LARGEST_MACS`.
    """
    first = next(_smaller(job.case))
    place = place_of(job, first.key)
    if (known := kept(place)) is not None:
        return {"witness": known}
    figures = _counted(job)
    if figures.get("witness") is not None:
        keep(place, figures["witness"])
    return figures


def _counted(job: Job) -> dict[str, Any]:
    failure: tuple[Case, Exception] | None = None
    for case in _smaller(job.case):
        try:
            with rules_of(job):
                ours, reason = on_fake_or_real(case, job.seed, job.search_path, _ours)
            if ours.conv_macs + ours.matmul_macs > LARGEST_MACS:
                return {"witness": None}
            # What needs no values to be counted needs none to be traced; it has been built once.
            with uninitialised() if reason is None else nullcontext():
                subject = real_subject(case, job.seed, job.search_path)
            break
        except Exception as error:  # a module made for one size; the other metrics measure that
            failure = failure or (case, error)
    else:
        assert failure is not None, "there is one case at least"
        return _no_witness(f"the module does not run at {list(failure[0].inputs[0])}", failure[1])
    try:
        theirs, missed = _fvcore(subject)
    except Exception as error:  # tracing fails in as many ways as there are modules
        return _no_witness("fvcore failed", error)
    conv = sum(theirs[name] for name in CONV)
    matmul = sum(theirs[name] for name in MATMUL)
    rounded = EINSUM_ROUNDING * theirs["einsum"]
    return {
        "witness": {
            "input": [list(shape) for shape in case.inputs],
            "conv": {"ours": ours.conv_macs, "fvcore": conv, "agree": ours.conv_macs == conv},
            "matmul": {
                "ours": ours.matmul_macs,
                "fvcore": matmul,
                "agree": None if missed else abs(ours.matmul_macs - matmul) <= rounded,
                **({"fvcore_has_no_rule_for": missed} if missed else {}),
            },
        }
    }


def _no_witness(what: str, error: Exception) -> dict[str, Any]:
    return {"witness": None, "warnings": [f"no second witness: {what}: {first_line(error)}"]}


def _smaller(case: Case) -> Iterator[Case]:
    """The case at small sizes to be tried, one after the other: small images; else, of (B, N, C),
    few positions; else as it is, for modules made for one size (position embeddings), and values
    beside the tensors that say their size."""
    case = replace(case, pass_="inference")
    side = IMAGE_SIDE if case.inputs[0][1:2] <= (4,) else FEATURE_SIDE
    yield replace(case, inputs=tuple((*s[:2], *(min(side, n) for n in s[2:])) for s in case.inputs))
    if any(len(shape) == 3 for shape in case.inputs):
        few = ((s[0], min(FEATURE_SIDE, s[1]), s[2]) if len(s) == 3 else s for s in case.inputs)
        yield replace(case, inputs=tuple(few))
    if case.call is not None or sum(map(prod, case.inputs)) <= LARGEST_INPUT:
        yield case


def _ours(subject: Subject) -> Tally:
    counter = OperatorCounter()
    with counter:
        subject.forward()
    return counter.total()


def _fvcore(subject: Subject) -> tuple[Counter[str], list[str]]:
    plain = subject.case.call is None and subject.case.autocast is None
    module = subject.module if plain else _OfTensors(subject)
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer: shapes become constants, which is wanted
        analysis = FlopCountAnalysis(module, subject.inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator: Counter[str] = Counter(analysis.by_operator())
        unsupported = analysis.unsupported_ops()
    names = (name.removeprefix("aten::") for name in unsupported)
    return by_operator, sorted(name for name in names if name in MISSED_PRODUCTS)


class _OfTensors(torch.nn.Module):
    """A module as one of tensors alone, which is what fvcore's tracer takes and wants back."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject
        self.module = subject.module

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(outputs_of(replace(self.subject, inputs=tensors).output()))
