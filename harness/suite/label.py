"""Names of the cases of a grid: templates such as `k={kernel_size}`."""

import string
from collections.abc import Collection, Mapping
from typing import Any

from harness.suite.grid import identity
from harness.wording import one_line

LONGEST_VALUE = 100
"""Characters of one axis' value in a label."""

LONGEST_LABEL = 400
"""Characters; a label is a row's name in tables and plots."""


class TemplateError(ValueError):
    """A template cannot be filled in; `field` is the unknown axis, if that is the reason."""

    def __init__(self, what: str, field: str | None = None) -> None:
        super().__init__(what)
        self.field = field


def check(template: str, axes: Collection[str]) -> None:
    """Raise `TemplateError` unless every field of the template is the name of an axis."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"not a template ({error})") from error
    for _, field, form, conversion in parts:
        if field is None:
            continue
        if form or conversion:
            raise TemplateError(f"{{{field}}} has a format")
        if field not in axes:
            raise TemplateError(f"unknown axis {field or '{}'}", field)


def fill(template: str, texts: Mapping[str, str]) -> str:
    """The template with each `{axis}` replaced by its value as `show` writes it."""
    label = "".join(
        literal + (texts[field] if field is not None else "")
        for literal, field, _, _ in string.Formatter().parse(template)
    )
    return shorten(label, LONGEST_LABEL)


def append(label: str, texts: Mapping[str, str]) -> str:
    """`label (axis=value, ...)`; the label itself without axes."""
    listed = ", ".join(f"{axis}={text}" for axis, text in texts.items())
    return shorten(f"{label} ({listed})" if listed else label, LONGEST_LABEL)


def show(value: Any) -> str:
    """A value of an axis in a label: sizes as 1x512x97x97, names as A, B; long ones are cut."""
    return shorten(_show(value), LONGEST_VALUE)


def shorten(text: str, most: int) -> str:
    """The text, its end replaced by dots when it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _show(value: Any) -> str:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list) and value and not any(isinstance(v, (list, dict)) for v in value):
        # A list of names is read as a list, one of numbers as a size.
        return (", " if any(isinstance(v, str) for v in value) else "x").join(map(_show, value))
    if isinstance(value, list) and value and all(isinstance(v, list) for v in value):
        return " + ".join(map(_show, value))
    return identity(value)
