"""Amounts on the command line: what is read, what is refused, how they are shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli.options import OptionError
from harness.cli.output import parse_bytes, parse_duration, shown_bytes, shown_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45min", 2700), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400),
     ("1d 2h", 93600), (" 10 s ", 10)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration("--within", text) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2 weeks", "-1h", "0s", "1h!", "٢h", "9" * 400 + "d"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(OptionError, match="--within"):
        parse_duration("--within", text)


@pytest.mark.parametrize(
    ("text", "size"), [("32GiB", 32 << 30), ("80 GB", 80e9), ("512MiB", 512 << 20), ("1B", 1)]
)
def test_sizes(text, size):
    assert parse_bytes("--memory", text) == size


@pytest.mark.parametrize("text", ["", "32", "GiB", "32 gib", "-1GB", "0MB", "32 iB", "1e3GB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(OptionError, match="--memory"):
        parse_bytes("--memory", text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
     (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min"), (86399, "1 d 0 h"),
     (100 * 3600, "4 d 4 h")],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds, text):
    assert shown_duration(seconds) == text


@settings(max_examples=50)
@given(st.floats(1, 1e7))
def test_a_duration_that_is_shown_can_be_given(seconds):
    """What is rounded away is less than a hundredth, or half of the smaller unit."""
    read = parse_duration("--within", shown_duration(seconds))
    assert read == pytest.approx(seconds, rel=0.021, abs=0.5)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 30, "3.0 GiB")]
)
def test_sizes_shown(size, text):
    assert shown_bytes(size) == text
