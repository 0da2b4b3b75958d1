"""Ceilings on a fake clock, where every rate is known, and a small real measurement."""

import math
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from fake_cuda import Clock, Queue

import harness.measure.roofline.bench as benches
from harness.environment.machine import last_level_bytes
from harness.measure.roofline.bench import CpuBench, CudaBench, array_bytes
from harness.measure.roofline.ceilings import measure_ceilings, measure_peak, measure_rate


@dataclass
class FakeBench:
    """A device whose speed depends on type and side alone, on a clock that only its work moves."""

    flops: dict[tuple[str, int], float]
    bandwidth: float = 8e9
    dtypes: tuple[str, ...] = ("float32",)
    sides: tuple[int, ...] = (100, 200, 400)
    array_bytes: int = 10_000_000
    now: float = 0.0
    ran: list[tuple[str, int]] = field(default_factory=list)

    def _take(self, seconds):
        def take():
            self.now += seconds
            return seconds

        return take

    def matmul(self, dtype, side):
        if (dtype, side) not in self.flops:
            raise RuntimeError(f'"addmm" not implemented for {dtype!r}\nmore')
        self.ran.append((dtype, side))
        return self._take(2 * side**3 / self.flops[dtype, side])

    def copy(self):
        return self._take(2 * self.array_bytes / self.bandwidth)

    def clock(self):
        return self.now


def test_a_rate_is_work_over_the_median_time():
    bench = FakeBench({})
    times = iter([9.0, 1.0, 2.0, 4.0, 1.0, 2.0, 4.0])

    def take():
        seconds = next(times)
        bench.now += seconds
        return seconds

    rate = measure_rate(take, 100.0, bench.clock, budget=14.0)
    # The warm-up of 9 s is left out: samples of 1, 2, 4, 1, 2, 4 s, and then no other fits.
    assert rate.samples == 6
    assert (rate.low, rate.median, rate.high) == (25.0, 50.0, 100.0)
    assert rate.confidence == pytest.approx(1 - 2 / 2**6)


def test_the_peak_is_the_fastest_side():
    peak = measure_peak(
        FakeBench({("float32", 100): 1e9, ("float32", 200): 4e9, ("float32", 400): 3e9}), "float32"
    )
    assert (peak.side, peak.cause) == (200, None)
    assert peak.rate.median == pytest.approx(4e9)
    assert (peak.rate.low, peak.rate.high) == pytest.approx((4e9, 4e9))
    assert peak.rate.confidence >= 0.95


def test_a_product_that_would_take_too_long_is_left_out():
    # 200^3 x 2 = 16e6 operations take 0.16 s at 1e8 FLOP/s; 400^3 x 2 would take 1.28 s.
    slow = FakeBench({("float32", side): 1e8 for side in (100, 200, 400)})
    assert measure_peak(slow, "float32").rate.median == pytest.approx(1e8)
    assert slow.ran == [("float32", 100), ("float32", 200)]


def test_a_type_without_a_product_says_why_and_costs_the_others_nothing():
    bench = FakeBench({("float32", 100): 1e9}, dtypes=("float16", "float32"))
    ceilings = measure_ceilings(bench)
    assert ceilings.peaks["float16"].rate is None
    assert ceilings.peaks["float16"].cause == "\"addmm\" not implemented for 'float16'"
    # A larger side that fails, for lack of memory say, leaves the smaller one's peak.
    assert ceilings.peaks["float32"].rate.median == pytest.approx(1e9)


def test_bandwidth_counts_bytes_read_and_written():
    ceilings = measure_ceilings(FakeBench({("float32", 100): 1e9}, bandwidth=8e9))
    assert ceilings.bandwidth.median == pytest.approx(8e9)
    assert ceilings.array_bytes == 10_000_000


def test_arrays_exceed_the_cache_and_spare_the_memory():
    gib = 1 << 30
    assert array_bytes(None, 64 * gib) == 1 << 28
    assert array_bytes(gib, 64 * gib) == 4 * gib
    assert array_bytes(gib, 8 * gib) == gib


def test_shared_last_level_caches_count_once(tmp_path):
    def cache(cpu, index, level, kind, size, shared):
        folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        values = {"level": level, "type": kind, "size": size, "shared_cpu_list": shared}
        for name, value in values.items():
            (folder / name).write_text(f"{value}\n")

    assert last_level_bytes(tmp_path) is None
    for cpu in range(4):
        cache(cpu, 0, 1, "Data", "32K", cpu)
        cache(cpu, 3, 3, "Unified", "16M", "0-1" if cpu < 2 else "2-3")
    assert last_level_bytes(tmp_path) == 2 * 16 << 20
    (tmp_path / "cpu0" / "cache" / "index3" / "size").write_text("unknown\n")
    assert last_level_bytes(tmp_path) == 2 * 16 << 20  # its neighbour lists it too


def test_a_small_real_measurement():
    bench = CpuBench()
    bench.dtypes, bench.sides, bench.array_bytes = ("float32",), (64, 96), 1 << 20
    before = time.perf_counter()
    ceilings = measure_ceilings(bench)
    elapsed = time.perf_counter() - before
    peak = ceilings.peaks["float32"]
    assert peak.side in (64, 96)
    for rate in (peak.rate, ceilings.bandwidth):
        assert 0 < rate.low <= rate.median <= rate.high < math.inf
    # What was timed really ran: all copies together cannot take longer than the measurement.
    moved = ceilings.bandwidth.samples * 2 * (1 << 20)
    assert moved / ceilings.bandwidth.high < elapsed


def test_the_kernels_of_the_cpu_do_their_work():
    bench = CpuBench()
    bench.array_bytes = 4096
    made = []
    take = bench._timed(lambda: made.append(1) or torch.empty(0))
    assert take() >= 0
    assert made == [1]
    assert bench.copy()() >= 0
    assert bench.matmul("bfloat16", 8)() >= 0
    with pytest.raises(AttributeError):
        bench.matmul("float7", 8)


class Gpu(Queue):
    """What `torch.cuda` says of a device of its own, whose kernels take what they are given."""

    def get_device_properties(self, _index):
        return SimpleNamespace(L2_cache_size=1 << 20)

    def mem_get_info(self):
        return 64 << 30, 80 << 30


def gpu_bench(monkeypatch):
    clock = Clock()
    bench = CudaBench(Gpu(clock))
    monkeypatch.setattr(bench, "clock", clock)
    return bench, bench._cuda


def test_a_rate_of_a_gpu_has_no_launch_in_it(monkeypatch):
    bench, gpu = gpu_bench(monkeypatch)
    copying = 2 * bench.array_bytes / 4e12  # seconds
    take = bench._timed(lambda: gpu.launch(copying))
    rate = measure_rate(take, 2 * bench.array_bytes, bench.clock)
    assert (rate.low, rate.median, rate.high) == pytest.approx((4e12, 4e12, 4e12), rel=1e-9)


def test_the_precision_of_products_is_set_before_they_are_timed(monkeypatch):
    bench, gpu = gpu_bench(monkeypatch)
    matmul = SimpleNamespace(allow_tf32=None)
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    matrices = benches._matrices
    monkeypatch.setattr(benches, "_matrices", lambda _device, *asked: matrices("cpu", *asked))
    event, seen = gpu.Event, []

    def noticed(enable_timing):
        seen.append(matmul.allow_tf32)
        return event(enable_timing)

    takes = [bench.matmul(dtype, 2) for dtype in ("tf32", "float32")]
    gpu.Event = noticed
    assert all(take() >= 0 for take in (*takes, *takes))
    assert seen == [True, True, False, False] * 2
