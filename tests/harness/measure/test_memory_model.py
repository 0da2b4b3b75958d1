"""The memory model: operators' temporaries are seen, and prediction and measurement agree."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_jobs import made_job

from harness.measure.memory import live_peak
from harness.measure.memory_model import (
    Call,
    MemoryEvent,
    Step,
    cpu_workspaces,
    measure_memory_model,
    measured_peak,
    operator_steps,
    peak_bytes,
    predict,
)
from harness.measure.subject import fake_subject

MIB = 2**20


def call_of(operator, *args, **kwargs):
    return Call.of(operator, args, kwargs)


def step(before, after, name="op", call=None):
    return Step(call, name, before, after)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_peak_of_blocks_that_are_held_until_the_end(sizes):
    taken = [MemoryEvent(i, size) for i, size in enumerate(sizes)]
    given_back = [MemoryEvent(100 + i, -size) for i, size in enumerate(sizes)]
    assert peak_bytes(taken + given_back) == sum(sizes)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_peak_of_blocks_that_follow_each_other(sizes):
    events = [MemoryEvent(0, sign * size) for size in sizes for sign in (1, -1)]
    assert peak_bytes(events) == max(sizes)


def test_garbage_of_before_is_no_release_of_what_is_measured():
    """Of a block that it saw made the profiler also tells when the garbage collector frees it."""

    def leave_a_cycle():
        cycle = [torch.empty(8 * MIB, dtype=torch.uint8)]
        cycle.append(cycle)

    def run():
        kept = [[] for _ in range(10_000)]  # of as many objects the collector comes by
        block = torch.empty(4 * MIB, dtype=torch.uint8)
        del kept
        return block

    assert measured_peak(leave_a_cycle) == 8 * MIB
    assert measured_peak(run) == 4 * MIB


def test_measured_peak_of_known_blocks():
    def run():
        first = torch.empty(3 * MIB, dtype=torch.uint8)
        second = torch.empty(2 * MIB, dtype=torch.uint8)
        del first
        third = torch.empty(MIB, dtype=torch.uint8)
        return second, third

    assert measured_peak(run) == 5 * MIB


def test_the_peak_is_what_was_alive_plus_what_the_operator_takes():
    heavy = call_of(torch.ops.aten.relu.default, torch.empty(4))
    steps = [step(0, 100), step(100, 120, "heavy", heavy), step(500, 530)]
    assert predict(steps, lambda calls: {heavy: 50}).bytes == 530
    found = predict(steps, lambda calls: {heavy: 900})
    assert (found.bytes, found.operator) == (1000, "heavy")


def test_each_distinct_call_is_measured_once():
    asked = []
    call = call_of(torch.ops.aten.relu.default, torch.empty(4, 4))
    same = call_of(torch.ops.aten.relu.default, torch.ones(4, 4))
    other = call_of(torch.ops.aten.relu.default, torch.empty(4, 4).t())
    steps = [step(0, 1, "relu", each) for each in (call, same, other, call)]

    def workspaces(calls):
        asked.extend(calls)
        return dict.fromkeys(calls, 1)

    predict(steps, workspaces)
    assert asked == [call, other]


def test_what_cannot_be_run_alone_is_counted_by_its_outputs_and_named():
    steps = [step(10, 70, "strange"), step(10, 20, "strange")]
    found = predict(steps, lambda calls: {})
    assert (found.bytes, found.unmeasured) == (70, Counter(strange=2))


def test_workspace_of_an_operator_without_temporaries_is_its_output():
    call = call_of(torch.ops.aten.relu.default, torch.empty(MIB))
    assert cpu_workspaces([call]) == {call: 4 * MIB}


def test_workspace_of_a_convolution_holds_more_than_its_output():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN, which copies a convolution's arguments")
    x, weight = torch.empty(1, 64, 32, 32), torch.empty(64, 64, 3, 3)
    arguments = (x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    call = call_of(torch.ops.aten.convolution.default, *arguments)
    assert cpu_workspaces([call])[call] > 64 * 32 * 32 * 4


def test_indices_are_made_so_that_every_tensor_has_them():
    call = call_of(torch.ops.aten.index_select.default, torch.empty(3, 4), 0, torch.tensor([2, 2]))
    assert cpu_workspaces([call]) == {call: 2 * 4 * 4}


def test_a_call_that_fails_on_made_up_values_is_left_out():
    call = call_of(torch.ops.aten.mm.default, torch.empty(2, 3), torch.empty(2, 3))
    fine = call_of(torch.ops.aten.relu.default, torch.empty(8))
    assert cpu_workspaces([call, fine]) == {fine: 32}


def test_the_trace_has_the_same_live_peak():
    case = made_job("self_attention", (1, 32, 12, 10)).case
    with fake_subject(case) as subject:
        peak = live_peak(subject)
        steps = operator_steps(subject)
    assert max(max(each.before, each.after) for each in steps) == peak


@pytest.mark.parametrize("pass_", ["inference", "training"])
@pytest.mark.parametrize(
    "module", ["ppm", "aspp", "base_oc", "self_attention", "squeeze_reasoning", "danet"]
)
def test_prediction_and_measurement_agree(module, pass_):
    figures = measure_memory_model(made_job(module, (2, 64, 24, 20), pass_=pass_))
    assert figures["predicted_peak_bytes"] == pytest.approx(
        figures["measured_peak_bytes"], rel=0.02
    )
    assert "warnings" not in figures


def test_channels_last_is_part_of_a_call():
    job = made_job("aspp", (2, 64, 24, 20))
    figures = measure_memory_model(replace(job, case=replace(job.case, channels_last=True)))
    assert figures["predicted_peak_bytes"] == pytest.approx(
        figures["measured_peak_bytes"], rel=0.02
    )


def test_a_module_that_needs_values_is_traced_on_real_tensors():
    figures = measure_memory_model(made_job("Branching"))
    assert figures["predicted_peak_bytes"] == pytest.approx(
        figures["measured_peak_bytes"], rel=0.02
    )
