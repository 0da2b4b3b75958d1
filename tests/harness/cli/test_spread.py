"""`--only A B` means what people expect of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.spread import spread


@pytest.mark.parametrize(
    ("given_arguments", "expected"),
    [
        (["run", "s.yaml", "--only", "PPM"], ["run", "s.yaml", "--only", "PPM"]),
        (
            ["run", "s.yaml", "--only", "PPM", "+SE", "--json"],
            ["run", "s.yaml", "--only", "PPM", "--only", "+SE", "--json"],
        ),
        (
            ["run", "--only", "PPM", "ASPP", "s.yaml", "--threads", "1"],
            ["run", "--only", "PPM", "--only", "ASPP", "s.yaml", "--threads", "1"],
        ),
        (["run", "--only", "PPM", "efficiency"], ["run", "--only", "PPM", "efficiency"]),
        (["run", "--resume", "efficiency"], ["run", "--resume=latest", "efficiency"]),
        (["run", "--only=--x", "s.yaml"], ["run", "--only=--x", "s.yaml"]),
        (["run", "--only", "odd.yaml", "s.yaml"], ["run", "--only", "odd.yaml", "s.yaml"]),
        (
            ["show", "ppm", "--with", "a=1", "b=2"],
            ["show", "ppm", "--with", "a=1", "--with", "b=2"],
        ),
        (
            ["run", "ppm", "--grid", "a=1,2", "b=3", "--json"],
            ["run", "ppm", "--grid", "a=1,2", "--grid", "b=3", "--json"],
        ),
        (["show", "--with", "a=1", "ppm"], ["show", "--with", "a=1", "ppm"]),
        (["run", "--resume", "ppm"], ["run", "--resume=latest", "ppm"]),
        (["run", "--resume", "a=gate:Gate"], ["run", "--resume=latest", "a=gate:Gate"]),
        (["run", "--only", "A", "--", "B", "C"], ["run", "--only", "A", "--", "B", "C"]),
    ],
)
def test_values_in_a_row(given_arguments, expected):
    assert spread(given_arguments) == expected


words = st.sampled_from(["run", "s.yaml", "--only", "--json", "A", "B C", "--threads", "2"])


@given(st.lists(words))
def test_nothing_is_lost_and_spreading_again_changes_nothing(arguments):
    once = spread(arguments)
    assert spread(once) == once
    assert [a for a in once if a != "--only"] == [a for a in arguments if a != "--only"]
