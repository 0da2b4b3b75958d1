"""Names of the cases of a grid: templates such as `k={kernel_size}`."""

import string
from collections.abc import Collection, Mapping
from typing import Any

from harness.suite.grid import identity


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


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with each `{axis}` replaced by the axis' value."""
    return "".join(
        literal + (show(values[field]) if field is not None else "")
        for literal, field, _, _ in string.Formatter().parse(template)
    )


def append(label: str, values: Mapping[str, Any]) -> str:
    """`label (axis=value, ...)`; the label itself without axes."""
    listed = ", ".join(f"{axis}={show(value)}" for axis, value in values.items())
    return f"{label} ({listed})" if listed else label


def show(value: Any) -> str:
    """A value of an axis in a label: sizes as 1x512x97x97, text without quotes."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list) and value and not any(isinstance(v, (list, dict)) for v in value):
        return "x".join(map(show, value))
    if isinstance(value, list) and value and all(isinstance(v, list) for v in value):
        return " + ".join(map(show, value))
    return identity(value)
