"""Suites given as Python mappings: the same suites, the same mistakes, and values of Python."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import harness
from context_modules.interlaced import InterlacedSelfAttention

SUITES = Path(harness.__file__).parent.parent / "suites"
BASE = {"suite": "s", "input": [1, 8, 6, 6], "module": "self_attention"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["ocnet_table4", "srnet_table1", "cpnet_cost"])
def test_a_mapping_is_the_suite_that_its_file_is(name):
    file = SUITES / f"{name}.yaml"
    mapping = YAML(typ="safe", pure=True).load(file)
    of_file, of_mapping = harness.validate(file), harness.validate(mapping)
    assert of_mapping.describe() | {"path": ""} == of_file.describe() | {"path": ""}


def test_values_of_python_are_values_of_yaml():
    found = harness.validate(
        {
            **BASE,
            "module": InterlacedSelfAttention,
            "input": np.array([1, 8, 6, 6]),
            "threads": np.int64(2),
            "measure": {"params"},
            "grid": {"key_channels": range(2, 6, 2), "dtype": ("float32", "float64")},
        }
    )
    written = harness.validate(
        {
            **BASE,
            "module": "context_modules.interlaced:InterlacedSelfAttention",
            "threads": 2,
            "measure": ["params"],
            "grid": {"key_channels": [2, 4], "dtype": ["float32", "float64"]},
        }
    )
    assert (found.jobs, len(found.jobs)) == (written.jobs, 4)


def test_includes_are_taken_from_the_current_directory(folder):
    (folder / "part.yaml").write_text("suite: part\ninput: [1, 8, 6, 6]\nmodule: se\n")
    found = harness.validate({"suite": "all", "include": ["part.yaml"]})
    assert [part.name for part in found.parts()] == ["part"]


ENDLESS: list = [1]
ENDLESS += [ENDLESS, ENDLESS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputt": 1}, "suite: inputt: unknown key; did you mean input?"),
        (
            {"module": "self_atention"},
            "suite: module: unknown module self_atention; did you mean self_attention?",
        ),
        (
            {"module": "__main__:Main"},
            "suite: module: class Main is written in this notebook or script, which no other "
            "process can import; put it into main.py (in a notebook: %%writefile main.py above "
            "the class) and write module: 'main:Main'",
        ),
        (
            {"with": {"key_channels": lambda: 3}},
            "suite: with.key_channels: lambda stands in this session alone; move it to the top "
            "level of a file and give its name",
        ),
        (
            {"with": {"key_channels": torch.float32}},
            "suite: with.key_channels: torch.float32 is of type dtype; write text, a number, "
            "true or false, a list or a mapping",
        ),
        (
            {"timeout": float("inf")},
            "suite: timeout: a suite has no use for a number that is not finite; write a finite "
            "number",
        ),
        ({"with": {3: 4}}, "suite: with: the key 3 is not text; write the key as text"),
        (
            {"input": ENDLESS},
            "suite: file: nested more than 32 levels deep, or more than 200000 values; a suite "
            "needs four levels; write it flat",
        ),
        (
            {"tables": [{"columns": ["label"], "sort": "-latncy"}]},
            "suite: tables.0.sort: unknown quantity 'latncy'; did you mean 'latency'?",
        ),
        (
            {"tables": [{"columns": ["label"], "relative_to": "Nobody"}]},
            "suite: tables.0.relative_to: no case is labelled 'Nobody'; labels are written as in "
            "cases",
        ),
        (
            {"tables": [{"pivot": {"rows": "module", "columns": "devise", "value": "params"}}]},
            "suite: tables.0.pivot.columns: unknown quantity 'devise'; did you mean 'device'?",
        ),
        (
            {"tables": [{"columns": ["label", "parms"]}]},
            "suite: tables.0.columns.1: unknown quantity 'parms'; did you mean 'params'?",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_cure(changes, message):
    with pytest.raises(harness.SuiteError) as error:
        harness.validate({**BASE, **changes})
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "suite: option device: unknown value"),
        ({"only": "A"}, "suite: option only: no case is labelled A"),
        ({"input": "1,8"}, "input 1,8: write numbers"),
        ({"weights": "none.pth"}, "weights none.pth: there is no such file"),
    ],
)
def test_a_wrong_option_is_one_line(options, message):
    with pytest.raises(harness.HarnessError) as error:
        harness.validate(BASE, **options)
    assert str(error.value).startswith(message)


def test_options_come_too_late_for_a_loaded_suite():
    suite = harness.validate(BASE)
    assert harness.validate(suite) is suite
    with pytest.raises(harness.HarnessError, match="loaded already"):
        harness.validate(suite, dtype="float64")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), below, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(
    key=st.sampled_from(["input", "module", "with", "cases", "grid", "tables", "threads"]),
    value=ANY,
)
def test_no_value_is_more_than_a_mistake(key, value):
    lines = []
    try:
        harness.validate({**BASE, key: value})
    except harness.SuiteError as error:
        lines = str(error).splitlines()
    assert all(line.startswith("suite: ") and line.isprintable() for line in lines)


BLOCK = """
from torch import nn
class Block(nn.Module):
    def __init__(self, in_channels: int{argument}) -> None:
        super().__init__()
    def forward(self, x):
        return x
"""


def test_a_file_that_was_written_anew_is_read_anew(folder):
    file = folder / "rewritten_block.py"
    suite = {**BASE, "module": "rewritten_block:Block", "with": {"width": 3}}
    file.write_text(BLOCK.format(argument=""))
    with pytest.raises(
        harness.SuiteError, match=r"with\.width: no case's module has this argument"
    ):
        harness.validate(suite)
    file.write_text(BLOCK.format(argument=", width: int = 1"))
    assert harness.validate(suite).jobs[0].case.arguments == {"width": 3}
