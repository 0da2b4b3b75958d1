"""`harness.latency` and `harness.compare`: samples, verdicts and what is printed of them."""

import re

import pytest
import torch
from torch import nn

import harness
from harness.api.timing import Latency, comparison_of

SHAPE = (1, 4, 24, 24)
FEW = {"criterion": "fixed", "samples": 8}


def conv() -> nn.Module:
    return nn.Conv2d(4, 8, 3)


def test_a_latency_has_its_samples_interval_and_a_sentence():
    found = harness.latency(conv(), SHAPE, **FEW)
    assert len(found.samples) == 8
    assert 0 < found.low_seconds <= found.seconds <= found.high_seconds
    said = repr(found).splitlines()
    assert re.fullmatch(
        r"Conv2d: [\d.]+ [num]?s \(95 % interval [\d.]+ to [\d.]+ [num]?s, 8 samples\), "
        r"in this process: not isolated",
        said[0],
    )
    assert said[1].startswith("inference, cpu, float32, ")
    assert said[2:] == [f"warning: {each}" for each in found.warnings]


def test_few_samples_are_a_range_and_raise_the_flag_of_a_suite():
    found = harness.latency(conv(), SHAPE, criterion="fixed", samples=1)
    assert "(range " in repr(found)
    assert "1 sample)" in repr(found)
    assert "too few" in found.flags


def test_threads_modes_and_inputs_are_as_they_were():
    module, x, before = conv(), torch.ones(SHAPE), torch.get_num_threads()
    module.eval()
    found = harness.latency(lambda y: module(y.add_(1)), x, threads=1, pass_="training", **FEW)
    assert ", 1 thread, " in repr(found)
    assert torch.get_num_threads() == before
    assert not module.training
    assert module.weight.grad is None
    assert torch.equal(x, torch.ones(SHAPE))


def test_what_is_timed_runs_in_the_mode_of_its_pass():
    seen = []

    class Asks(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
            return x * 2

    harness.latency(Asks(), SHAPE, **FEW)
    harness.latency(Asks(), SHAPE, pass_="training", **FEW)
    assert set(seen) == {(False, True, False), (True, False, True)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pass_": "learning"}, "pass_ learning: did you mean training"),
        ({"criterion": "fixd"}, "criterion fixd: did you mean fixed"),
        ({"cache": "warm"}, "cache warm: the choices are cold, hot"),
        ({"samples": 0}, "samples 0: write a whole number from 1"),
        ({"threads": "2"}, "threads '2': write a whole number from 1"),
        ({"max_time": -1}, "max_time -1: write a number above 0"),
        ({"min_time": float("nan")}, "min_time nan: write a number above 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(harness.HarnessError, match=message):
        harness.latency(conv(), SHAPE, **options)
    with pytest.raises(harness.HarnessError, match=message):
        harness.compare({"a": conv(), "b": conv()}, SHAPE, **options)


def test_a_device_without_values_is_refused():
    with pytest.raises(harness.HarnessError, match="Conv2d is on meta; move it"):
        harness.latency(nn.Conv2d(4, 8, 3, device="meta"), SHAPE)


def test_an_output_that_is_not_finite_is_an_error():
    with pytest.raises(harness.HarnessError, match="output elements are NaN or infinite"):
        harness.latency(lambda x: x / 0 * 0, SHAPE)


class Machine:
    """A clock that moves when a function works, and the more slowly the later it is."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def perf_counter(self):
        return self.now

    def function(self, name, seconds):
        def work(x):
            self.order.append(name)
            self.now += seconds * (1 + self.now / 100)
            return x * 2

        return work


def test_passes_of_a_comparison_are_interleaved_and_told_apart(monkeypatch):
    machine = Machine()
    monkeypatch.setattr("harness.api.timing.time", machine)
    functions = {"many": machine.function("many", 0.05), "one": machine.function("one", 0.01)}
    found = harness.compare(functions, SHAPE, **FEW)
    blocks = [machine.order[-4 * n :][:4] for n in range(1, 5)]
    assert all(block == block[::-1] and len({*block}) == 2 for block in blocks)
    assert [len(each.samples) for each in found.latencies.values()] == [8, 8]
    assert found.fastest == "one"
    assert found.verdicts == ("one is 5.00 times as fast as many (5.00 to 5.00)",)


def test_more_passes_are_taken_until_the_noise_of_each_has_settled(monkeypatch):
    machine = Machine()
    monkeypatch.setattr("harness.api.timing.time", machine)
    functions = {name: machine.function(name, 0.01) for name in "ab"}
    found = harness.compare(functions, SHAPE, max_time=2)
    assert len(found.latencies["a"].samples) == len(found.latencies["b"].samples) >= 50
    assert found.verdicts[0].endswith("differ by less than 2 % (1.00 to 1.00)")


def test_more_than_two_are_each_held_against_the_fastest():
    found = harness.compare({1: conv(), 2: "interlaced", 3: nn.ReLU}, SHAPE, **FEW)
    assert set(found.latencies) == {"1", "2", "3"}
    assert set(found.relative) == {"1", "2", "3"} - {found.fastest}
    assert len(found.verdicts) == 2


@pytest.mark.parametrize("modules", [{}, {"a": conv()}, [conv(), conv()], None])
def test_a_comparison_takes_two_or_more_by_name(modules):
    with pytest.raises(harness.HarnessError, match="two modules or more by name"):
        harness.compare(modules, SHAPE)


def test_an_error_names_the_module_as_it_was_called():
    with pytest.raises(harness.HarnessError, match="mine does not run on 1x4x24x24") as caught:
        harness.compare({"a": conv(), "mine": nn.Linear(3, 3)}, SHAPE, **FEW)
    assert isinstance(caught.value.__cause__, RuntimeError)


def timed(name: str, samples: list[float]) -> Latency:
    middle = sorted(samples)[len(samples) // 2]
    return Latency(
        name, middle, min(samples), max(samples), 0.97, tuple(samples), (), (), "inference, cpu"
    )


# One drift that both meet, which a comparison of the medians alone would take for noise.
DRIFT = [0.010 * 1.1**n for n in range(10)]
JITTER = [1.002, 0.998, 1.001, 0.999, 1.0, 1.002, 0.998, 1.001, 0.999, 1.0]


@pytest.mark.parametrize(
    ("of_b", "verdict", "sentence"),
    [
        ([1.3 * j for j in JITTER], "slower", "a is 1.30 times as fast as b (1.30 to 1.30)"),
        ([1.001 * j for j in JITTER], "same", "a and b differ by less than 2 % (1.00 to 1.00)"),
        ([1.012, 1.022] * 5, "unclear", "a and b differ, but perhaps by less than 2 % (1.01 to "),
        ([1.3, 0.8] * 5, "unclear", "a and b cannot be told apart ("),
    ],
)
def test_the_verdict_is_that_of_the_pairs(of_b, verdict, sentence, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    b = [x * y for x, y in zip(DRIFT, of_b, strict=True)]
    found = comparison_of({"b": timed("b", b), "a": timed("a", DRIFT)})
    if found.fastest == "a":
        assert found.relative["b"].verdict == verdict
        assert found.verdicts[0].startswith(sentence)
    else:
        assert found.relative["a"].verdict == verdict == "unclear"
    lines = repr(found).splitlines()
    assert "relative" in lines[1]
    assert max(map(len, lines)) <= 80
    assert "10 passes of each, interleaved, in this process: not isolated" in lines
    frame = found.to_frame()
    assert frame["name"].tolist() == ["b", "a"]
    assert frame.set_index("name").loc[found.fastest, "relative"] == 1
    assert found._repr_html_().count("<table") == 1
