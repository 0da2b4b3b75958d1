"""Rules that users give for their own operators, for the time of a count.

A rule is a plain function of one call. What it returns is checked, since it is not this project's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from harness.case import Job
from harness.environment.entry_points import entry_points_of
from harness.instantiate import ModuleError, load_name
from harness.measure.cost import Cost
from harness.messages import HarnessError

COUNTING_GROUP = "context_harness.counting"
"""Entry points under which an installed package brings rules; their names are operators'."""

OwnRule = Callable[[Sequence[Any], dict[str, Any], Any], Mapping[str, Any] | Cost]
"""From the arguments of a call and what it returned to what it costs."""

_COUNTS = ("conv_macs", "transposed_conv_macs", "matmul_macs")
_EXAMPLE = '{"matmul_macs": 0, "conv_macs": 0, "elementwise": {"multiply": 0}}'

_NONE: Mapping[str, OwnRule] = MappingProxyType({})
_rules: ContextVar[Mapping[str, OwnRule]] = ContextVar("_rules", default=_NONE)


class OwnRuleError(HarnessError):
    """A user's rule failed, or returned what is no cost."""


@contextmanager
def own_rules(rules: Mapping[str, OwnRule]) -> Iterator[None]:
    """Count operators by rules of their own while the context lasts.

    Args:
        rules: by the operator's name with its namespace, such as `mine::gram`; every overload of
            it. They go before the rules of this project.

    Raises:
        OwnRuleError: a name has no namespace, or a rule is no function.
    """
    for name, rule in rules.items():
        space, _, own = name.partition("::")
        if not space or not own:
            raise OwnRuleError(f"counting rule {name!r}: name it namespace::operator")
        if not callable(rule):
            raise OwnRuleError(f"counting rule {name}: {type(rule).__name__} is no function")
    token = _rules.set({**_rules.get(), **rules})
    try:
        yield
    finally:
        _rules.reset(token)


@contextmanager
def rules_of(job: Job) -> Iterator[None]:
    """Count operators by the rules that installed packages bring and those that a job names.

    Raises:
        OwnRuleError: a rule cannot be imported, or is no function.
    """
    targets = {each.name: each.value for each in entry_points_of(COUNTING_GROUP)}
    found = {}
    for name, target in {**targets, **job.counting}.items():
        try:
            found[name] = load_name(target, job.search_path, "function")
        except ModuleError as error:
            raise OwnRuleError(f"counting rule {name}: {error}") from error
    with own_rules(found):
        yield


def has_own_rule(func: Any) -> bool:
    """Whether a user gave a rule for an operator."""
    return _name(func) in _rules.get()


def _name(func: Any) -> str:
    schema = getattr(func, "_schema", None)  # operators that take functions have none
    return str(schema.name) if schema is not None else ""


def own_cost(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost | None:
    """What a user's rule says of a call; `None` where no rule names the operator.

    Raises:
        OwnRuleError: the rule failed, or what it returned is no cost.
    """
    rules = _rules.get()
    if not rules or (name := _name(func)) not in rules:
        return None
    try:
        found = rules[name](args, kwargs, out)
    except Exception as error:
        raise OwnRuleError(f"counting rule {name}: {type(error).__name__}: {error}") from error
    return found if isinstance(found, Cost) else _checked(name, found)


def _checked(name: str, found: object) -> Cost:
    """The cost that a mapping describes."""
    if not isinstance(found, Mapping):
        raise _refused(name, f"returned {type(found).__name__}")
    unknown = [key for key in found if key not in (*_COUNTS, "elementwise")]
    if unknown:
        raise _refused(name, f"returned {unknown[0]!r}")
    conv, transposed, matmul = (_whole(name, key, found.get(key, 0)) for key in _COUNTS)
    kinds = found.get("elementwise", {})
    if not isinstance(kinds, Mapping):
        raise _refused(name, f"elementwise is {type(kinds).__name__}")
    elementwise = tuple((str(kind), _whole(name, kind, n)) for kind, n in kinds.items())
    return Cost(conv, transposed, matmul, elementwise)


def _whole(name: str, key: object, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refused(name, f"{key} is {value!r}, not a whole number from 0 on")
    return value


def _refused(name: str, what: str) -> OwnRuleError:
    return OwnRuleError(f"counting rule {name}: {what}; return a dictionary such as {_EXAMPLE}")
