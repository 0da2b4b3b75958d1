"""Data within a script element: JSON that cannot end the element or begin another."""

import json
from typing import Any

from harness.records.record import finite

# `</script>` and `<!--` end or change a script element wherever they stand, also within a string;
# U+2028 and U+2029 are line ends to JavaScript. An escape means the same to JSON.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def script_json(data: Any) -> str:
    """Compact JSON in ASCII for `<script type="application/json">`; NaN and infinity are null."""
    text = json.dumps(finite(data), separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)
