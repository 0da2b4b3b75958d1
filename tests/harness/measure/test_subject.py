"""The subject of a measurement is built as its case says."""

import pytest
import torch
from made_jobs import made_job

from harness.measure.operations import measure_operations
from harness.measure.subject import fake_subject, real_subject


@pytest.mark.parametrize(("pass_", "training"), [("inference", False), ("training", True)])
def test_mode_and_gradients_follow_the_pass(pass_, training):
    job = made_job("Tied", pass_=pass_)
    real = real_subject(job.case, 0, job.search_path)
    with fake_subject(job.case, job.search_path) as fake:
        for subject in (fake, real):
            assert subject.module.training is subject.module.norm.training is training
            assert subject.inputs[0].requires_grad is training
    before = real.module.norm.running_mean.clone()
    real.forward()
    assert torch.equal(real.module.norm.running_mean, before) is not training
    assert (real.module.first.weight.grad is not None) is training
    real.clear_gradients()
    assert real.module.first.weight.grad is real.inputs[0].grad is None


def test_equal_seeds_give_equal_tensors():
    job = made_job("Tied")
    one, same, other = (real_subject(job.case, seed, job.search_path) for seed in (1, 1, 2))
    assert torch.equal(one.inputs[0], same.inputs[0])
    assert torch.equal(one.module.first.weight, same.module.first.weight)
    assert not torch.equal(one.inputs[0], other.inputs[0])


@pytest.mark.parametrize("module", ["Ramped", "Configured"])
def test_a_constructor_that_asks_for_values_is_counted_on_fakes_whoever_calls_it(module):
    figures = measure_operations(made_job(module, (1, 3, 8, 8)))
    assert figures["conv_macs"] == 64 * 3 * 4
    assert not figures.get("warnings")
