import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.schema import json_schema

SUITES = Path(__file__).parents[3] / "suites"
CASE = "{module: 'torch.nn:ReLU', input: [1, 8, 4, 4]}"

GOOD = [
    f"suite: s\ncases: [{CASE}]\n",
    "suite: s\ninput: [[1, 8, 4, 4], [1, 8]]\nmodule: torch.nn:ReLU\nmeasure: static\n",
    "suite: s\ngrid: {module: ['torch.nn:ReLU'], input: [[1, 2], [3, 4]], inplace: [true]}\n",
    f"suite: s\ncases: [{CASE}]\nplots: [{{kind: bar, y: flops}}]\ntables: [{{columns: [a]}}]\n",
    f"suite: s\ntitle: t\nnote: n\nreference: {{paper: p, table: t}}\ncases: [{CASE}]\n",
]
BAD = [
    f"cases: [{CASE}]\n",
    f"suite: A B\ncases: [{CASE}]\n",
    f"suite: s\ninputt: [1, 2]\ncases: [{CASE}]\n",
    "suite: s\ncases: [{module: no_such_module, input: [1, 2]}]\n",
    "suite: s\ncases: [{module: 'torch.nn:ReLU', input: [1, 0]}]\n",
    "suite: s\ncases: [{module: 'torch.nn:ReLU', input: [1]}]\n",
    "suite: s\ncases: [{module: 'torch.nn:ReLU', input: ['1', 2]}]\n",
    "suite: s\ninput: [1, 2]\nmodule: torch.nn:ReLU\ngrid: {dtype: [float33]}\n",
    "suite: s\ninput: [1, 2]\nmodule: torch.nn:ReLU\ngrid: {inplace: []}\n",
    f"suite: s\nmeasure: [flop]\ncases: [{CASE}]\n",
    f"suite: s\ntimeout: 0\ncases: [{CASE}]\n",
    f"suite: s\ncases: [{CASE}]\ntables: [{{colums: [label]}}]\n",
]


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_schema_is_current():
    text = (SUITES / "schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == json_schema(), "python -m harness.suite.schema"


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_is_valid(validator, write, text):
    assert load(write("s.yaml", text)).jobs
    validator.validate(YAML(typ="safe", pure=True).load(text))


@pytest.mark.parametrize("text", BAD)
def test_what_does_not_load_is_invalid(validator, write, text):
    with pytest.raises(SuiteError):
        load(write("s.yaml", text))
    assert not validator.is_valid(YAML(typ="safe", pure=True).load(text))


def test_every_key_of_a_case_and_a_suite_is_described():
    schema = json_schema()
    for properties in (schema["properties"], schema["$defs"]["CaseSpec"]["properties"]):
        assert {"module", "with", "input", "grid", "zip", "exclude", "pass"} <= properties.keys()
        assert "with_" not in properties
