"""Triton's interpreter, as tests of kernels use it."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from context_modules import line_attention, prior_operator
from context_modules.triton_use import Tile

NEAR = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.float16: {"rtol": 5e-3, "atol": 5e-3},
    torch.bfloat16: {"rtol": 4e-2, "atol": 4e-2},
}

interpreted = [
    pytest.mark.interpreted,
    pytest.mark.skipif(find_spec("triton") is None, reason="Triton is for Linux"),
]


def teach_bfloat16(patch):
    """Products of bfloat16, which the interpreter holds as bits and multiplies as integers."""
    import numpy as np
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    plain = InterpreterBuilder.create_dot

    def widened(handle):
        if handle.dtype.scalar != tl.bfloat16:
            return handle
        bits = handle.data.astype(np.uint32) << 16
        return TensorHandle(bits.view(np.float32), tl.float32)

    def create_dot(self, a, b, *rest):
        return plain(self, widened(a), widened(b), *rest)

    patch.setattr(InterpreterBuilder, "create_dot", create_dot)


def several_tiles(patch):
    """Tiles so small that a line has several, the last of them cut off."""
    for module in (line_attention, prior_operator):
        patch.setattr(module, "tiles", lambda *_: [Tile(16, 16)])


def compiled(script, folder):
    """What a script prints that compiles kernels, for which no GPU is needed.

    In a process of its own: in this one Triton was imported for its interpreter.
    """
    around = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=around | {"TRITON_CACHE_DIR": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def near_in_float64(kernel, explicit, tables):
    """Values and gradients of both, of the same rounded numbers."""
    dtype = tables[0].dtype
    exact = [x.detach().double().requires_grad_() for x in tables]
    actual, expected = kernel(*tables), explicit(*exact)
    assert actual.dtype == dtype
    incoming = torch.randn(actual.shape, generator=torch.Generator().manual_seed(5)).to(dtype)
    torch.testing.assert_close(actual.double(), expected, **NEAR[dtype])
    found = torch.autograd.grad(actual, tables, incoming)
    wanted = torch.autograd.grad(expected, exact, incoming.double())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.double(), other, **NEAR[dtype])
