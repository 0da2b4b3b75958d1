"""Modules as people write them: each is counted, and run, and none of it hangs on fake tensors."""

from pathlib import Path

import pytest
import torch
from torch import nn

from harness.case import Case, Job
from harness.measure.memory import live_peak, measure_memory
from harness.measure.memory_model import measured_peak
from harness.measure.operations import measure_operations
from harness.measure.subject import fake_subject, real_subject

HERE = str(Path(__file__).parent)
FORMS = {
    "Constant": ([1, 1, 8, 8], {"conv_macs": 324, "live_peak_bytes": 144}),
    "Cached": ([4, 8], {"matmul_macs": 256}),
    "Clones": ([4, 8], {"matmul_macs": 512}),
    "Encoder": ([1, 9, 16], {"matmul_macs": 42048}),
    "Truncated": ([4, 8], {"matmul_macs": 256, "warnings": []}),
    "Namesake": ([4, 8], {"matmul_macs": 0, "uncounted_ops": {"mine::fill": 1}, "coverage": 0.0}),
    "Lstm": ([4, 8], {"matmul_macs": 2048, "uncounted_ops": {}}),
    "InPlace": ([4, 8], {"matmul_macs": 128}),
    "Lazy": ([4, 8], {"matmul_macs": 256, "params": 72}),
    "Scripted": ([4, 8], {"matmul_macs": 256}),
    "Flex": ([4, 8], {"matmul_macs": 256}),
    "SparseBuffer": ([4, 8], {"matmul_macs": 32}),  # 4 stored values, 8 columns
    "Complex": ([4, 8], {"matmul_macs": 100, "uncounted_ops": {}}),
    "InPlaceFirst": ([1, 8, 4, 4], {"params": 36}),
    "OwnDefault": ([1, 8, 4, 4], {"conv_macs": 512}),
    "Miscounted": ([4, 8], {"params": 72, "conv_macs": None}),
}


@pytest.fixture(scope="module")
def rows(rows_of):
    cases = [
        {"label": name, "module": f"forms:{name}", "input": shape}
        | ({"pass": "training"} if name == "InPlaceFirst" else {})
        for name, (shape, _) in FORMS.items()
    ]
    suite = {
        "suite": "forms",
        "measure": ["params", "flops", "memory", "latency"],
        "latency": {"criterion": "fixed", "samples": 1},
        "cases": cases,
    }
    return rows_of(suite)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_counted_and_timed(rows, name):
    row, expected = rows[name], FORMS[name][1]
    # Another warning is about the one sample of its time.
    counted = [each for each in row["warnings"] if "real tensors" in each]
    assert {key: counted if key == "warnings" else row[key] for key in expected} == expected
    assert row["latency_seconds"] > 0
    if name != "Miscounted":
        assert (row["status"], row["cause"]) == ("ok", None)


def test_a_count_that_fails_costs_no_other_metric(rows):
    row = rows["Miscounted"]
    assert row["status"] == "error"
    assert row["cause"] == "metric flops: ValueError: not while it is counted (forms.py:188)"
    assert row["params"] == 72


@pytest.mark.parametrize(("tokens", "width", "heads"), [(256, 8, 2), (128, 64, 4)])
def test_the_tables_within_a_fused_attention_are_part_of_the_peak(tokens, width, heads):
    fused = nn.MultiheadAttention(width, heads, batch_first=True).eval()
    x = torch.randn(1, tokens, width)

    def run():
        with torch.inference_mode():
            return fused(x, x, x, need_weights=False)[0]

    run()
    arguments = {"embed_dim": width, "num_heads": heads, "batch_first": True}
    case = Case("forms:Fused", arguments, ((1, tokens, width),))
    predicted = measure_memory(Job("s", "l", case, ("memory",), 60.0, search_path=(HERE,)))
    assert predicted["live_peak_bytes"] == pytest.approx(measured_peak(run), rel=0.05)


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("LSTM", 4 * 3 * 5 * (6 + 5) * 4),
        ("GRU", 3 * 3 * 5 * (6 + 5) * 4),
        ("RNN", 1 * 3 * 5 * (6 + 5) * 4),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_recurrent_layers_are_counted_alike_in_every_type(name, macs, dtype):
    # Two sequences of 6... gates x (hidden x (input + hidden)) at each of 4 x 3 positions.
    case = Case(f"torch.nn:{name}", {"input_size": 6, "hidden_size": 5}, ((4, 3, 6),), dtype=dtype)
    found = measure_operations(Job("s", "l", case, ("flops",), 60.0))
    assert (found["matmul_macs"], found["uncounted_ops"]) == (macs, {})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_fake_and_real_module_make_tensors_of_the_same_types(dtype):
    case = Case("forms:Attribute", {}, ((4, 8),), dtype=dtype)
    real = real_subject(case, 0, (HERE,))
    expected = real.forward().dtype, live_peak(real)
    with fake_subject(case, (HERE,)) as fake:
        assert (fake.forward().dtype, live_peak(fake)) == expected
