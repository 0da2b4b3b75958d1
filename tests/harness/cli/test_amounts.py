"""Amounts as the command line shows them."""

import pytest

from harness.cli.output import shown_bytes, shown_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
     (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (86399, "1 d 0 h"),
     (100 * 3600, "4 d 4 h")],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds, text):
    assert shown_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB")]
)
def test_sizes_shown(size, text):
    assert shown_bytes(size) == text
