"""Whatever a file holds, the answer is a suite or a list of lines: no traceback, no hang."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.suite import Overrides, Suite

LINE = re.compile(r"^\S+:(\d+:\d+:| option) .+; .+$")

VALID = """\
suite: valid
title: A title
input: [1, 8, 5, 4]
measure: [params, latency]
with: {scale: 2.0}
device: cpu
cases:
  - {label: A, module: "blocks:Block", with: {kernel_size: 3, rates: [1, 2]}}
  - label: "k={kernel_size}, {dtype}"
    module: blocks:Block
    grid: {kernel_size: [1, 3, 5]}
    zip: {dtype: [float32, float64], mode: [sum, concat]}
    exclude: [{kernel_size: 5, dtype: float64}]
  - {label: C, module: "blocks:Open", input: &two [[1, 2], [3, 4]], pass: training}
  - {label: D, module: "blocks:Open", input: *two, timeout: 3, threads: 1, seed: 4}
reference: {paper: ocnet, table: table4, rows: {A: B}}
tables: [{columns: [label, params]}]
plots: [{kind: scatter, x: latency, y: memory}]
"""

quick = settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def refused(error: SuiteError) -> SuiteError:
    lines = str(error).split("\n")
    assert lines
    assert len(lines) == len(error.problems)
    assert all(LINE.match(line) and line.isprintable() for line in lines), lines
    return error


def check(data: bytes) -> Suite | SuiteError:
    path = Path("hostile.yaml")
    path.write_bytes(data)
    try:
        suite = load(path)
    except SuiteError as error:
        return refused(error)
    assert len({job.label for job in suite.jobs}) == len(suite.jobs)
    suite.describe()
    assert all(len(job.case.key) == 16 for job in suite.all_jobs())
    return suite


def test_the_suite_that_is_mutated_below_is_valid():
    suite = check(VALID.encode())
    assert isinstance(suite, Suite)
    assert len(suite.jobs) == 1 + 5 + 2


@quick
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbfsuite: s")
@example(b"%YAML 9.9\n--- a")
@example(b"\x00")
@example(b"suite: \xe2\x80\xa8 x\n")
@example(b"? ? ? ?\n")
@example(b"!<x> : : :")
@example(b"&a &a &a")
@example(b"{" * 2000)
@example(b"- " * 2000)
@example(b"'")
@example(b"!!binary x: 3")
def test_bytes(data):
    check(data)


@quick
@given(
    st.text(
        alphabet=st.sampled_from("suite: cases[]{}&*!|>'\"%@`#,?-\n\t 01.~<=é\u2028"), max_size=80
    )
)
def test_text_of_yaml_characters(text):
    check(text.encode())


@st.composite
def mutations(draw):
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = st.sampled_from(
            [
                "",
                "\n",
                "  ",
                ": ",
                "- ",
                "[",
                "}",
                "{",
                "0",
                "-1",
                "true",
                "null",
                "*two",
                "&two ",
                "!x ",
            ]
        )
        words = st.text(max_size=4) | piece | st.sampled_from(re.findall(r"\w+", VALID))
        text = text[:start] + draw(words) + text[end:]
    return text


@quick
@given(mutations())
def test_mutations_of_a_valid_suite(text):
    check(text.encode("utf-8", "surrogatepass"))


KEYS = st.sampled_from(
    [
        "suite",
        "title",
        "note",
        "label",
        "module",
        "with",
        "input",
        "measure",
        "device",
        "dtype",
        "pass",
        "timeout",
        "threads",
        "seed",
        "grid",
        "zip",
        "exclude",
        "cases",
        "include",
        "reference",
        "tables",
        "plots",
        "convention",
        "kernel_size",
        "scale",
        "x",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=6)
    | st.sampled_from(
        ["blocks:Block", "blocks:Sized", "static", "float32", "{x}", "hostile.yaml", "."]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)


@st.composite
def structures(draw):
    """A mapping with the keys of a suite, some values right, some anything."""
    right = {
        "suite": st.just("s"),
        "module": st.just("blocks:Block"),
        "input": st.just([1, 2, 3, 4]),
        "grid": st.dictionaries(KEYS, st.lists(VALUES, max_size=3), max_size=3),
        "zip": st.dictionaries(KEYS, st.lists(VALUES, min_size=2, max_size=2), max_size=2),
        "exclude": st.lists(st.dictionaries(KEYS, VALUES, max_size=2), max_size=2),
        "with": st.dictionaries(KEYS, VALUES, max_size=3),
        "label": st.text(alphabet="ab{}:!x[].", min_size=1, max_size=8),
    }
    case = st.fixed_dictionaries({}, optional={**right, "timeout": VALUES})
    right["cases"] = st.lists(case | VALUES, max_size=3)
    keys = draw(st.lists(st.sampled_from(sorted(right)), unique=True))
    chosen = {key: draw(right[key] if draw(st.integers(0, 5)) else VALUES) for key in keys}
    return {"suite": "s", **chosen}


@quick
@given(structures() | VALUES)
@example({"suite": "s", "cases": True})
@example({"suite": "s", "cases": {"a": 1}})
def test_random_structures(value):
    stream = StringIO()
    try:
        YAML(typ="safe", pure=True).dump(value, stream)
    except Exception:  # what the dumper cannot write is no file
        return
    check(stream.getvalue().encode("utf-8", "surrogatepass"))


@quick
@given(VALUES, VALUES, VALUES)
def test_random_overrides(inputs, metrics, only):
    path = Path("valid.yaml")
    path.write_text(VALID)
    try:
        load(path, Overrides(inputs=inputs, metrics=metrics, only=("A", repr(only))))
    except SuiteError as error:
        refused(error)


@pytest.mark.parametrize("levels", [31, 32, 33, 5000])
def test_depth_is_bounded(levels):
    found = check(f"suite: s\nnote: {'[' * levels}{']' * levels}\n".encode())
    assert isinstance(found, SuiteError)
    assert ("levels deep" in str(found)) == (levels + 1 > 32)


def test_aliases_do_not_get_round_the_depth():
    rows = "".join(f"k{i}: &k{i} [*k{i - 1}]\n" for i in range(1, 50))
    found = check(f"k0: &k0 [1]\n{rows}".encode())
    assert "levels deep" in str(found)


def test_large_grids_of_large_values_are_fast_and_small():
    """Each of 20,000 cases refers to the long texts; none copies or compares them again."""
    long = "x" * 20_000
    text = (
        "suite: s\ninput: [1, 2]\nmodule: blocks:Open\n"
        f"label: '{{b}} {{c}} {'{a}' * 60}'\n"
        f"grid: {{a: [{long}], b: {list(range(2000))}, c: {list(range(10))}}}\n"
        f"exclude: [{', '.join(f'{{a: {long}, b: 0, c: {c}}}' for c in range(2))}]\n"
    )
    suite = check_loaded(text)
    assert len(suite.jobs) == 19_998
    assert max(len(job.label) for job in suite.jobs) <= 400


def check_loaded(text: str) -> Suite:
    path = Path("large.yaml")
    path.write_text(text)
    return load(path)
