"""Resident set: a temporary of known size is seen, though it is gone when the pass ends."""

from dataclasses import replace

import pytest
from made_jobs import made_job

from harness.measure.memory import measure_resident

MIB = 2**20


def test_temporary_of_known_size():
    measure_resident(made_job("SharedReLU"))  # what the first pass of a process loads
    figures = measure_resident(made_job("Temporary"))
    if figures["resident_peak_bytes"] is None:
        assert figures["warnings"]
        pytest.skip("this kernel does not let a process reset its peak")
    assert figures["resident_peak_bytes"] == pytest.approx(64 * MIB, abs=4 * MIB)


def test_module_without_temporaries_needs_next_to_nothing():
    measure_resident(made_job("SharedReLU"))
    peak = measure_resident(made_job("SharedReLU"))["resident_peak_bytes"]
    assert peak is None or peak < 4 * MIB


def test_resident_set_says_nothing_of_a_cuda_case():
    job = made_job("SharedReLU")
    cuda = replace(job, case=replace(job.case, device="cuda"))
    assert measure_resident(cuda) == {"resident_peak_bytes": None}
