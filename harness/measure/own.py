"""Metrics of a user: a function of a module and its inputs that says what its numbers are.

A suite names it as `package.file:function`. The declaration goes with the job into the record, so
that a kept run is shown without the user's file.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from harness.case import Job
from harness.environment.entry_points import entry_points_of
from harness.measure.metric import SCALES, Better, Compared, Dimension, Value
from harness.messages import CuredError, quote, suggest

METRICS_GROUP = "context_harness.metrics"
"""Entry points under which an installed package adds names of metrics."""

OWN_METRIC = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$"
"""`package.file:function`."""

_STORED_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_BETTER: tuple[Better, ...] = ("lower", "higher", "neither")
_HOW_COMPARED: tuple[Compared, ...] = ("exactly", "statistically")
# Base unit: what it measures. A number without one is a ratio, also in per cent, and a count in M.
_BY_BASE: Mapping[str, tuple[Dimension, ...]] = {
    "1": ("ratio", "count"),
    **{SCALES[d].base: (d,) for d in ("seconds", "bytes", "energy", "power", "pixels")},
    **{SCALES[d].base: (d,) for d in ("bandwidth", "intensity")},
}
_KEYS = ("unit", "better", "shown", "decimals", "head", "note", "compared")

Declared = Mapping[str, Mapping[str, Any]]
"""Stored name: what is said of it, as plain data; `metric` names the function that gives it."""

Declaring = TypeVar("Declaring", bound=Callable[..., Mapping[str, Any]])


class MetricError(CuredError):
    """A user's metric that cannot be had, or that gave what it did not declare."""


def metric(**values: Mapping[str, Any]) -> Callable[[Declaring], Declaring]:
    """Declare the numbers that a function of a module and its inputs returns.

        @harness.metric(zero_share={"unit": "1", "better": "lower", "shown": "%"})
        def sparsity(module, inputs):
            with torch.no_grad():
                return {"zero_share": (module(*inputs) == 0).float().mean()}

    A suite measures it by `measure: [params, "file:sparsity"]`, where `file.py` lies beside it.

    Args:
        values: by the names under which they are stored: `unit`, an SI base unit (`1`, `s`, `B`,
            `J`, `W`, `px`, `B/s`, `FLOP/B`); `better` (`lower`, `higher`, `neither`; what costs is
            lower if absent); and if wanted `shown`, the unit of tables (`ms`, `%`, `MiB`, `M`),
            `decimals` (3), `head` (the name itself), a `note` for the foot of tables, and
            `compared` (`exactly`, or `statistically` for what varies between processes).

    Raises:
        MetricError: a declaration that cannot be.
    """
    if not values:
        raise MetricError("declares no value", 'write e.g. zero_share={"unit": "1"}')
    for name, said in values.items():
        own_value(name, said)
    declared = {name: dict(said) for name, said in values.items()}

    def mark(function: Declaring) -> Declaring:
        vars(function)["declared_values"] = declared
        return function

    return mark


def own_value(name: str, said: Mapping[str, Any]) -> Value:
    """The value that a declaration describes.

    Raises:
        MetricError: something in it cannot be.
    """
    if not _STORED_NAME.fullmatch(name):
        raise MetricError(f"{quote(name)} is no name of a value", "write lower case, e.g. max_abs")
    if not isinstance(said, Mapping):
        raise MetricError(f"{name} is declared by no mapping", 'write {"unit": "1"}')
    for key in said.keys() - {*_KEYS, "metric"}:
        raise MetricError(f"{name} declares {quote(key)}", suggest(str(key), _KEYS, "keys"))
    base = _one_of(name, "unit", said.get("unit"), tuple(_BY_BASE))
    units = {each: (d, each) for d in reversed(_BY_BASE[base]) for each in SCALES[d].units}
    dimension, shown = units[_one_of(name, "shown", said.get("shown", base), tuple(units))]
    decimals, better = said.get("decimals", 3), said.get("better")
    if type(decimals) is not int or not 0 <= decimals <= 9:
        raise MetricError(f"{name} declares decimals {quote(decimals)}", "write 0 to 9")
    return Value(
        name,
        _plain_line(name, "head", said) or name,
        dimension,
        shown,
        decimals,
        _plain_line(name, "note", said),
        None if better is None else _one_of(name, "better", better, _BETTER),
        _one_of(name, "compared", said.get("compared", "exactly"), _HOW_COMPARED),
    )


