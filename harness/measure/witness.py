"""The second witness: fvcore's counter on real tensors at a small size, per operator class."""

import logging
import warnings
from collections import Counter
from dataclasses import replace

import torch
from fvcore.nn import FlopCountAnalysis

from harness.case import Job
from harness.measure.operations import OperatorCounter, Tally
from harness.measure.subject import Subject, on_fake_or_real, real_subject, shrunk
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


def measure_witness(job: Job) -> dict[str, object]:
    """Count the same case with fvcore and with our counter, both at a small size.

    Returns:
        `witness`: for `conv` and `matmul` the MACs `ours` and `fvcore`, and whether they `agree`
        (`None` where fvcore has no rule for an operator that the module calls, which is named).
        `None` with a warning where the module does not run at a small size or cannot be traced, and
        without one where even the small size costs more than `LARGEST_MACS`.
    """
    case = shrunk(job.case, IMAGE_SIDE if job.case.inputs[0][1] <= 4 else FEATURE_SIDE)
    case = replace(case, pass_="inference")
    try:
        ours, _ = on_fake_or_real(case, job.seed, job.search_path, _ours)
        if ours.conv_macs + ours.matmul_macs > LARGEST_MACS:
            return {"witness": None}
        subject = real_subject(case, job.seed, job.search_path)
    except Exception as error:  # a module made for one size only; the other metrics measure that
        return _no_witness(f"the module does not run at {list(case.inputs[0])}", error)
    try:
        theirs, missed = _fvcore(subject.module, subject.inputs)
    except Exception as error:  # tracing fails in as many ways as there are modules
        return _no_witness("fvcore failed", error)
    conv = sum(theirs[name] for name in CONV)
    matmul = sum(theirs[name] for name in MATMUL)
    return {
        "witness": {
            "input": [list(shape) for shape in case.inputs],
            "conv": {"ours": ours.conv_macs, "fvcore": conv, "agree": ours.conv_macs == conv},
            "matmul": {
                "ours": ours.matmul_macs,
                "fvcore": matmul,
                "agree": None if missed else ours.matmul_macs == matmul,
                **({"fvcore_has_no_rule_for": missed} if missed else {}),
            },
        }
    }


def _no_witness(what: str, error: Exception) -> dict[str, object]:
    return {"witness": None, "warnings": [f"no second witness: {what}: {first_line(error)}"]}


def _ours(subject: Subject) -> Tally:
    counter = OperatorCounter()
    with counter:
        subject.forward()
    return counter.total()


def _fvcore(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[Counter[str], list[str]]:
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer: shapes become constants, which is wanted
        analysis = FlopCountAnalysis(module, inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator: Counter[str] = Counter(analysis.by_operator())
        unsupported = analysis.unsupported_ops()
    names = (name.removeprefix("aten::") for name in unsupported)
    return by_operator, sorted(name for name in names if name in MISSED_PRODUCTS)
