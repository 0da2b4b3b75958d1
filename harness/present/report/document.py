"""The document: templates, styles, scripts and data as one HTML file that fetches nothing."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from harness.judge.judgement import REPRODUCED
from harness.messages import HarnessError, printable
from harness.present.formats import MARKS
from harness.records.record import finite

if TYPE_CHECKING:
    from jinja2 import Environment

# `</script>` and `<!--` end or change a script element wherever they stand, also within a string;
# U+2028 and U+2029 are line ends to JavaScript. An escape means the same to JSON.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def script_json(data: Any) -> str:
    """Compact JSON in ASCII for `<script type="application/json">`; NaN and infinity are null."""
    text = json.dumps(finite(data), separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


# In front of words; of all others a cross.
_SIGNS = {**MARKS, REPRODUCED: MARKS["agrees"], "not judged": "○", "not measured": "·"}


class MissingJinjaError(HarnessError):
    """The extra that writes reports is not installed."""


def render(
    template: str,
    title: str,
    kind: str,
    *,
    scripts: Sequence[str],
    styles: Sequence[str],
    **values: Any,
) -> str:
    """A template that fills in `layout.html`, with everything that the page needs within.

    Args:
        template: its file.
        title: heading of the page.
        kind: what the page is.
        scripts, styles: files, put together in this order; no other script may run.
        values: that the template asks for.

    Raises:
        MissingJinjaError: Jinja is not installed.
    """
    script = "".join(map(asset, scripts))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _jinja()
        .get_template(template)
        .render(
            title=title,
            kind=kind,
            style="".join(map(asset, styles)),
            script=script,
            script_digest=f"sha256-{digest}",
            **values,
        )
    )


def _jinja() -> "Environment":
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingJinjaError(
            "Jinja, which writes reports, is not installed; pip install 'context-harness[report]'"
        ) from error
    made = Environment(
        loader=PackageLoader("harness.present.report", "templates"),
        autoescape=True,
        # Texts of any origin without control characters and marks that turn their direction;
        # what is marked as HTML stays as it is.
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["signs"] = _SIGNS
    return made


def asset(name: str) -> str:
    """The text of a style sheet or a script."""
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
