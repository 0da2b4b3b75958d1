"""`torch.cond` and `torch.while_loop`, run in the open, so that a dispatch mode sees their work."""

from collections.abc import Callable
from typing import Any

from torch._ops import HigherOrderOperator
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor

from harness.measure.subject import tensors_of

_NAMES = ("cond", "while_loop")


def is_control_flow(func: Any) -> bool:
    """Whether an operator decides by a value what runs."""
    return isinstance(func, HigherOrderOperator) and func.name() in _NAMES


def opened(
    func: Any, args: Any, measure: Callable[[Callable[[], object]], object] | None = None
) -> Callable[[], Any]:
    """What the operator would run, as a function to be called under the mode.

    On fake tensors nobody knows the branch: both are measured and must agree, else the values are
    needed. How often a loop turns is a value as well.

    Args:
        func: one of those that `is_control_flow` knows.
        args: its arguments.
        measure: a figure of a run, which both branches must share; without it both run, one after
            the other, and a loop turns twice.

    Raises:
        DataDependentOutputException: only real tensors can say.
    """
    return (_cond if func.name() == "cond" else _while_loop)(func, args, measure)


def _cond(func: Any, args: Any, measure: Any) -> Callable[[], Any]:
    decides, yes, no, given = args
    if not isinstance(decides, FakeTensor):
        return lambda: (yes if bool(decides) else no)(*given)
    if measure is None:
        return lambda: (no(*given), yes(*given))[1]
    if measure(lambda: yes(*given)) != measure(lambda: no(*given)):
        raise DataDependentOutputException(func)
    return lambda: yes(*given)


def _while_loop(func: Any, args: Any, measure: Any) -> Callable[[], Any]:
    goes_on, body, carried, given = args
    fake = any(isinstance(each, FakeTensor) for each in tensors_of([carried, given]))
    if not fake:
        return lambda: _turned(goes_on, body, carried, given)
    if measure is not None:
        raise DataDependentOutputException(func)
    # In the second turn what the first one made is alive.
    return lambda: body(*body(*carried, *given), *given)


def _turned(goes_on: Any, body: Any, carried: Any, given: Any) -> Any:
    while bool(goes_on(*carried, *given)):
        carried = body(*carried, *given)
    return tuple(carried)