Word = TypeVar("Word", bound=str)


def _one_of(name: str, key: str, value: object, known: tuple[Word, ...]) -> Word:
    for each in known:
        if each == value:
            return each
    what = f"{name} declares {key} {quote(value)}" if value is not None else f"{name} has no {key}"
    raise MetricError(what, f"write one of {', '.join(known)}")


def _plain_line(name: str, key: str, said: Mapping[str, Any]) -> str:
    value = said.get(key, "")
    if not isinstance(value, str) or not (value.isprintable() and len(value) <= 200):
        raise MetricError(f"{name} declares {key} {quote(value)}", "write one line of plain text")
    return value


def is_own(name: object) -> bool:
    """Whether a name of a suite's `measure` is that of a user's function."""
    return isinstance(name, str) and (":" in name or name in _of_packages())


def _of_packages() -> dict[str, str]:
    return {each.name: each.value for each in entry_points_of(METRICS_GROUP)}


def metric_target(name: str) -> str:
    """`package.file:function` behind the name of a user's metric."""
    return _of_packages().get(name, name)


def own_function(name: str, search_path: Sequence[str]) -> tuple[Callable[..., Any], Declared]:
    """A user's function and what it declares.

    Args:
        name: `package.file:function`, or that of an entry point.
        search_path: folders put in front of `sys.path` while its file is imported.

    Raises:
        MetricError: there is no such file or function, or it declares nothing.
    """
    from harness.instantiate import ModuleError, load_name  # for users' files nothing heavy

    try:
        function = load_name(metric_target(name), search_path, "function")
    except ModuleError as error:
        raise MetricError(error.what, error.cure) from error
    said = getattr(function, "declared_values", None)
    if not callable(function) or not isinstance(said, dict):
        cure = 'write @harness.metric(NAME={"unit": "1", "better": "lower"}) above it'
        raise MetricError(f"{quote(name)} declares no values", cure)
    return function, {each: {**about, "metric": name} for each, about in said.items()}


def declared(rows: Iterable[Mapping[str, Any]]) -> dict[str, Value]:
    """The values that users' metrics gave the rows, by stored name.

    Raises:
        MetricError: a row declares what cannot be.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        found.update(row.get("declared") or {})
    return {name: own_value(name, said) for name, said in found.items()}


def as_declared(found: object, said: Declared) -> dict[str, int | float]:
    """What a user's function returned, as plain numbers.

    Args:
        found: what it returned.
        said: what it declares.

    Raises:
        MetricError: a number is missing, too many, not finite, or none.
    """
    if not isinstance(found, Mapping):
        cure = "return a dictionary of the declared names"
        raise MetricError(f"returned {type(found).__name__}", cure)
    for each in said.keys() - found.keys():
        raise MetricError(f"returned no {each}", "return every value that it declares")
    for each in found.keys() - said.keys():
        raise MetricError(f"returned {quote(each)}", "declare it above the function")
    return {each: _finite_number(each, found[each]) for each in said}


def _finite_number(name: str, value: Any) -> int | float:
    if callable(getattr(value, "item", None)) and getattr(value, "ndim", 0) == 0:
        value = value.item()  # of PyTorch or NumPy
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MetricError(f"{name} is {quote(value)}", "return one number")
    if not math.isfinite(value):
        raise MetricError(f"{name} is {value}", "return a finite number")
    return value


def measure_own(name: str, job: Job) -> dict[str, int | float]:
    """A user's metric of a case: the real module in eval mode and its inputs, on their device.

    Parameters, inputs and whatever the function draws follow from the job's seed. A function of a
    case that gives `kwargs` to `forward` takes them as its third argument.

    Raises:
        MetricError: see `own_function` and `as_declared`.
    """
    import torch

    from harness.measure.inputs import arranged
    from harness.measure.subject import real_subject

    function, _ = own_function(name, job.search_path)
    subject = real_subject(job.case, job.seed, job.search_path)
    subject.module.eval()
    given = tuple(each.detach() for each in subject.inputs)
    args, kwargs = arranged(job.case.call, given)
    torch.manual_seed(job.seed)
    said = {each: about for each, about in job.declared.items() if about["metric"] == name}
    named = (kwargs,) if kwargs else ()
    return as_declared(function(subject.module, tuple(args), *named), said)
