"""What Region Attention's own operators cost.

They are opaque to a dispatch mode, so their work is written down here; none holds a product of
matrices. N = H * W.
"""

from collections.abc import Sequence
from typing import Any

from context_modules.line_maximum import boundary_line_samples
from harness.measure.attention import Rule
from harness.measure.cost import Cost


def _line_maximum(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # Each line is walked once for both directions; the papers' figure counts ordered pairs.
    images, height, width = args[0].shape
    samples = images * (boundary_line_samples(height, width) // 2)
    return Cost(elementwise=(("line_sample", samples),))


def _per_line(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    return Cost(elementwise=(("line_sample", args[0].numel()),))


def _join_maps(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    maps, categories, semantic = args[:3]
    return _divergence(maps, categories, semantic)


def _split_gradient(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    maps, _, categories, semantic = args[:4]
    return _divergence(maps, categories, semantic)


def _divergence(maps: Any, categories: Any, semantic: bool) -> Cost:
    """One term per pair and category, each unordered pair once (RANet, Eq. 2)."""
    pairs = maps.numel()
    terms = ("divergence", pairs * categories.shape[1] // 2)
    return Cost(elementwise=(("pointwise", pairs), *((terms,) if semantic else ())))


def _connected_components(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # How many rounds there are depends on the values; one look at every pair is the least.
    return Cost(elementwise=(("graph", args[0].numel()),))


def _region_mean(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    return Cost(elementwise=(("reduce", args[0].numel()),))


REGION_OPERATORS: dict[str, Rule] = {
    "line_maximum": _line_maximum,
    "line_values": _per_line,
    "line_gradient": _per_line,
    "join_maps": _join_maps,
    "split_gradient": _split_gradient,
    "connected_components": _connected_components,
    "region_mean": _region_mean,
}
