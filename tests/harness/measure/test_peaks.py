"""Predicted against measured peaks of CPU passes, layer by layer, within 2 %."""

import pytest
import torch
from layers import LIBRARY, SHAPES, SHAPES_IN_INFERENCE

from harness.case import Case
from harness.measure.memory import live_peak
from harness.measure.memory_model import cpu_workspaces, measured_peak, operator_steps, predict
from harness.measure.subject import Subject, fakes

LAYERS = LIBRARY | SHAPES | SHAPES_IN_INFERENCE
INFERENCE = [(name, "inference") for name in LAYERS]
TRAINING = [(name, "training") for name in LIBRARY | SHAPES]


@pytest.fixture(autouse=True)
def _one_thread():
    """A kernel may take scratch memory for each thread; the live peak counts one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def subject_of(name, pass_):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    training = pass_ == "training"
    x = torch.rand(shape, requires_grad=training)
    return Subject(Case(name, {}, (shape,), pass_=pass_), make().train(training), (x,))


def measured(name, pass_):
    subject = subject_of(name, pass_)
    subject.forward()
    subject.clear_gradients()
    return measured_peak(subject.forward)


@pytest.mark.parametrize(("name", "pass_"), INFERENCE + TRAINING)
def test_the_prediction_is_within_two_percent(name, pass_):
    with fakes():
        subject = subject_of(name, pass_)
        steps = operator_steps(subject)
        live = live_peak(subject_of(name, pass_))
    predicted = predict(steps, cpu_workspaces)
    found = measured(name, pass_)
    assert predicted.bytes == pytest.approx(found, rel=0.02)
    assert not predicted.unmeasured
    if name not in LIBRARY:
        assert live == pytest.approx(found, rel=0.02)
    assert live <= found * 1.02
