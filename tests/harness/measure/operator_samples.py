"""Every operator of PyTorch's own database on samples, counted on real and on fake tensors.

A script, since what it imports changes flags of its process: `python operator_samples.py` prints a
JSON object of one record an operator.
"""

import json
import sys
import types
import unittest
import warnings
from contextlib import nullcontext
from itertools import islice
from math import prod

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map

from harness.measure import operations
from harness.measure.cost import FREE
from harness.measure.operations import OperatorCounter
from harness.measure.subject import tensors_of

DTYPES = (torch.float32, torch.complex64, torch.int64, torch.bool, torch.bfloat16, torch.int8)
PRODUCT_DTYPES = (torch.float32, torch.int64, torch.complex64, torch.bfloat16)
LOOKED_AT, TAKEN = 20, 2  # samples of an operator, of which the largest are taken
LONGEST = 300  # samples that are looked at for one without an empty tensor


def database():
    """PyTorch's list; it asks for a package of which only the name is needed here."""
    if "expecttest" not in sys.modules:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    from torch.testing._internal.common_methods_invocations import op_db

    return op_db


def of_convolution(out, x, weight, *_, **__):
    return threefold(x) * out.numel() * weight.shape[1] * prod(weight.shape[2:])


def threefold(x):
    """PyTorch makes three real convolutions of a complex one."""
    return 3 if x.is_complex() else 1


def of_transposed(out, x, weight, *_, **__):
    batch = x.shape[0] if x.dim() == weight.dim() else 1
    positions = batch * prod(x.shape[2 - weight.dim() :])
    return threefold(x) * positions * weight.numel()


def of_attention(out, query, key, value, *_, **__):
    return query[..., 0].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def of_einsum(out, operands, equation):
    """Two operands: every combination of their indices once."""
    inputs = equation.replace(" ", "").split("->")[0].split(",")
    if len(operands) != 2 or any("." in names for names in inputs):
        return None
    sides = {}
    for names, operand in zip(inputs, operands, strict=True):
        sides.update(zip(names, operand.shape, strict=True))
    shared = set(inputs[0]) & set(inputs[1])
    kept = equation.replace(" ", "").split("->")[1] if "->" in equation else None
    summed = kept is not None and bool(shared - set(kept))
    return prod(sides.values()) if summed else None


# Multiply-accumulates from the shapes alone: of the output, then of what the operator is given.
MACS = {
    "mm": lambda out, a, b: out.numel() * a.shape[-1],
    "bmm": lambda out, a, b: out.numel() * a.shape[-1],
    "matmul": lambda out, a, b: out.numel() * a.shape[-1],
    "__rmatmul__": lambda out, b, a: out.numel() * a.shape[-1],
    "mv": lambda out, a, b: a.numel(),
    "dot": lambda out, a, b: a.numel(),
    "vdot": lambda out, a, b: a.numel(),
    "inner": lambda out, a, b: out.numel() * a.shape[-1] if a.dim() and b.dim() else None,
    "linalg.vecdot": lambda out, a, b, **_: a.numel() if a.shape == b.shape else None,
    "addmm": lambda out, c, a, b, **_: out.numel() * a.shape[-1],
    "addmv": lambda out, c, a, b, **_: a.numel(),
    "addbmm": lambda out, c, a, b, **_: a.numel() * b.shape[-1],
    "baddbmm": lambda out, c, a, b, **_: a.numel() * b.shape[-1],
    "einsum": of_einsum,
    "nn.functional.linear": lambda out, x, w, *_: out.numel() * w.shape[-1],
    "nn.functional.bilinear": lambda out, a, b, w, *_: (
        out.numel() * b.shape[-1] * (a.shape[-1] + 1)
    ),
    "nn.functional.conv1d": of_convolution,
    "nn.functional.conv2d": of_convolution,
    "nn.functional.conv3d": of_convolution,
    "nn.functional.conv_transpose1d": of_transposed,
    "nn.functional.conv_transpose2d": of_transposed,
    "nn.functional.conv_transpose3d": of_transposed,
    "nn.functional.scaled_dot_product_attention": of_attention,
    "outer": lambda out, *_: 0,  # no sum: elementwise work
    "kron": lambda out, *_: 0,
    "addr": lambda out, *_, **__: 0,
    "cdist": lambda out, *_, **__: 0,
}


