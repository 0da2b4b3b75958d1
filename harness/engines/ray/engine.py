"""The Ray engine: each case a task on a node, its events streamed back as they happen."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.case import Job, Outcome, Status
from harness.engines.engine import (
    MOST_LOSSES,
    EngineError,
    Event,
    Finished,
    RemoteEngine,
    Waiting,
    event_of,
    number_of,
    require_known,
    truth_of,
)
from harness.engines.ray.cluster import Cluster, Connection, Member, run_unit
from harness.engines.ray.placement import ClusterNode, Placement, WorkUnit

_LOOK_AT_NODES = 5.0  # seconds between looks at the list of nodes
_WAKE = 1.0  # seconds that a wait lasts at most
_SLOW_START = 30.0  # seconds after which a case that Ray has not started is worth a word


@dataclass
class UnitRun:
    """A unit on a node, and what it has said so far."""

    unit: WorkUnit
    node: ClusterNode
    member: Member
    jobs: tuple[Job, ...]
    submitted: float = field(default_factory=time.monotonic)
    spoke: bool = False

    def waiting(self, why: str) -> list[Waiting]:
        """That jobs of the unit have to wait, because of the node."""
        node = self.member.place.node
        return [Waiting(job, f"node {node} {why}") for job in self.unit.jobs]


class RayEngine(RemoteEngine):
    """Runs jobs on the nodes of a Ray cluster.

    The nodes have this package installed as this machine has, and see suites and modules of users
    under the same path. A case that is timed on a processor has a node for itself; one that is
    timed on a GPU has that GPU. A case is run a second time only if its node was lost, and a
    warning in its record says so.

    Args:
        address: `HOST:PORT` of the cluster, or `local` for one that lives as long as this engine;
            `None`: `$RAY_ADDRESS`, or the cluster that this machine is part of.
        mix_machines: whether timed cases of one suite may run on machines of different kinds.
        patience: seconds to wait for a node that can run what is left.
    """

    def __init__(
        self, address: str | None = None, *, mix_machines: bool = False, patience: float = 60.0
    ) -> None:
        self._connection = Connection(address)
        self._placement = Placement(mix_machines)
        self._patience = patience
        self._running: dict[Any, UnitRun] = {}
        self._cancelled = False

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> "RayEngine":
        """The engine from the options of `harness run --engine ray`.

        Raises:
            EngineError: an option that there is not, or Ray is missing.
        """
        import ray  # noqa: F401 - to say at once that it is missing

        require_known("ray", options, ("address", "mix_machines", "patience"))
        mix = truth_of("mix_machines", options.get("mix_machines", "no"))
        said, cure = options.get("patience", "60"), "seconds, e.g. patience=600"
        patience = number_of("patience", said, 0, float, cure)
        return cls(options.get("address"), mix_machines=mix, patience=patience)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._placement.submit(job)

    def events(self) -> Iterator[Event]:
        """Place jobs as nodes have room, and report what happens to them.

        Raises:
            EngineError: no cluster, or no node in it for what is left.
        """
        self._cancelled = False
        if not self._placement.waiting:
            return
        self._placement.nodes.clear()  # of an earlier visit to the cluster
        try:
            with self._connection as ray:
                try:
                    for event in self._follow(ray, Cluster(ray)):
                        if self._cancelled:
                            return
                        yield event
                except ray.exceptions.RayError as error:
                    raise EngineError(
                        f"the Ray cluster answers no more ({_last_line(error)}); finished records "
                        "are kept: go on with --resume when it does"
                    ) from error
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones."""
        self._cancelled = True
        self._placement.clear()
        for stream, running in self._running.items():
            self._placement.stop(running.unit, running.node)
            self._connection.end(stream)
        self._running.clear()
        self._connection.close()

    def _follow(self, ray: Any, cluster: Cluster) -> Iterator[Event]:
        # One process of Ray serves many cases, so its fork server imports torch once; each case is
        # told its GPU, so nothing of an earlier one is left.
        remote = ray.remote(max_retries=0, max_calls=0, num_returns="streaming")(run_unit)
        look_at, give_up_at, told = 0.0, time.monotonic() + self._patience, False
        while not self._cancelled and (self._placement.waiting or self._running):
            if time.monotonic() >= look_at:
                come, left = cluster.look(self._placement.nodes)
                self._placement.nodes |= {node.identity: node for node in come}
                for identity in left:  # what runs there says so itself
                    self._placement.nodes.pop(identity, None)
                look_at = time.monotonic() + _LOOK_AT_NODES
            for unit, node in self._placement.start():
                self._start(remote, cluster[node.identity], unit, node)
            if self._running:
                yield from self._listen(ray, cluster)
                for running in list(self._running.values()):
                    if not running.spoke and time.monotonic() - running.submitted > _SLOW_START:
                        running.spoke = True
                        yield from running.waiting("has not begun; other work of Ray may hold it")
                give_up_at, told = time.monotonic() + self._patience, False
                continue
            unit, why = self._placement.stuck()
            if time.monotonic() >= give_up_at:
                raise EngineError(f"{why}; go on with --resume when there is one")
            if not told:
                told = True
                yield Waiting(unit.job, f"{why}; giving up in {self._patience:g} s")
            time.sleep(_WAKE)

    def _start(self, remote: Any, member: Member, unit: WorkUnit, node: ClusterNode) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alone = unit.timed and not unit.cuda
        stream = remote.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.identity, soft=False),
            num_cpus=node.cpus if alone else min(unit.cores, node.cpus),
            num_gpus=1 if unit.cuda else 0,
            name=f"{unit.job.suite}: {unit.job.label}",
        ).remote(unit.jobs, member.cores, member.description.gpus)
        self._running[stream] = UnitRun(unit, node, member, tuple(unit.jobs))

    def _listen(self, ray: Any, cluster: Cluster) -> Iterator[Event]:
        """Wait for the next word of any node."""
        ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_WAKE)
        for stream in ready:
            running = self._running[stream]
            try:
                number, words = ray.get(next(stream))
                event = event_of(words, running.jobs[number])
            except StopIteration:
                yield from self._end(stream, running, "the task ended without an answer")
            except ray.exceptions.RayError as error:
                yield from self._fail(ray, cluster, stream, error)
            except ValueError as error:  # of a version that speaks otherwise
                self._connection.end(stream)
                yield from self._end(stream, running, f"the node's answer: {error}")
            else:
                running.spoke = True
                yield _placed(running, event) if isinstance(event, Finished) else event

    def _fail(self, ray: Any, cluster: Cluster, stream: Any, error: Exception) -> Iterator[Event]:
        """A task ended otherwise than by its own will."""
        running, errors = self._running[stream], ray.exceptions
        name = running.member.place.node
        lost = (
            errors.NodeDiedError,
            errors.LocalRayletDiedError,
            errors.TaskUnschedulableError,
            errors.ObjectLostError,
        )
        if isinstance(error, lost):
            cluster.lost(running.node.identity)
            yield from self._lose(stream, running)
        elif isinstance(error, errors.OutOfMemoryError):
            cause = f"ended by Ray for lack of memory on node {name}"
            yield from self._end(stream, running, cause, "oom")
        elif isinstance(error, errors.RayTaskError):
            cause = f"node {name}: {_last_line(error)}"
            yield from self._end(stream, running, cause)
        else:
            cause = f"the process of Ray on node {name} that watched the case was killed"
            yield from self._end(stream, running, cause, "killed")

    def _lose(self, stream: Any, running: UnitRun) -> Iterator[Event]:
        """A node was lost: what ran there goes back in front of the queue."""
        name = running.member.place.node
        self._placement.nodes.pop(running.node.identity, None)
        running.unit.losses.append(name)
        if len(running.unit.losses) >= MOST_LOSSES:
            lost = ", ".join(running.unit.losses)
            cause = f"its node was lost {MOST_LOSSES} times, it may be the reason: {lost}"
            yield from self._end(stream, running, cause, "killed")
            return
        del self._running[stream]
        self._placement.stop(running.unit, running.node)
        if running.unit.jobs:
            self._placement.again(running.unit)
        yield from running.waiting("was lost; the case begins again elsewhere")

    def _end(
        self, stream: Any, running: UnitRun, cause: str, status: Status = "error"
    ) -> Iterator[Event]:
        """A task is over; jobs that have not ended by themselves end so."""
        del self._running[stream]
        self._placement.stop(running.unit, running.node)
        elapsed = time.monotonic() - running.submitted
        for job in list(running.unit.jobs):
            yield _placed(running, Finished(job, Outcome(status, cause, elapsed=elapsed)))


def _last_line(error: Exception) -> str:
    """The end of an error of Ray, where a trace of the other side has its message."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _placed(running: UnitRun, event: Finished) -> Finished:
    """An end as the driver reports it: with its place, and with what befell the case."""
    running.unit.jobs.remove(event.job)
    node, outcome = running.member.place.node, event.outcome
    warnings = list(outcome.warnings)
    if running.unit.losses:
        lost = ", ".join(running.unit.losses)
        warnings.append(f"measured again on node {node} after a node was lost: {lost}")
    if running.member.crowded and running.unit.timed:
        warnings.append(
            f"node {node} is promised cores that other nodes of its machine are promised, too; "
            "start Ray there with a smaller --num-cpus"
        )
    outcome = replace(outcome, place=running.member.place, warnings=tuple(warnings))
    return Finished(event.job, outcome)
