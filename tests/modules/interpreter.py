"""Triton's interpreter, as tests of kernels use it."""

from importlib.util import find_spec

import pytest

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
