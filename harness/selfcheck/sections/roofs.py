"""The ceilings of `harness calibrate` against a copy and a product timed by another tool."""

from collections.abc import Iterator
from typing import Any

import torch

from harness.case import Device
from harness.measure.roofline.bench import CpuBench, CudaBench
from harness.measure.roofline.calibration import measure_here
from harness.selfcheck.finding import Finding, ratio_within, skipped
from harness.selfcheck.sections.timing import Peer, peers
from harness.selfcheck.setting import Setting

LIMITS = {"cuda": (0.9, 1.1), "cpu": (0.75, 1.5)}
"""Ceilings over what the other tool reaches. On the CPU more may lie between two moments, and a
ceiling is the best of several sizes."""

_LARGE = 2  # of the sides that the ceilings try

_TYPES = {"cuda": ("float32", "bfloat16"), "cpu": ("float32",)}


def check(setting: Setting) -> Iterator[Finding]:
    """The bandwidth of a copy, and the peak of a data type's product."""
    others: Any = peers(setting.device)
    if isinstance(others, str):
        yield skipped("other timers", others)
        return
    name, timer = next(iter(others.items()))
    ceilings = measure_here(setting.device, torch.get_num_threads())
    bench = CudaBench() if setting.device == "cuda" else CpuBench()
    least, most = LIMITS[setting.device]
    source = torch.ones(bench.array_bytes // 4, device=setting.device)
    target = torch.zeros_like(source)
    with torch.inference_mode():
        rate = 2 * source.nbytes / timer(lambda: target.copy_(source))
        ratio = ceilings.bandwidth.median / rate
        said = f"copy {ceilings.bandwidth.median / 1e9:.1f} GB/s, {name} {rate / 1e9:.1f} GB/s"
        yield ratio_within("bandwidth", ratio, least, most, said)
        for dtype in _TYPES[setting.device]:
            peak = ceilings.peaks[dtype]
            if peak.rate is None:
                yield skipped(dtype, peak.cause or "not known")
                continue
            # The best of the larger sides: on a busy machine a short product is all waiting.
            rate = max(
                _product(dtype, side, setting.device, timer) for side in bench.sides[-_LARGE:]
            )
            said = f"product {peak.rate.median / 1e9:.1f} GFLOP/s, {name} {rate / 1e9:.1f} GFLOP/s"
            yield ratio_within(dtype, peak.rate.median / rate, least, most, said)


def _product(dtype: str, side: int, device: Device, timer: Peer) -> float:
    """FLOP/s of a product of two square matrices, as another tool times it."""
    kind = getattr(torch, dtype)
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return 2 * side**3 / timer(lambda: a @ b)
