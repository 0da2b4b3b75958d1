"""Workspace: what PyTorch's own CPU kernels allocate within one operator, beside its outputs.

Only what follows from shapes and strides alike on every machine. Not here: what oneDNN takes for
convolutions and recurrent layers (its layouts are the processor's), nor what a kernel takes for
each further thread. `harness.measure.memory_model` measures those.
"""

from collections.abc import Callable, Sequence
from functools import cache, reduce
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from harness.measure.operators import is_ours, stem
from harness.measure.subject import tensors_of

Rule = Callable[[Sequence[Any], Any], int]


def inner_bytes(func: Any, args: Sequence[Any], out: Any) -> int:
    """Bytes that a call holds at its peak beside its outputs; 0 where no rule knows.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        out: what it returned.
    """
    if not is_ours(func):
        return 0
    name = stem(func)
    if name in _COPIED:
        return _copied(args[_COPIED[name]])
    if name in _RULES:
        return _RULES[name](args, out)
    return _promoted(args) if _is_pointwise(func) else 0


@cache  # the tags of an operator are made anew at each look
def _is_pointwise(func: Any) -> bool:
    return torch.Tag.pointwise in getattr(func, "tags", ())


def storage_bytes(func: Any, args: Sequence[Any]) -> int:
    """Bytes that the storage of an output has at least, though its shape needs fewer."""
    # `fold` makes its output as large as its input and makes it smaller afterwards.
    return _bytes(args[0]) if stem(func) == "col2im" and is_ours(func) else 0


def _bytes(value: Any) -> int:
    return sum(each.numel() * each.itemsize for each in tensors_of(value))


# Kernels that walk along rows, and so copy an argument (by its place) that is not laid out in rows:
# a transposed one, or the gradient of a sum, which is one value in a tensor's clothes.
_COPIED = {
    "_softmax": 0,
    "_log_softmax": 0,
    "_softmax_backward_data": 0,
    "_log_softmax_backward_data": 0,
    "native_layer_norm_backward": 0,
    "avg_pool2d_backward": 0,
    "avg_pool3d_backward": 0,
    "max_pool2d_with_indices_backward": 0,
    "max_pool3d_with_indices_backward": 0,
    "_adaptive_avg_pool2d_backward": 0,
    "_adaptive_avg_pool3d_backward": 0,
    "adaptive_max_pool2d_backward": 0,
    "adaptive_max_pool3d_backward": 0,
    "upsample_nearest2d_backward": 0,
    "upsample_bilinear2d_backward": 0,
    "upsample_bicubic2d_backward": 0,
    "upsample_nearest3d_backward": 0,
    "upsample_trilinear3d_backward": 0,
    "_upsample_bilinear2d_aa_backward": 0,
    "grid_sampler_2d_backward": 0,
    "reflection_pad2d_backward": 0,
    "embedding_dense_backward": 0,
    "col2im": 0,
    "pixel_shuffle": 0,
    "pixel_unshuffle": 0,
    "channel_shuffle": 0,
}


def _copied(x: Tensor) -> int:
    by_channel = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return 0 if x.is_contiguous() or by_channel else _bytes(x)


def _promoted(args: Sequence[Any]) -> int:
    """Arguments of elementwise work of mixed types, converted before it."""
    tables = [x for x in args if isinstance(x, Tensor) and x.dim()]
    if len({x.dtype for x in tables}) < 2:
        return 0
    common = reduce(torch.promote_types, (x.dtype for x in tables))
    return sum(x.numel() * common.itemsize for x in tables if x.dtype != common)


def _of_absolute(args: Sequence[Any], _out: Any) -> int:
    return _bytes(args[0]) if args[0].is_complex() else 0  # complex first, real afterwards


