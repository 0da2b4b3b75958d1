"""A suite as the text of a file that a person can read and go on with."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.suite.document import resolve

SCHEMA = "suite.schema.json"
"""Name of the schema beside a suite."""

SCHEMA_LINE = "# yaml-language-server: $schema="
"""What editors look for in a suite; the path of its schema follows."""

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def suite_text(suite: Mapping[str, Any]) -> str:
    """The file of a suite that is given as plain values; read again it has the same ones."""
    lines = [f"{SCHEMA_LINE}{SCHEMA}"]
    lines += [f"{key}: {_flow(value)}" for key, value in suite.items() if key != "cases"]
    lines.append("cases:")
    for case in suite["cases"]:
        line = f"  - {_flow(case)}"
        below = [f"{key}: {_flow(value)}" for key, value in case.items()]
        lines.append(line if len(line) <= _WIDTH else "  - " + "\n    ".join(below))
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_flow(key)}: {_flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and isinstance(resolve(value), str)
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_flow, value))}]"
    return json.dumps(value)
