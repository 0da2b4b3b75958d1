"""Allocator peak: what PyTorch's allocator held on the GPU at most, in a pass of its own."""

from harness.case import Job
from harness.measure.compiled import as_run
from harness.measure.cuda_allocator import allocator_peak
from harness.measure.finite import require_finite
from harness.measure.subject import real_subject


def measure_allocator(job: Job) -> dict[str, object]:
    """Run one pass on CUDA after a warm-up and read the caching allocator (CUDA cases).

    Returns:
        `allocator_peak_bytes`: most that was allocated, over what was allocated before the pass, so
        that inputs, parameters and buffers are left out; `allocator_reserved_bytes`: most that was
        reserved from the driver, everything of the process included. Both `None` on the CPU, whose
        allocator keeps no such account (`memory_model` reads it through the profiler).
    """
    if job.case.device != "cuda":
        return {"allocator_peak_bytes": None, "allocator_reserved_bytes": None}
    subject = as_run(real_subject(job.case, job.seed, job.search_path))
    require_finite(subject.forward())
    subject.clear_gradients()
    peak = allocator_peak(subject.forward)
    return {
        "allocator_peak_bytes": peak.allocated,
        "allocator_reserved_bytes": peak.reserved,
    }
