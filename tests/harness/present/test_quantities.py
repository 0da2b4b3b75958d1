"""Quantities: what names mean, and what is derived from what."""

import pytest
from made_rows import failed, row

from harness.measure.convention import CONVENTIONS
from harness.measure.metric import unit
from harness.messages import HarnessError
from harness.records.quantities.quantity import with_unit
from harness.records.quantities.registry import ALIASES, QUANTITIES, find

ROW = row("A", 10, 200, 100, 5.0)


def number(name, **more):
    return find(name, [ROW | more]).number(ROW | more)


def test_derived_quantities_follow_from_stored_ones():
    parameters = 10_000_000 * 4
    inputs = 2048 * 128 * 128 * 4
    assert number("live_peak_with_params_bytes") == ROW["live_peak_bytes"] + parameters
    assert number("live_peak_with_input_bytes") == ROW["live_peak_bytes"] + inputs
    both = number("live_peak_with_input_and_params_bytes")
    assert both == ROW["live_peak_bytes"] + inputs + parameters
    assert number("macs") == 100_000_000_000
    assert number("executed_over_algorithmic", algorithmic_macs=80_000_000_000) == 1.25
    assert number("elementwise_total", elementwise_ops={"relu": 3, "pool": 4}) == 7
    assert number("flops_per_second") == pytest.approx(200e9 / 5e-3)
    assert number("latency_interval_share") == pytest.approx(0.0055)
    assert number("input_bytes", dtype="bfloat16") == inputs / 2
    assert number("input_bytes", input_bytes=17) == 17


def test_nothing_is_derived_from_what_was_not_measured():
    lost = failed("B", "oom", "out of memory", input=None)
    for name, quantity in QUANTITIES.items():
        if quantity.dimension != "text":
            assert quantity.number(lost) is None, name


def test_short_names():
    assert number("flops") == number("operations") == 200e9
    assert number("latency") == 5e-3
    assert find("memory", [ROW]).name == "live_peak_bytes"
    assert find("memory", [ROW | {"pass": "training"}]).name == "live_peak_training_bytes"
    # One training row among others: inference, for both rows; the two are never mixed.
    assert find("memory", [ROW, ROW | {"pass": "training"}]).name == "live_peak_bytes"
    assert set(ALIASES.values()) <= set(QUANTITIES)


def test_grid_axes_by_their_bare_name_and_in_full():
    rows = [ROW | {"factors": {"k": 3, "order": "lg"}}, ROW | {"factors": {"k": 5, "order": "gl"}}]
    assert [find("k", rows).number(each) for each in rows] == [3, 5]
    assert find("factors.k", rows).name == "factors.k"
    assert find("order", rows).dimension == "text"
    rates = [ROW | {"factors": {"rates": [6, 12]}}]
    assert find("rates", rates).read(rates[0]) == "6x12"


def test_unknown_names_name_the_nearest():
    with pytest.raises(HarnessError, match="'latncy'; did you mean 'latency'"):
        find("latncy", [ROW])
    with pytest.raises(HarnessError, match="did you mean 'kernel_size'"):
        find("kernel_sise", [ROW | {"factors": {"kernel_size": 3}}])


def test_megabytes_are_not_mebibytes():
    assert unit("MB", "bytes").scale(2**20) == pytest.approx(1.048576)
    assert unit("MiB", "bytes").scale(2**20) == 1
    with pytest.raises(HarnessError, match=r"unit 'Mb' does not measure bytes; did you mean 'MB'"):
        unit("Mb", "bytes")


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_head_of_operations_names_the_convention(name):
    convention = CONVENTIONS[name]
    quantity = find("flops", [ROW])
    head = quantity.titled(quantity.usual_unit(convention), convention)
    assert convention.unit_name in head
    assert name in head.casefold()


def test_heads_hold_units():
    assert with_unit("Latency", "ms") == "Latency (ms)"
    assert with_unit("FLOPs", "G (torchstat)") == "FLOPs, G (torchstat)"
    assert with_unit("Ratio", "1") == "Ratio"