def _of_safe_softmax(args: Sequence[Any], _out: Any) -> int:
    """Which logits are minus infinity, and in which rows all are: a byte each."""
    x = args[0]
    return int(x.numel() + x.numel() // max(1, x.shape[-1]))


def _of_factors(args: Sequence[Any], _out: Any) -> int:
    return _bytes(args[0])  # LAPACK overwrites its input


def _of_heads(args: Sequence[Any], out: Any) -> int:
    """Queries, keys and values of all heads, and their logits, which become the weights."""
    tables = _attention_tables(args[0], args[1], *args[3:5])
    averaged = len(tensors_of(out)) > 1 and tensors_of(out)[1].numel() > 0
    return tables if averaged else tables - _bytes(out)  # without weights, made when they are gone


def _attention_tables(query: Tensor, key: Tensor, width: int, heads: int) -> int:
    batch, queries = query.shape[:2]
    return int(query.itemsize * batch * (heads * queries * key.shape[1] + 3 * queries * width))


def _of_encoder(args: Sequence[Any], out: Any) -> int:
    x, width, heads = args[:3]
    norm_first = args[8]
    attention = _attention_tables(x, x, width, heads) + (_bytes(x) if norm_first else 0)
    hidden = x.numel() // width * (args[14].shape[0] + 2 * width) * x.itemsize
    return max(attention, int(hidden)) - _bytes(out)


def _of_flex(args: Sequence[Any], out: Any) -> int:
    """Without `torch.compile`: three tables of scores in float32 and one of truth values."""
    query, key = args[:2]
    return 13 * int(prod(query.shape[:-1]) * key.shape[-2]) - _bytes(out)


# at::native::cpu_flash_attention (aten/src/ATen/native/cpu/FlashAttentionKernel.cpp).


def _tile(queries: int, keys: int) -> tuple[int, int]:
    rows = 256 if queries >= 768 else 64 if queries >= 192 else 32
    return min(rows, queries), min(512, keys)


def _of_flash(args: Sequence[Any], _out: Any) -> int:
    """One thread's tile of logits, its running maxima and sums, and its part of the output."""
    query, key = args[:2]
    rows, columns = _tile(query.shape[2], key.shape[2])
    half = 0 if query.itemsize >= 4 else query.itemsize * rows * columns
    return int(max(4, query.itemsize) * rows * (columns + 2 + query.shape[3]) + half)


def _of_flash_backward(args: Sequence[Any], _out: Any) -> int:
    grad, query, key = args[:3]
    rows, columns = _tile(query.shape[2], key.shape[2])
    half = 0 if query.itemsize >= 4 else 2 * query.itemsize * rows * columns
    tiles = int(max(4, query.itemsize) * rows * (2 * columns + 1) + half)
    by_position = grad.transpose(1, 2)  # as the kernel reads it
    return tiles + (0 if by_position.is_contiguous() else _bytes(grad))


def _of_fft(args: Sequence[Any], _out: Any) -> int:
    """A copy with the transformed axes in rows, where they do not lie so."""
    return _in_rows(args[0], args[1])


def _of_c2r(args: Sequence[Any], _out: Any) -> int:
    """All axes but the last are transformed into a copy first."""
    x, axes = args[:2]
    if len(axes) == 1:
        return _in_rows(x, axes)
    return _bytes(x) + _in_rows(x, axes[:-1])


def _in_rows(x: Tensor, axes: Sequence[int]) -> int:
    transformed = {axis % x.dim() for axis in axes}
    last = set(range(x.dim() - len(transformed), x.dim()))
    return 0 if transformed == last and x.is_contiguous() else _bytes(x)


def _of_distances(args: Sequence[Any], _out: Any) -> int:
    """Distances as one product: rows of -2x, |x|^2 and 1 against rows of y, 1 and |y|^2."""
    x, y = args[:2]
    rows = x.numel() // x.shape[-1] + y.numel() // y.shape[-1]
    return int(rows * (x.shape[-1] + 2) * x.itemsize) if x.shape[-1] else 0


def _of_cdist(args: Sequence[Any], out: Any) -> int:
    power, mode = args[2], args[3] or 0
    many = max(args[0].shape[-2], args[1].shape[-2]) > 25  # at::native::cdist_impl
    by_product = power == 2 and (mode == 1 or (mode == 0 and many))
    return _of_distances(args, out) if by_product else 0


def _of_batch_norm_backward(args: Sequence[Any], _out: Any) -> int:
    """Where both maps lie alike, the gradient is allocated twice (at::batch_norm_backward_cpu)."""
    grad, x = args[:2]
    alike = grad.is_contiguous() and x.is_contiguous()
    if x.dim() == 4 and not alike:
        channels_last = torch.channels_last
        alike = all(each.is_contiguous(memory_format=channels_last) for each in (grad, x))
    return _bytes(x) if alike else 0


def _of_group_norm_backward(args: Sequence[Any], _out: Any) -> int:
    """From PyTorch 2.14 on a gradient that does not lie in rows, as that of a sum, is copied."""
    return _copied(args[0]) if TorchVersion(torch.__version__) >= "2.14" else 0


def _of_unfold(args: Sequence[Any], _out: Any) -> int:
    return _bytes(args[0])  # the output is as large as the input first, and is resized


def _of_upsampling(args: Sequence[Any], out: Any) -> int:
    """Both maps with their channels last (at::native::_use_vectorized_kernel_cond_2d)."""
    x = args[0]
    if x.is_contiguous(memory_format=torch.channels_last) or sum(out.shape[-2:]) > 128:
        return 0
    return _bytes(x) + _bytes(out)


def _of_antialiased(args: Sequence[Any], out: Any) -> int:
    """The map after its rows were resampled, before its columns are."""
    return _bytes(args[0]) // max(1, int(args[0].shape[-1])) * int(out.shape[-1])


def _of_logsumexp(args: Sequence[Any], out: Any) -> int:
    return _bytes(args[0]) + _bytes(out)  # exponentials and maxima


def _of_median(args: Sequence[Any], _out: Any) -> int:
    x = args[0]
    axis = args[1] % x.dim() if len(args) > 1 and x.dim() else -1
    return 0 if axis == x.dim() - 1 and x.is_contiguous() else _bytes(x)


def _of_trilinear(args: Sequence[Any], out: Any) -> int:
    """For one output channel at a time: x1 times its matrix, and that times x2."""
    rows = out.numel() // max(1, out.shape[-1])
    return int(rows * (args[1].shape[-1] + 1) * out.itemsize)


def _of_product(first: int) -> Rule:
    """Copies of factors (from this place on) that BLAS cannot read by rows or by columns."""

    def copied(args: Sequence[Any], _out: Any) -> int:
        factors = [x for x in args[first : first + 2] if x.layout is torch.strided and x.dim() > 1]
        return sum(_matrix_bytes(x) for x in factors if not _readable(x))

    return copied


def _readable(x: Tensor) -> bool:
    (rows, columns), (down, across) = x.shape[-2:], x.stride()[-2:]
    return (down == 1 and across >= max(1, rows)) or (across == 1 and down >= max(1, columns))


def _matrix_bytes(x: Tensor) -> int:
    return int(prod(x.shape[-2:]) * x.itemsize)  # of a batch one after the other


_RULES: dict[str, Rule] = {
    "_native_multi_head_attention": _of_heads,
    "_transformer_encoder_layer_fwd": _of_encoder,
    "flex_attention": _of_flex,
    "_scaled_dot_product_flash_attention_for_cpu": _of_flash,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _of_flash_backward,
    "_fft_c2c": _of_fft,
    "_fft_r2c": _of_fft,
    "_fft_c2r": _of_c2r,
    "_euclidean_dist": _of_distances,
    "_cdist_forward": _of_cdist,
    "abs": _of_absolute,
    "_safe_softmax": _of_safe_softmax,
    "linalg_inv_ex": _of_factors,
    "_linalg_svd": _of_factors,
    "native_batch_norm_backward": _of_batch_norm_backward,
    "native_group_norm_backward": _of_group_norm_backward,
    "im2col": _of_unfold,
    "upsample_bilinear2d": _of_upsampling,
    "upsample_nearest2d": _of_upsampling,
    "_upsample_nearest_exact2d": _of_upsampling,
    "_upsample_bilinear2d_aa": _of_antialiased,
    "_upsample_bicubic2d_aa": _of_antialiased,
    "logsumexp": _of_logsumexp,
    "median": _of_median,
    "_trilinear": _of_trilinear,
    "mm": _of_product(0),
    "bmm": _of_product(0),
    "addmm": _of_product(1),
    "baddbmm": _of_product(1),
}