def tensors(sample):
    given = tree_leaves((sample.input, sample.args, sample.kwargs))
    return [x for x in given if isinstance(x, Tensor)]


def empty(sample):
    return any(x.numel() == 0 or (x.is_sparse_csr and not x._nnz()) for x in tensors(sample))


def size(sample):
    return sum(x.numel() for x in tensors(sample))


def samples_of(op, dtype):
    """The largest of the first ones; those with an empty tensor only where all have one."""
    given = iter(op.sample_inputs("cpu", dtype))
    try:
        found = list(islice(given, LOOKED_AT))
    except (RuntimeError, AssertionError) as error:
        if "NVIDIA" not in str(error) and "CUDA" not in str(error):
            raise
        return []  # PyTorch 2.10 asks the GPU which scaled products it can sample
    if all(map(empty, found)):
        found += islice((each for each in islice(given, LONGEST) if not empty(each)), TAKEN)
    return sorted(found, key=lambda sample: (not empty(sample), size(sample)))[-TAKEN:]


def count(run, sample, fake):
    """Counters and output of one call; of a fake one the reason why there are none instead."""
    mode = FakeTensorMode(allow_non_fake_inputs=True) if fake else None

    def converted(x):
        if not isinstance(x, Tensor):
            return x
        return mode.from_tensor(x) if fake else x.detach()

    given = tree_map(converted, (sample.input, sample.args, sample.kwargs))
    counter = OperatorCounter()
    torch.manual_seed(0)
    try:
        with torch.no_grad(), mode or nullcontext(), counter:
            out = run(given[0], *given[1], **given[2])
    except Exception as error:
        return {"error": type(error).__name__}, None, given
    total = counter.total()
    tally = {
        "macs": total.conv_macs + total.matmul_macs,
        "elementwise": dict(sorted(total.elementwise.items())),
        "unknown": dict(sorted(total.uncounted.items())),
    }
    return tally, out, given


def expected(op, out, given):
    formula = MACS.get(op.name)
    if formula is None or op.variant_test_name not in ("", "decomposed"):
        return None
    return formula(out, given[0], *given[1], **given[2])


def record(op):
    known = op.supported_dtypes("cpu")
    dtype = next((each for each in (*DTYPES, *sorted(known, key=str)) if each in known), None)
    found = {"samples": [], "products": []}
    if dtype is None:
        return found
    for sample in samples_of(op, dtype):
        real, _, _ = count(op, sample, False)
        fake, _, _ = count(op, sample, True)
        found["samples"].append({"real": real, "fake": fake})
    for kind in PRODUCT_DTYPES if op.name in MACS else ():
        if kind not in op.supported_dtypes("cpu"):
            continue
        for sample in samples_of(op, kind):
            for run in filter(None, (op, op.get_inplace())):
                real, out, given = count(run, sample, False)
                macs = expected(op, out, given) if out is not None else None
                if macs is not None:
                    shown = [str(kind), run is op, real["macs"], macs]
                    found["products"].append(shown)
    return found


def is_view(func):
    returned = [each.alias_info for each in func._schema.returns]
    return bool(returned) and all(alias and not alias.is_write for alias in returned)


def main():
    warnings.simplefilter("ignore")
    free = set()
    cost = operations.cost

    def watched(func, args, kwargs, out):
        call = cost(func, args, kwargs, out)
        if call == FREE and not is_view(func) and all(x.numel() for x in tensors_of(args)):
            free.add(func._schema.name)
        return call

    operations.cost = watched
    found = {}
    for op in database():
        name = op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
        found[name] = record(op)
    json.dump({"operators": found, "free": sorted(free)}, sys.stdout)


if __name__ == "__main__":
    main()
