"""Outputs that are not finite are refused, wherever they stand in the output."""

import pytest
import torch
from made_jobs import made_job

from harness.measure.latency import measure_latency
from harness.measure.memory import measure_resident
from harness.measure.subject import NonFiniteOutputError, require_finite


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
def test_bad_elements_are_counted(bad, dtype):
    out = torch.zeros(3, 4, dtype=dtype)
    out[1, 2] = bad
    with pytest.raises(NonFiniteOutputError, match="1 of 12 output elements"):
        require_finite({"out": [torch.ones(2), out]})


@pytest.mark.parametrize(
    "out",
    [torch.ones(3), torch.zeros(2, dtype=torch.long), (torch.ones(1), None, 3), torch.empty(0)],
)
def test_good_outputs_pass(out):
    require_finite(out)


@pytest.mark.parametrize("measure", [measure_latency, measure_resident])
def test_module_with_bad_outputs_is_not_measured(measure):
    with pytest.raises(NonFiniteOutputError, match=r"3 of 1536 output elements"):
        measure(made_job("NotFinite"))
