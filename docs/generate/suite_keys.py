"""Reference of suite files, from the JSON Schema that editors check them with."""

from collections.abc import Mapping
from typing import Any

from md_table import code, table

from harness.suite.schema import json_schema

Schema = Mapping[str, Any]

SECTIONS = {
    "CaseSpec": "`cases`: one entry each",
    "LatencySpec": "`latency`: how time is sampled",
    "ReferenceSpec": "`reference`: the printed table beside",
    "FigureSpec": "`reference.figures`: how ours is made for a printed figure",
    "TableSpec": "`tables`: one entry each",
    "ColumnSpec": "`tables.columns`: a column that differs from the usual",
    "PivotSpec": "`tables.pivot`: a matrix over two axes",
    "PlotSpec": "`plots`: one entry each",
    "DataSpec": "`data`: what accuracy trains and judges on",
    "EvaluationSpec": "`evaluation`: how accuracy is judged",
}
"""Definitions of the schema with their heads, in the order of the page; others follow by name."""

HUGE = 1e9
"""Limits beyond are those of the number's type, and say nothing to a reader."""

LISTED = 12
"""Values of an enumeration that a cell shows; the modules of the catalog have a page."""


def reference() -> str:
    """Every key of a suite: what it takes, whether it must be there, what it means."""
    whole = json_schema()
    definitions = whole["$defs"]
    cases = set(definitions["CaseSpec"]["properties"])
    parts = [
        "## The file",
        _keys(whole, [key for key in whole["properties"] if key not in cases]),
        "## Of one case or of all",
        "Each of these stands in an entry of `cases`, or beside them for all; a case's own word "
        "comes first.",
        _keys(definitions["CaseSpec"]),
    ]
    rest = [name for name in (*SECTIONS, *definitions) if name in definitions]
    for name in dict.fromkeys(rest):
        if name != "CaseSpec":
            parts += [f"## {SECTIONS.get(name, name)}", _about(definitions[name])]
            parts.append(_keys(definitions[name]))
    return "\n\n".join(filter(None, parts)) + "\n"


def _about(definition: Schema) -> str:
    return str(definition.get("description", ""))


def _keys(definition: Schema, only: list[str] | None = None) -> str:
    properties, required = definition["properties"], definition.get("required", ())
    rows = [
        (
            code(name) + (" (required)" if name in required else ""),
            kind(properties[name]),
            _meaning(properties[name]),
        )
        for name in only or properties
    ]
    return table(("Key", "Takes", "Meaning"), rows)


def _meaning(value: Schema) -> str:
    text = str(value.get("description", ""))
    default = value.get("default")
    if default in (None, "", [], {}) or "absent" in text:
        return text
    written = str(default).lower() if isinstance(default, bool) else str(default)
    return f"{text} Default: `{written}`.".strip()


def kind(value: Schema) -> str:
    """What a key takes, in words."""
    for several in ("anyOf", "oneOf"):
        if several in value:
            kinds = [kind(each) for each in value[several] if each.get("type") != "null"]
            kinds = ["a list of these" if k == f"list of {kinds[0]}" else k for k in kinds]
            return ", or ".join(dict.fromkeys(kinds))
    if "$ref" in value:
        return SECTIONS.get(_name(value), _name(value)).partition(":")[0]
    if "enum" in value:
        names = [code(str(each)) for each in value["enum"]]
        return ", ".join(names) if len(names) <= LISTED else "a name of `harness list`"
    if "const" in value:
        return code(str(value["const"]))
    return _plain(value)


def _plain(value: Schema) -> str:
    which = value.get("type")
    if which == "array":
        return f"list of {kind(value['items'])}" if value.get("items") else "list"
    if which == "object":
        inside = value.get("additionalProperties")
        below = kind(inside) if isinstance(inside, Mapping) and inside else ""
        return f"mapping to {below}" if below else "mapping"
    if which in ("integer", "number"):
        return ("whole number" if which == "integer" else "number") + _bounds(value)
    if which == "string":
        return "`package.file:Class`" if "pattern" in value and ":" in value["pattern"] else "text"
    return {"boolean": "`true` or `false`"}.get(str(which), "any value")


def _bounds(value: Schema) -> str:
    words = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "to {}",
        "exclusiveMaximum": "below {}",
    }
    said = [
        words[key].format(f"{value[key]:,g}" if value[key] < 1e6 else f"{value[key]:,.0f}")
        for key in words
        if key in value and abs(value[key]) < HUGE
    ]
    return f" {' '.join(said)}" if said else ""


def _name(value: Schema) -> str:
    return str(value["$ref"]).rpartition("/")[2]
