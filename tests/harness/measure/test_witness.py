"""The second witness: fvcore counts the same module on real tensors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_jobs import made_job

from harness.measure.witness import measure_witness


def witness(*args, **options):
    return measure_witness(made_job(*args, **options))["witness"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ppm", {}),
        ("aspp", {}),
        ("danet", {}),
        ("rcca", {}),
        ("efficient_attention", {}),
        ("base_oc", {"attention": "sa"}),
        ("base_oc", {"attention": "isa"}),
        ("self_attention", {}),
        ("context_head", {"context": "gc", "context_arguments": {"fusion": ["multiply", "add"]}}),
        ("ocr", {}),
        ("dnl", {}),
        ("hamburger", {}),
        ("hamburger", {"ham": "vq"}),
        ("external_attention", {"heads": 4}),
        ("context_head", {"context": "swin_blocks", "channels": 32}),
        ("context_head", {"context": "neighborhood_attention", "channels": 32}),
    ],
)
def test_fvcore_agrees_per_operator_class(name, arguments):
    figures = witness(name, (1, 64, 128, 128), **arguments)
    assert figures["input"] == [[1, 64, 16, 16]]
    for operator_class in ("conv", "matmul"):
        counted = figures[operator_class]
        assert counted["agree"] is True, counted
        assert counted["ours"] == counted["fvcore"]
    assert figures["conv"]["ours"] > 0


@given(st.integers(1, 3), st.integers(1, 8), st.integers(1, 16), st.integers(1, 16))
@settings(deadline=None, max_examples=10)
def test_fvcore_agrees_on_odd_sizes(batch, channels, height, width):
    shape, n = (batch, channels, height, width), height * width
    figures = witness("self_attention", shape, key_channels=3, value_channels=5)
    assert figures["conv"]["agree"] is figures["matmul"]["agree"] is True
    assert figures["matmul"]["ours"] == batch * n * n * (3 + 5)


def test_images_keep_more_pixels_than_feature_maps():
    assert witness("SharedReLU", (1, 3, 100, 50))["input"] == [[1, 3, 64, 50]]


def test_module_that_needs_values_is_counted_on_real_tensors():
    figures = witness("Branching", (2, 3, 16, 16))
    assert figures["conv"] == {"ours": 2 * 256 * 12, "fvcore": 2 * 256 * 12, "agree": True}


def test_product_without_a_rule_in_fvcore_is_named_not_called_a_mismatch():
    figures = witness("FusedAttention", (2, 3, 8, 8))
    assert figures["matmul"]["agree"] is None
    assert figures["matmul"]["fvcore_has_no_rule_for"] == ["scaled_dot_product_attention"]
    assert figures["matmul"]["ours"] == 2 * 64 * 64 * 3 * 2


def test_module_of_one_size_has_its_witness_there():
    figures = witness("OneSize", (1, 8, 64, 64))
    assert figures["input"] == [[1, 8, 64, 64]]
    assert figures["conv"] == {"ours": 0, "fvcore": 0, "agree": True}


def test_module_that_runs_nowhere_has_no_witness_and_says_why():
    figures = measure_witness(made_job("OneSize", (1, 8, 32, 32)))
    assert figures["witness"] is None
    (warning,) = figures["warnings"]
    assert "give a map of 64 x 64" in warning
    assert "[1, 8, 16, 16]" in warning


def test_module_of_one_size_that_is_large_is_not_run_for_a_witness():
    figures = measure_witness(made_job("OneSize", (13, 64, 64, 64)))
    assert figures["witness"] is None


@pytest.mark.parametrize("side", [16, 15, 7])
def test_einsum_that_fvcore_reads_to_four_digits_agrees(side):
    figures = witness("Assigned", (1, 512, side, side))
    assert figures["matmul"]["ours"] == 2 * 512 * 64 * side * side
    assert figures["matmul"]["agree"] is True
