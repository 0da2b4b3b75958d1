"""`harness schema`: the JSON Schema of suites, for editors."""

import json
import sys


def schema() -> None:
    """Print the JSON Schema of suite files; editors complete and check with it."""
    from harness.suite.json_schema import schema as suite_schema

    sys.stdout.write(json.dumps(suite_schema(), indent=2) + "\n")
