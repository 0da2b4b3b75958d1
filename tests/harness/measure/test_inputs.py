"""What modules take and return: lists, sizes, ids, options; factories and prepared modules."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.case import Case, as_plain, from_plain
from harness.measure.inputs import StructureError, arranged, as_call, of_case

HERE = str(Path(__file__).parent)
MAPS = [[1, 8, 16, 16], [1, 16, 8, 8]]
IDS = {"shape": [1, 7], "dtype": "int64", "low": 3, "high": 100}
METAS = [{"img_shape": {"value": [32, 32, 3]}, "flip": False, "name": "a.png"}]
TEXT = {"input_ids": IDS, "attention_mask": {"shape": [1, 7], "dtype": "bool"}, "scale": None}
TOKENS = 64 * 16 * (16 + 9)
CASES = {
    "list": (
        {"module": "people:Pyramid", "with": {"channels": [8, 16]}, "input": [MAPS]},
        {"conv_macs": 8 * 8 * 256 + 16 * 8 * 64, "input": MAPS},
    ),
    "sizes": (
        {"module": "people:Tokens", "input": [[1, 64, 16], 8, 8]},
        {"flops": 2 * TOKENS, "input_bytes": 64 * 16 * 4},
    ),
    "pair": (
        {"module": "people:Pair", "input": {"args": [[1, 64, 16], {"value": [8, 8]}]}},
        {"status": "error"},
    ),
    "tuple": (
        {"module": "people:Pair", "input": {"args": [[1, 64, 16], {"tuple": [8, 8]}]}},
        {"flops": 2 * TOKENS},
    ),
    "ids": (
        {"module": "people:Text", "input": {"kwargs": TEXT}},
        {"matmul_macs": 7 * 64, "input_bytes": 7 * 8 + 7},
    ),
    "metas": (
        {"module": "people:Metas", "input": {"args": [MAPS[0]], "kwargs": {"img_metas": METAS}}},
        {"conv_macs": 8 * 3 * 256, "params": 27},  # in_channels is of the first tensor
    ),
    "factory": ({"module": "people:block", "with": {"width": 5}}, {"params": 45 + 10}),
    "fused": (
        {"module": "people:block", "with": {"width": 5}, "prepare": "people:fused"},
        {"params": 45, "elementwise_ops": {"bias": 5 * 256}},
    ),
    "parts": (
        {"module": "people:Branched", "prepare": ["eval", "switch_to_deploy"]},
        {"params": 2 * 8 * 8 * 9, "prepare": ["eval", "switch_to_deploy"]},
    ),
    "autocast": (
        {"module": "people:Types", "input": [4, 8], "autocast": "bfloat16"},
        # The copies of input, weight and bias in half of their bytes, and the output so.
        {"matmul_macs": 256, "live_peak_bytes": 2 * (32 + 64 + 8 + 32), "autocast": "bfloat16"},
    ),
    "linear": (
        {
            "module": "torch.nn:Linear",
            "with": {"in_features": 32, "out_features": 4},
            "input": [1, 100, 32],
        },
        {"matmul_macs": 100 * 32 * 4},
    ),
}


@pytest.fixture(scope="module")
def rows(rows_of):
    cases = [
        {"input": MAPS[0], **case, "label": f"{label} {pass_}", "pass": pass_}
        for label, (case, _) in CASES.items()
        for pass_ in ("inference", "training")
    ]
    suite = {
        "suite": "people",
        "measure": ["static", "latency"],
        "latency": {"criterion": "fixed", "samples": 2},
        "cases": cases,
    }
    return rows_of(suite)


@pytest.mark.parametrize("label", CASES)
def test_every_input_is_measured(rows, label):
    row, expected = rows[f"{label} inference"], CASES[label][1]
    assert row["status"] == expected.get("status", "ok"), row["cause"]
    assert {name: row[name] for name in expected} == expected
    if row["status"] == "ok":
        assert row["latency_seconds"] > 0


@pytest.mark.parametrize("label", [label for label in CASES if label not in ("pair", "fused")])
def test_every_output_is_trained(rows, label):
    row = rows[f"{label} training"]
    assert (row["status"], row["cause"]) == ("ok", None)
    assert row["flops"] > rows[f"{label} inference"]["flops"]


@pytest.mark.parametrize("label", [label for label in CASES if label not in ("pair", "fused")])
def test_the_second_witness_sees_what_the_first_saw(rows, label):
    witness = rows[f"{label} inference"]["witness"]
    assert witness["conv"]["agree"]
    assert witness["matmul"]["agree"]
    assert witness["matmul"]["ours"] + witness["conv"]["ours"] > 0


def test_a_witness_of_tokens_has_fewer_positions(rows):
    assert rows["linear inference"]["witness"]["input"] == [[1, 16, 32]]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"args": 3}, "args is no list"),
        ({"kwargs": [3]}, "kwargs is no mapping"),
        ({"args": []}, "no tensor in it"),
        ([[1, 2], {"shape": [0, 2]}], r"\[1\]: \[0, 2\] is no shape; write up to 8"),
        ([{"shape": [1, 2], "size": 3}], r"\[0\]: a tensor has no size; write dtype, high, low"),
        ([{"a": {"shape": [4], "dtype": "int"}}], r"\[0\].a: unknown dtype int; write one of"),
        ([{"shape": [4], "dtype": "int64"}], "int64 without high; add high"),
        ([{"shape": [4], "dtype": "int8", "high": 2.5}], "no whole number"),
        ([{"shape": [4], "low": 2}], "low without high"),
        ([{"shape": [4], "low": 2, "high": 2}], "high 2 is not above low 2"),
        ([{"shape": [4], "high": "x"}], "high is x; write a number"),
        ([{"shape": [4], "dtype": "bool", "high": 1}], "bool takes no low and high"),
        ([[1, 2], {"tuple": 3}], "tuple holds no list"),
    ],
)
def test_a_structure_that_means_nothing_is_named(written, message):
    with pytest.raises(StructureError, match=message):
        as_call(written)


def test_shapes_alone_need_no_call():
    assert as_call([1, 2, 3]) == (((1, 2, 3),), None)
    assert as_call(([1, 2], [3, 4])) == (((1, 2), (3, 4)), None)


def _is_no_shape(parts):
    return not parts or not all(type(part) is int for part in parts)


SHAPE = st.lists(st.integers(1, 9), min_size=1, max_size=8)
PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
NAME = st.text(min_size=1).filter(lambda name: name not in ("shape", "value", "tuple"))
STRUCTURE = st.recursive(
    SHAPE | PLAIN | st.builds(lambda x: {"value": x}, st.lists(PLAIN)),
    lambda inner: (
        st.lists(inner, max_size=4).filter(_is_no_shape) | st.dictionaries(NAME, inner, max_size=3)
    ),
)


@given(st.lists(STRUCTURE, max_size=3), st.dictionaries(NAME, STRUCTURE, max_size=3))
def test_a_structure_keeps_its_tensors_in_order_on_every_way(args, kwargs):
    written = {"args": args, "kwargs": kwargs}
    parts = [*args, *kwargs.values()]
    if not (said := [shape for part in parts for shape in _tensors(part)]):
        with pytest.raises(StructureError, match="no tensor in it"):
            as_call(written)
        return
    found, call = as_call(written)
    assert list(found) == said
    case = Case("se", {}, found, call=call)
    assert [leaf.shape for leaf in of_case(case)] == list(found)
    assert from_plain(Case, as_plain(case)) == from_plain(Case, as_plain(case, defaults=False))
    positional, named = arranged(case.call, list(map(_Placed, found)))
    assert [x.shape for x in _placed([positional, list(named.values())])] == list(found)
    assert set(named) <= set(kwargs)


def _tensors(node):
    """Shapes in a structure that has no leaf but these and values."""
    if isinstance(node, dict):
        return [] if "value" in node else [x for each in node.values() for x in _tensors(each)]
    if not isinstance(node, list):
        return []
    return [x for each in node for x in _tensors(each)] if _is_no_shape(node) else [tuple(node)]


class _Placed:
    def __init__(self, shape):
        self.shape = shape


def _placed(value):
    if isinstance(value, _Placed):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [x for each in parts for x in _placed(each)] if isinstance(value, (list, dict)) else []


def test_a_structure_and_a_factory_can_be_shown(monkeypatch):
    monkeypatch.chdir(HERE)
    costs = harness.show("people:Tokens", [[1, 64, 16], 8, 8])
    assert (costs.totals["conv_macs"], costs.totals["matmul_macs"]) == (64 * 16 * 9, 64 * 16 * 16)
    assert harness.show("people:block", [1, 8, 4, 4], {"width": 5}).totals["params"] == 55
    with pytest.raises(harness.HarnessError, match="nothing returned int, no "):
        harness.show("people:nothing", [1, 8, 4, 4], {"width": 5})
    with pytest.raises(harness.HarnessError, match=r"input: args\[1\]: unknown dtype int"):
        harness.show("people:Tokens", [[1, 64, 16], {"shape": [2], "dtype": "int"}])


@pytest.mark.parametrize(
    ("step", "cure"),
    [
        ("switch_to_deplo", "did you mean switch_to_deploy?"),
        ("fuse", "the methods are switch_to_deploy"),
    ],
)
def test_a_step_of_preparation_that_nothing_has_is_named(step, cure, monkeypatch, tmp_path):
    monkeypatch.chdir(HERE)
    case = {"module": "people:Branched", "prepare": step, "input": MAPS[0]}
    done = harness.run({"suite": "s", "cases": [case]}, out=tmp_path, progress=False, write=False)
    (row,) = done.rows()
    assert row["status"] == "error"
    assert f"neither the module nor a part of it has {step}; {cure}" in row["cause"]


def test_a_function_of_a_structure_takes_what_forward_takes(tmp_path):
    (tmp_path / "own.py").write_text(
        "import harness\n"
        '@harness.metric(given={"unit": "1"})\n'
        "def given(module, inputs, named):\n"
        '    assert set(named) == {"input_ids", "attention_mask", "scale"}\n'
        "    out = module(*inputs, **named)\n"
        '    return {"given": out.last.numel()}\n'
    )
    case = {"module": "people:Text", "input": {"kwargs": TEXT}, "measure": ["own:given"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.syspath_prepend(HERE)
        (tmp_path / "people.py").write_text((Path(HERE) / "people.py").read_text())
        suite = {"suite": "s", "cases": [case]}
        done = harness.run(suite, out=tmp_path / "runs", progress=False, write=False)
    (row,) = done.rows()
    assert (row["status"], row["cause"], row["given"]) == ("ok", None, 56)
