"""The JSON Schema of suite files, for editors: made from the models that the loader uses.

`python -m harness.suite.json_schema > suites/schema.json` renews the committed copy.
"""

import json
import sys
from typing import Any

from harness.suite.entry import CASE_AXIS_TYPES
from harness.suite.schema import SuiteSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"

USER_CLASS = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$"
"""`package.file:Class`."""


def schema() -> dict[str, Any]:
    """The schema. Modules are the catalog's, or user classes by their pattern.

    Names that other packages add by entry points differ from machine to machine and are left out:
    an editor marks them, the loader takes them.
    """
    made = _tidy(SuiteSpec.model_json_schema(by_alias=True))
    made["description"] = "What to measure: modules, their arguments and inputs."
    for properties in (made["properties"], made["$defs"]["CaseSpec"]["properties"]):
        description = properties["module"]["description"]
        properties["module"] = {**_module(), "description": description}
        for kind in ("grid", "zip"):
            properties[kind]["properties"] = _case_axes()
    return {"$schema": DRAFT, "title": "Suite", **made}


def text() -> str:
    """The schema as the repository keeps it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _module() -> dict[str, Any]:
    from context_modules.catalog import BY_NAME

    user_class = {"type": "string", "pattern": USER_CLASS}
    return {"anyOf": [{"enum": sorted(BY_NAME)}, user_class]}


def _case_axes() -> dict[str, Any]:
    axes = {
        axis: {**_tidy(adapter.json_schema()), "minItems": 1}
        for axis, adapter in CASE_AXIS_TYPES.items()
    }
    axes["module"]["items"] = _module()
    return axes


def _tidy(value: Any) -> Any:
    """Without what only repeats the keys, or is the default that some versions write out."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _tidy(below)
        for key, below in value.items()
        if not (key == "title" and isinstance(below, str))
        and not (key == "default" and below is None)
        and not (key == "additionalProperties" and below is True)
    }


if __name__ == "__main__":
    sys.stdout.write(text())
