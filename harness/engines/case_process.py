"""A process of cases on this machine: what it has said so far, and what came of each case."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.case import Job, Outcome, Status, Used, UsedGpu, from_plain
from harness.engines.devices import Grant
from harness.engines.engine import Event, Finished, Measuring, Started, Waiting
from harness.engines.process.answer import AnswerError, AnswerReader, understood
from harness.engines.process.child import LEAVING, Child
from harness.engines.process.ending import ended_by_signal, oom_kills
from harness.engines.process.supervisor import TAIL_LINES
from harness.engines.process.worker import LONGEST_CAUSE
from harness.measure import require_declared
from harness.messages import escaped, last_lines

Failure = Literal["error", "oom", "timeout", "killed", "invalid", "unsupported"]

_FORMS: Mapping[str, Any] = {
    "metric": tuple[str],
    "values": tuple[str, dict[str, Any], float],
    "used": tuple[Used],
    "gpu": tuple[UsedGpu],
    "done": tuple[()],
    "next": tuple[()],
    "failed": tuple[Failure, str, tuple[str, ...]],
    "exited": tuple[int | None, tuple[str, ...]],
}
"""What follows the first word of a message of the supervisor or its worker."""


@dataclass
class _Said:
    """What a process has said so far of one case."""

    oom_kills: int = field(default_factory=oom_kills)
    started: float = field(default_factory=time.monotonic)
    values: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    used: Used | None = None
    gpu: UsedGpu | None = None
    verdict: tuple[Status, str | None] | None = None
    trace: tuple[str, ...] = ()
    metric: str = "start"
    begun: set[str] = field(default_factory=set)  # metrics
    answered: bool = False  # nothing of this case follows


@dataclass
class CaseProcess:
    """A process with its case, and the static ones that come after it in there."""

    job: Job  # the one that is being measured
    child: Child
    grant: Grant
    following: deque[Job] = field(default_factory=deque)
    said: _Said = field(default_factory=_Said)
    answers: AnswerReader = field(init=False)
    limit: float = field(init=False)  # when patience ends
    warm: bool = False  # whether another case came before
    told: bool = False  # to end
    forgotten: bool = False  # cancelled while somebody reads the events
    output: tuple[str, ...] = ()
    exit: int | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self.answers = AnswerReader(self.child.pipe.fileno())
        members = self.job.turn.members if self.job.turn is not None else 1
        # It waits for the others of its ring.
        self.limit = self.said.started + self.job.timeout * members

    def judge(self, status: Status, cause: str | None) -> None:
        """The first verdict stays; from then on the process has little time to leave."""
        if self.said.verdict is None:
            self.said.verdict = (status, cause)
            self.limit = min(self.limit, time.monotonic() + LEAVING)

    def listen(self) -> Iterator[Event]:
        """Take every message that has arrived."""
        try:
            while not self._is_deaf and (messages := self.answers.take()):
                for message in messages:
                    kind = self.understand(message)
                    if kind == "metric":
                        yield Measuring(self.job, self.said.metric)
                    elif kind == "next":
                        yield Finished(self.job, self.outcome())
                        if not self._is_deaf:
                            yield self.go_on()
                    if self._is_deaf:
                        return
        except AnswerError as error:
            # What a hostile module wrote into the pipe can be anything; what follows it, too, and
            # whoever writes there may have written what came before.
            if self.said.verdict is not None and self.said.verdict[0] == "ok":
                self.said.verdict = None
            self.judge(
                "error", f"the module wrote into the pipe of its measurements: {error!s:.200}"
            )
            self.tell()

    @property
    def _is_deaf(self) -> bool:
        """Whether nothing that is said counts any more; a module may have told its own end."""
        return self.forgotten or self.ended

    def understand(self, message: list[Any]) -> str:
        """Keep what a message says; its first word.

        Raises:
            AnswerError: no worker says this, or not now.
        """
        kind, content = understood(_FORMS, message)
        said = self.said
        if kind == "exited":
            self.exit, output = content
            self.output = _printable(output)
            self.ended = True
            return kind
        if kind == "next":
            if said.verdict != ("ok", None) or not self.following:
                raise AnswerError("there is no next case")
            return kind
        if said.answered:
            raise AnswerError(f"{kind!r} follows the last answer")
        if kind == "metric":
            (name,) = content
            if name not in self.job.metrics or name in said.begun:
                raise AnswerError(f"metric {name!r:.40} was not asked for, or is over")
            said.metric = name
            said.begun.add(name)
        elif kind == "values":
            self.keep(*content)
        elif kind == "used":
            (used,) = content
            said.used = used if said.used is None else said.used.joined(used)
        elif kind == "gpu":
            (said.gpu,) = content
        elif kind == "done":
            if missing := set(self.job.metrics) - said.seconds.keys():
                raise AnswerError(f"done without {', '.join(sorted(missing))}")
            said.answered = True
            self.judge("ok", None)
        else:
            status, cause, trace = content
            said.answered = True
            said.trace = _printable(trace)
            self.judge(status, escaped(cause)[:LONGEST_CAUSE])
        return kind

    def keep(self, metric: str, values: dict[str, Any], seconds: float) -> None:
        """Take the values of the metric that is being measured."""
        said = self.said
        if metric != said.metric or metric in said.seconds:
            raise AnswerError(f"values of {metric!r:.40}, which is not being measured")
        try:
            warned = from_plain(tuple[str, ...], values.pop("warnings", ()))
            require_declared(metric, values, self.job.declared)
        except ValueError as error:
            raise AnswerError(f"values of {metric}: {error}") from error
        said.warnings += map(escaped, warned)
        said.values.update(values)
        said.seconds[metric] = seconds

    def go_on(self) -> Started:
        """Begin to hear of the next case."""
        self.job, self.said, self.warm = self.following.popleft(), _Said(), True
        self.limit = self.said.started + self.job.timeout
        return Started(self.job)

    def is_over(self) -> bool:
        """Whether nothing more is to be waited for; a process that is overdue is told to end."""
        if self.ended or self.answers.closed:
            return True
        if time.monotonic() < self.limit:
            return False
        if self.told:
            return True
        cause = f"no answer within {self.job.timeout:g} s, in metric {self.said.metric}"
        self.judge("timeout", cause)
        self.tell()
        return False

    def tell(self) -> None:
        """Ask the supervisor to end the case."""
        self.told, self.limit = True, time.monotonic() + LEAVING
        self.child.tell()

    def finish(self) -> Finished | Waiting:
        """Take leave of it and say what came of the case.

        One that failed where another had been before is none: that may have been the reason.
        """
        self.child.leave()
        outcome = self.outcome()
        if self.warm and outcome.status != "ok":
            return Waiting(self.job, "it failed in the process of other cases, and gets its own")
        return Finished(self.job, outcome)

    def outcome(self) -> Outcome:
        """What came of the case."""
        said = self.said
        status, cause = said.verdict or self._cause_of_exit()
        room = TAIL_LINES - len(said.trace)
        return Outcome(
            status=status,
            cause=cause,
            values=said.values,
            warnings=(*self.grant.warnings, *said.warnings),
            seconds=said.seconds,
            tail=(*self.output[-room:], *said.trace) if status != "ok" else (),
            elapsed=time.monotonic() - said.started,
            used=said.used,
            gpu=said.gpu,
        )

    def _cause_of_exit(self) -> tuple[Status, str]:
        code = self.exit if self.ended else self.child.process.exitcode
        ended = ended_by_signal(code, self.said.metric, self.said.oom_kills)
        if ended is not None:
            return ended
        where = f"in metric {self.said.metric}"
        if not self.ended:
            return "error", f"the supervisor of the case ended with exit code {code}, {where}"
        return "error", f"the worker ended with exit code {code} without an answer, {where}"


def _printable(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Of what a process is said to have written, what a record holds and a terminal bears."""
    return last_lines("\n".join(lines), TAIL_LINES)
