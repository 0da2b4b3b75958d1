"""The second witness: fvcore's counter on real tensors at a small size, per operator class."""

import logging
import warnings
from collections import Counter

import torch
from fvcore.nn import FlopCountAnalysis

from harness.case import Job
from harness.measure.counters import OperatorCounter, Tally
from harness.measure.subject import Subject, real_subject, shrunk

# Sides large enough for every pyramid level (6 bins) and interlaced group (8), small enough that a
# 2048-channel head takes a fraction of a second.
FEATURE_SIDE = 16
IMAGE_SIDE = 64

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
        `None` with a warning where the module does not run at a small size or cannot be traced.
    """
    case = shrunk(job.case, IMAGE_SIDE if job.case.inputs[0][1] <= 4 else FEATURE_SIDE)
    try:
        subject = real_subject(case, job.seed, job.search_path)
        subject.module.eval()
        ours = _ours(subject)
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
    reason = str(error).strip().partition("\n")[0][:200]
    return {"witness": None, "warnings": [f"no second witness: {what}: {reason}"]}


def _ours(subject: Subject) -> Tally:
    counter = OperatorCounter()
    with torch.no_grad(), counter:
        subject.module(*subject.inputs)
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
    missed = sorted(
        name.removeprefix("aten::")
        for name in unsupported
        if name.removeprefix("aten::") in MISSED_PRODUCTS
    )
    return by_operator, missed
