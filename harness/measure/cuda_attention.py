"""Attention as CUDA runs it, for fake tensors, which lie on the CPU.

There PyTorch takes its quadratic path wherever keys and values differ in width, and this project
goes block by block instead; on CUDA neither is so. A count of a CUDA case that followed the CPU
would predict a relation matrix that is never made, or blocks of it, and refuse cases that fit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from context_modules import attention as attention_module
from context_modules import graph_attention, natten_use, triton_use
from harness.case import Case
from harness.measure import neighborhood_operator

# aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, check_head_dim_size_mem_efficient: rows of
# queries and values begin at multiples of 16 bytes.
_ALIGNED_BYTES = 16
_TYPES = (torch.float32, torch.float16, torch.bfloat16)
# transformers/attention.cpp, pad_bias: rows of a mask that is added begin at multiples of 16.
_MASK_ROW = 16


@contextmanager
def attention_as_on(case: Case) -> Iterator[None]:
    """Within it attention takes the operators of the case's device.

    `scaled_dot_product_attention` is one where it is one on CUDA, and `kernel: triton` and
    `kernel: natten` need neither a GPU nor Triton and NATTEN.
    """
    if case.device != "cuda":
        yield
        return
    module: Any = F
    name = "scaled_dot_product_attention"
    plain = getattr(module, name)

    def attention(query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        given = dict(zip(("attn_mask", "dropout_p", "is_causal"), more, strict=False)) | named
        if not is_fused(query, key, value, given):
            result: Tensor = plain(query, key, value, *more, **named)
            return result
        return _fused(query, key, value, given)

    def on_a_gpu(_device: torch.device) -> bool:
        return True

    own: tuple[tuple[Any, str, Any], ...] = (
        (module, name, attention),
        (attention_module, "takes_any_width", on_a_gpu),
        (graph_attention, "takes_any_width", on_a_gpu),  # under a name of its own
        (triton_use, "reaches", on_a_gpu),
        (natten_use, "attend_by_natten", neighborhood_operator.attend),
    )
    before = [getattr(*each[:2]) for each in own]
    for each in own:
        setattr(*each)
    try:
        yield
    finally:
        for each, kept in zip(own, before, strict=True):
            setattr(*each[:2], kept)


def is_fused(query: Tensor, key: Tensor, value: Tensor, given: dict[str, Any]) -> bool:
    """Whether a GPU from Ampere on has a kernel whose memory is linear in the queries.

    Any width that its memory-efficient kernel takes; its flash and cuDNN kernels take fewer.

    Args:
        query: (batch, heads, queries, width), as of the call.
        key: of the call.
        value: of the call.
        given: the other arguments by name.
    """
    mask = given.get("attn_mask")
    tensors = (query, key, value)
    return (
        not given.get("enable_gqa")
        and not (mask is not None and mask.requires_grad)
        and all(x.dim() == 4 and x.dtype == query.dtype in _TYPES for x in tensors)
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
        and all(x.shape[-1] * x.itemsize % _ALIGNED_BYTES == 0 for x in (query, value))
        and all(x.stride(-1) == 1 and x.numel() for x in tensors)
    )


def _fused(query: Tensor, key: Tensor, value: Tensor, given: dict[str, Any]) -> Tensor:
    gradients = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
    outputs: tuple[Tensor, ...] = torch.ops.aten._scaled_dot_product_efficient_attention(
        query,
        key,
        value,
        _added(given.get("attn_mask"), query, key),
        gradients,
        given.get("dropout_p", 0.0),
        given.get("is_causal", False),
        scale=given.get("scale"),
    )
    return outputs[0]


def _added(mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
    """What is added to the logits, as large as PyTorch makes it of a mask."""
    if mask is None:
        return None
    added = mask
    if mask.dtype == torch.bool:
        added = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, float("-inf"))
    missing = -added.shape[-1] % _MASK_ROW
    if missing:
        added = F.pad(added, (0, missing))[..., : key.shape[-2]]
    return added.expand(*query.shape[:-1], key.shape[-2])
