"""Attention of a CUDA case is counted as CUDA runs it, though nothing here has a GPU."""

from contextlib import suppress
from dataclasses import replace
from inspect import Parameter, signature
from math import prod
from typing import get_args

import pytest
import torch
from made_jobs import made_job
from torch.nn import functional as F

from context_modules import natten_use, triton_use
from context_modules.catalog import CATALOG
from harness.measure.cuda_attention import attention_as_on
from harness.measure.memory import measure_memory
from harness.measure.operations import measure_operations
from harness.measure.subject import fakes

SIDE = 48  # 2304 positions: a relation matrix of 20 MiB
MATRIX = 4 * SIDE**4
MAPS = 4 * SIDE**2 * 512


def asked(device, kernel, **changes):
    job = made_job("non_local", (1, 512, SIDE, SIDE), key_channels=64, kernel=kernel)
    return replace(job, case=replace(job.case, device=device, **changes))


def peak(job):
    name = "live_peak_training_bytes" if job.case.pass_ == "training" else "live_peak_bytes"
    return measure_memory(job)[name]


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_a_fused_case_of_unequal_widths_holds_no_relation_matrix(pass_):
    assert peak(asked("cuda", "explicit", pass_=pass_)) > MATRIX
    assert peak(asked("cpu", "fused", pass_=pass_)) < MATRIX + MAPS  # where PyTorch makes one
    assert peak(asked("cuda", "fused", pass_=pass_)) < MATRIX


