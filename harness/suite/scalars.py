"""Plain scalars of YAML 1.2 (core schema, section 10.3.2 of the specification).

Resolved here rather than by a loader, since loaders differ: under YAML 1.1 `no` is false,
`1_000` a number and `12:30` a count of seconds.
"""

import math
import re

Scalar = None | bool | int | float | str

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

LONGEST_NUMBER = 64
"""Characters; longer ones are no sizes of anything, and Python bounds their conversion."""


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar.

    Raises:
        ValueError: for numbers that are not finite or have more than `LONGEST_NUMBER` characters.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return _number(text)


def _number(text: str) -> int | float | str:
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("a suite has no use for a number that is not finite")
    bases = ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16))
    base = next((base for pattern, base in bases if pattern.fullmatch(text)), None)
    if base is None and not _FLOAT.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    if base is not None:
        return int(text, 10) if base == 10 else int(text[2:], base)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond the range of float64")
    return number
