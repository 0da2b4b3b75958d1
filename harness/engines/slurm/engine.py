"""The Slurm engine: cases as tasks of job arrays, their ends read from files and the scheduler."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.case import Job
from harness.engines.engine import (
    MOST_LOSSES,
    EngineError,
    Event,
    Finished,
    RemoteEngine,
    Started,
    Waiting,
)
from harness.engines.slurm.desk import Desk, orders_of
from harness.engines.slurm.scheduler import (
    SchedulerError,
    SlurmOptions,
    cancel_tasks,
    parse_options,
    read_states,
)
from harness.engines.slurm.task import Task, end_task

_LOOK_AT_JOURNALS = 0.5  # seconds between two looks at the journals of tasks that run
_LEAVE = 30.0  # seconds that tasks have to end after their last case
_ORDINARY = frozenset({"Priority", "Resources", "JobArrayTaskLimit", "QOSMaxJobsPerUserLimit"})


class SlurmEngine(RemoteEngine):
    """Runs jobs on the nodes of a Slurm cluster.

    Every task runs the same supervisor and worker as the local engine does, and writes a journal on
    the shared file system that is read as it grows. Why a task ended without telling is read from
    the scheduler, so that a time limit, a memory limit, a lost node, a cancellation and a crash
    differ. Cases of one comparison (suite and device) that are timed stay on one kind of machine:
    the first task decides, and a node of another kind is left out from then on.

    `settle` seconds after the end of a task its journal is believed to be whole.
    """

    def __init__(
        self,
        options: SlurmOptions | None = None,
        *,
        settle: float = 5.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or SlurmOptions()
        self._desk = Desk(self._options)
        self._settle, self._sleep, self._clock = settle, sleep, clock
        self._queue: deque[Job] = deque()
        self._tasks: list[Task] = []
        self._leaving: list[str] = []  # tasks that have told all and are about to end
        self._losses: dict[int, list[str]] = {}  # by the identity of the job: causes
        self._kept: list[Job] = []  # whose identity is a key above
        self._asked, self._refused = float("-inf"), ""
        self._ordinary_told = self._going_on = False
        self._untold = False  # a task ended without telling; its files are kept

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> "SlurmEngine":
        """The engine as the command line asks for it; see `harness.engines.slurm.scheduler`.

        Raises:
            EngineError: an unknown option or value, or no Slurm on this machine.
        """
        return cls(parse_options(options))

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)

    def take_up(self) -> None:
        """The run goes on: tasks of an engine that died without ending them are followed."""
        self._going_on = True

    def events(self) -> Iterator[Event]:
        """Submit, follow journals, ask the scheduler, until every job has ended.

        Raises:
            EngineError: Slurm refuses the tasks and none is left that would make room.
        """
        try:
            if self._going_on and self._queue:
                self._tasks += self._desk.adopt(self._queue)
            while self._queue or self._tasks:
                yield from self._place()
                before, told = len(self._tasks), False
                for event in self._follow():
                    told = True
                    yield event
                if not (self._queue or told) and len(self._tasks) >= before > 0:
                    self._sleep(min(_LOOK_AT_JOURNALS, self._options.poll))
            self._see_off()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Cancel what runs and waits in Slurm, and forget the queue."""
        self._queue.clear()
        alive = [task.slurm_id for task in self._tasks if task.slurm_id]
        self._tasks.clear()
        if alive:
            try:
                cancel_tasks(alive)
            except SchedulerError:  # it does not answer: the tasks end at their time limit
                self._untold = True
        self._desk.close(keep=self._untold or bool(alive))

    def _place(self) -> Iterator[Event]:
        """Submit what is queued; what Slurm refuses waits while other tasks may make room."""
        if not self._queue or (self._refused and self._clock() < self._asked + self._options.poll):
            return
        orders = orders_of(self._queue, self._options, self._desk.most)
        for order in orders:
            try:
                self._tasks += self._desk.submit(order)
            except EngineError as error:
                rest = [job for later in orders[orders.index(order) :] for job in later.jobs]
                self._queue.extend(rest)
                if not self._tasks:
                    raise
                if self._refused != str(error):
                    self._refused = str(error)
                    yield Waiting(rest[0], self._refused)
                return
        self._refused = ""

    def _follow(self) -> Iterator[Event]:
        """Read journals and states; take leave of tasks that are over."""
        self._ask()
        for task in list(self._tasks):
            if task.state is not None and task.state.fate == "waits":
                yield from self._say_why(task, task.state.reason)
                continue
            for event in self._marked(task.news()):
                yield event
                if task not in self._tasks:
                    return  # cancelled by whoever heard of it
            if task.told_all and not task.left:
                self._tasks.remove(task)
                self._leaving.append(task.slurm_id)
            elif task.elsewhere is not None:
                self._tasks.remove(task)
                # Keep the tasks of a comparison off a node of another kind than theirs.
                assert task.comparison is not None, "other tasks run anywhere"
                self._desk.avoid(task.comparison, task.elsewhere)
                self._queue.extend(task.left.values())
                cause = f"node {task.elsewhere} is of another kind than the table's other rows"
                yield Waiting(next(iter(task.left.values())), cause)
            elif task.is_over(self._clock(), self._settle):
                yield from self._marked(task.news())  # what came with the end
                if task in self._tasks:
                    self._tasks.remove(task)
                    yield from self._end(task)

    def _ask(self) -> None:
        """Ask the scheduler, not more often than is polite."""
        now = self._clock()
        if now < self._asked + self._options.poll or not self._tasks:
            return
        self._asked = now
        try:
            states = read_states(task.slurm_id for task in self._tasks)
        except SchedulerError:
            return  # busy or being restarted; the tasks go on meanwhile
        for task in self._tasks:
            task.heard(states.get(task.slurm_id), now)

    def _see_off(self) -> None:
        """Wait a little for tasks that have nothing more to do: they still use their folder."""
        limit = self._clock() + _LEAVE
        while self._leaving and self._clock() < limit:
            try:
                states = read_states(self._leaving)
            except SchedulerError:
                return
            self._leaving = [e for e in self._leaving if e in states and not states[e].is_over]
            if self._leaving:
                self._sleep(min(_LOOK_AT_JOURNALS, self._options.poll))

    def _say_why(self, task: Task, reason: str) -> Iterator[Waiting]:
        """Say once why a task waits; for the usual reasons once for all."""
        if reason in ("", "None", task.reason) or (reason in _ORDINARY and self._ordinary_told):
            return
        task.reason = reason
        self._ordinary_told |= reason in _ORDINARY
        yield Waiting(next(iter(task.left.values())), f"Slurm: {reason}")

    def _end(self, task: Task) -> Iterator[Event]:
        """What becomes of the jobs of a task that ended without telling."""
        self._untold = True
        fates = end_task(task, self._options, self._desk.log_of(task))
        yield from self._marked(fates.ended)
        under_way = task.under_way
        for number, job in fates.again.items():
            self._kept.append(job)
            losses = self._losses.setdefault(id(job), [])
            # A loss is that of the case that was under way; of all, if none was.
            if fates.lost and (number in under_way or not under_way):
                losses.append(fates.cause)
                if len(losses) >= MOST_LOSSES:
                    if number not in under_way:
                        yield Started(job)
                    times = f"its node was lost {len(losses)} times, at last: {fates.cause}"
                    yield task.end(number, "killed", times)
                    continue
            self._queue.append(job)
            yield Waiting(job, fates.cause)

    def _marked(self, events: Sequence[Event]) -> Iterator[Event]:
        """Events, with a warning on cases whose node was lost before."""
        for event in events:
            losses = self._losses.get(id(event.job))
            if isinstance(event, Finished) and losses:
                note = f"placed again after: {losses[-1]}"
                outcome = replace(event.outcome, warnings=(*event.outcome.warnings, note))
                yield Finished(event.job, outcome)
            else:
                yield event