def test_the_predicted_peak_of_a_gpu_is_what_its_allocator_said():
    job = made_job("non_local", (1, 512, 96, 96), key_channels=64, kernel="fused")
    job = replace(job, case=replace(job.case, device="cuda"))
    assert peak(job) / 2**20 == pytest.approx(45.0, abs=0.1)


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_kernels_in_triton_are_counted_without_a_gpu_and_without_triton(monkeypatch, pass_):
    monkeypatch.setattr(triton_use, "find_spec", lambda _name: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    by_form = {form: asked("cuda", form, pass_=pass_) for form in ("explicit", "triton")}
    assert peak(by_form["triton"]) < MATRIX < peak(by_form["explicit"])
    counted = {form: measure_operations(job) for form, job in by_form.items()}
    assert not counted["triton"]["uncounted_ops"]
    # In the backward both of its kernels make the logits again, and one the weights' gradients.
    again = SIDE**4 * (2 * 64 + 256) if pass_ == "training" else 0
    assert counted["triton"]["matmul_macs"] == counted["explicit"]["matmul_macs"] + again


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_a_context_prior_by_kernels_holds_no_map(monkeypatch, pass_):
    monkeypatch.setattr(triton_use, "find_spec", lambda _name: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    size, channels = (24, 25), 8
    by_form = {}
    for kernel in ("explicit", "fused", "triton"):
        job = made_job(
            "context_prior", (1, 8, *size), input_size=list(size), context_channels=channels,
            out_channels=8, kernel_size=3, kernel=kernel,
        )  # fmt: skip
        by_form[kernel] = replace(job, case=replace(job.case, device="cuda", pass_=pass_))
    pairs = prod(size) ** 2
    assert peak(by_form["triton"]) < 4 * pairs < peak(by_form["explicit"])
    counted = {form: measure_operations(job) for form, job in by_form.items()}
    assert not counted["triton"]["uncounted_ops"]
    # Its backward makes the logits thrice and the chances' gradients twice. So small a map is one
    # block of the fused form, which keeps it.
    again = 4 * pairs * channels if pass_ == "training" else 0
    assert counted["triton"]["matmul_macs"] == counted["fused"]["matmul_macs"] + again


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_kernels_of_natten_are_counted_without_a_gpu_and_without_natten(monkeypatch, pass_):
    monkeypatch.setattr(natten_use, "find_spec", lambda _name: None)
    side, channels, window = 20, 32, 5
    pairs, maps = side**2 * window**2, 4 * side**2 * channels
    counted, held = {}, {}
    for kernel in ("explicit", "natten"):
        job = made_job(
            "neighborhood_attention", (1, channels, side, side), window=window, rows=side,
            relative_bias=False, kernel=kernel,
        )  # fmt: skip
        job = replace(job, case=replace(job.case, device="cuda", pass_=pass_))
        counted[kernel], held[kernel] = measure_operations(job), peak(job)
    assert not counted["natten"]["uncounted_ops"]
    # The backward of the explicit form takes four products, that of the kernels five.
    again = pairs * channels if pass_ == "training" else 0
    assert counted["natten"]["matmul_macs"] == counted["explicit"]["matmul_macs"] + again
    gathered = 2 * window**2 * maps
    assert held["natten"] < gathered < held["explicit"]


def forms(entry):
    return get_args(signature(entry.load()).parameters.get("kernel", Parameter).annotation)


MODULES = [entry for entry in CATALOG if "triton" in forms(entry)]


def test_what_has_the_form():
    names = {entry.name for entry in MODULES}
    assert {
        "self_attention",
        "danet",
        "asp_oc",
        "interlaced",
        "apnb",
        "rcca",
        "graph_guided",
        "context_prior",
        "region_attention",
    } <= names
    assert not names & {"window_attention", "neighborhood_attention"}


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_regions_hold_no_map_of_pairs(monkeypatch, pass_):
    monkeypatch.setattr(triton_use, "find_spec", lambda _name: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    shape, given = (1, 32, SIDE, SIDE), {"channels": 16, "out_channels": 16, "max_regions": 4}
    by_form = {}
    for kernel in ("explicit", "triton"):
        job = made_job("region_attention", shape, kernel=kernel, **given)
        by_form[kernel] = replace(job, case=replace(job.case, device="cuda", pass_=pass_))
    assert peak(by_form["triton"]) < MATRIX / 4 < MATRIX < peak(by_form["explicit"])
    assert not measure_operations(by_form["triton"])["uncounted_ops"]


@pytest.mark.parametrize("entry", MODULES, ids=lambda entry: entry.name)
def test_every_module_that_has_it_is_counted_as_another_form(entry):
    taken = signature(entry.load()).parameters
    further = {"high_channels": 32} if "high_channels" in taken else {}
    shapes = ((1, 64, 16, 16), *([(1, 32, 8, 8)] if further else []))
    further |= {"scales": [1, 2]} if "scales" in taken else {}
    further |= {"heads": ["LOCAL_2"]} if "heads" in taken else {}  # windows within the map
    further |= {"input_size": list(shapes[0][2:])} if "input_size" in taken else {}
    counted = []
    for kernel in ("fused" if "fused" in forms(entry) else "explicit", "triton"):
        job = made_job(entry.name, kernel=kernel, **further)
        job = replace(job, case=replace(job.case, inputs=shapes))
        counted.append(measure_operations(replace(job, case=replace(job.case, device="cuda"))))
    assert counted[0]["matmul_macs"] == counted[1]["matmul_macs"] > 0
    assert not counted[1]["uncounted_ops"]


def test_what_is_computed_is_the_same():
    names = ("conv_macs", "matmul_macs", "flops")
    on_cpu, on_cuda = (measure_operations(asked(device, "fused")) for device in ("cpu", "cuda"))
    assert [on_cuda[name] for name in names] == [on_cpu[name] for name in names]
    assert not on_cuda["uncounted_ops"]


class Operators(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the names of what runs."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def operators(widths=(64, 256), dtype=torch.float32, **given):
    case = asked("cuda", "fused").case
    with fakes(), attention_as_on(case), Operators() as seen:
        query, key = (torch.randn(2, 1, 40, widths[0], dtype=dtype) for _ in range(2))
        value = torch.randn(2, 1, 40, widths[1], dtype=dtype)
        out = F.scaled_dot_product_attention(query, key, value, **given)
        assert out.shape == (2, 1, 40, widths[1])
    return seen.names


FUSED = "_scaled_dot_product_efficient_attention"


@pytest.mark.parametrize(
    ("fused", "given"),
    [
        (True, {}),
        (True, {"widths": (64, 512), "dtype": torch.bfloat16}),
        (True, {"attn_mask": "boolean"}),
        (True, {"attn_mask": "added"}),
        (True, {"is_causal": True, "scale": 1.0}),
        (False, {"widths": (66, 256)}),  # rows that begin at no multiple of 16 bytes
        (False, {"widths": (64, 255)}),
        (False, {"widths": (68, 256), "dtype": torch.float16}),
        (False, {"dtype": torch.float64}),
    ],
)
def test_which_calls_are_one_operator_on_a_gpu(fused, given):
    masks = {"boolean": torch.bool, "added": torch.float32}
    if "attn_mask" in given:
        with fakes():
            mask = torch.ones(40, 40, dtype=masks[given["attn_mask"]])
        given = given | {"attn_mask": mask}
    assert (FUSED in operators(**given)) is fused


def test_a_mask_takes_what_pytorch_makes_of_it():
    with fakes():
        mask = torch.ones(40, 40, dtype=torch.bool)
    names = operators(attn_mask=mask)
    # Minus infinity where it is false, and rows that begin at multiples of 16 numbers.
    assert names.index("masked_fill_") < names.index("constant_pad_nd") < names.index(FUSED)


def test_pytorch_is_left_as_it_was():
    plain = F.scaled_dot_product_attention
    for device, changed in (("cuda", True), ("cpu", False)):
        with suppress(ValueError), attention_as_on(asked(device, "fused").case):
            assert (F.scaled_dot_product_attention is not plain) is changed
            raise ValueError
        assert F.scaled_dot_product_attention is plain
