"""Cases of this session alone: a class of a notebook, an instance, a lambda that makes a module.

No other process can import these, so that they run in this one: without isolation, which every
such row says. All other cases go to the engine that they would have gone to.
"""

import json
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from harness.case import Job, Outcome, Status
from harness.engines.engine import Engine, Event, Finished, Measuring, Started
from harness.engines.process.worker import classify
from harness.instantiate import is_of_session
from harness.measure import METRICS, STATIC, function_of

NOT_ISOLATED = "measured in this process, not in one of its own: no other can import its module"

_OF_A_PROCESS = {
    "resident": "is the memory of a whole process",
    "accuracy": "is trained in processes of its own",
}


class SessionEngine:
    """Runs what only this session has, after all that another engine runs.

    Args:
        others: runs all else.
    """

    def __init__(self, others: Engine) -> None:
        self._others = others
        self._own: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        if is_of_session(job.case.module):
            self._own.append(job)
        else:
            self._others.submit(job)

    def events(self) -> Iterator[Event]:
        """What happens elsewhere, then here."""
        yield from self._others.events()
        while self._own:
            yield from _measured(self._own.popleft())

    def cancel(self) -> None:
        """Forget what is queued and end what runs elsewhere."""
        self._own.clear()
        self._others.cancel()


def _measured(job: Job) -> Iterator[Event]:
    yield Started(job)
    start = time.perf_counter()
    values: dict[str, Any] = {}
    warnings, seconds = [NOT_ISOLATED], dict[str, float]()
    status: Status = "ok"
    cause = None
    if job.replicate > 1:
        warnings.append("repeats: a further pass of the same process, not a further process")
    for name in sorted(job.metrics, key=_turn):
        yield Measuring(job, name)
        began = time.perf_counter()
        try:
            found = _values(name, job)
        except (Exception, SystemExit) as error:  # a user's module may raise anything
            status, cause = classify(error)
            break
        warnings += found.pop("warnings", ())
        values |= found
        seconds[name] = time.perf_counter() - began
    elapsed = time.perf_counter() - start
    yield Finished(job, Outcome(status, cause, values, tuple(warnings), seconds, elapsed=elapsed))


def _turn(name: str) -> tuple[bool, bool]:
    """Counts first, last what a user measures, as in a process of its own."""
    return name not in METRICS, name not in STATIC


def _values(name: str, job: Job) -> dict[str, Any]:
    """What a metric stores, as the pipe of a process would bring it."""
    import torch

    from harness.measure.precision import float32_products

    if name in _OF_A_PROCESS:
        raise NotImplementedError(
            f"{name} {_OF_A_PROCESS[name]}; put the module into a file to measure it"
        )
    threads = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if job.case.device == "cuda" else []
    try:
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        with torch.random.fork_rng(devices), float32_products(job.case):
            plain: dict[str, Any] = json.loads(json.dumps(function_of(name)(job)))
    finally:
        torch.set_num_threads(threads)
    return plain
