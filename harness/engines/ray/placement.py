"""Placement: which node a case goes to. Plain data and rules; knows nothing of Ray."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.case import Job
from harness.engines.engine import is_static, is_timed, next_ring


@dataclass(eq=False)
class ClusterNode:
    """A machine of the cluster, or a part of one."""

    identity: str  # of the cluster's own
    machine_key: str  # hash of the machine
    # nodes of one kind give times that may stand in one column: the same machine key and the same
    # versions of what is measured with
    kind: str
    cpus: int  # cores that cases may use
    gpus: int = 0  # how many
    host: str = ""  # the same for nodes that are parts of one machine; the node itself if absent
    units: "list[WorkUnit]" = field(default_factory=list)  # what runs on it

    def __post_init__(self) -> None:
        self.host = self.host or self.identity

    def could(self, unit: "WorkUnit") -> bool:
        """Whether an empty node of this make can run a unit at all."""
        if not unit.static and unit.job.machine not in (None, self.machine_key):
            return False
        return self.gpus > 0 if unit.cuda else self.cpus > 0

    def has_room(self, unit: "WorkUnit", company: "Sequence[WorkUnit]") -> bool:
        """Whether a unit may begin beside what runs.

        What is timed on a processor is alone on its machine; what is timed on a GPU has that GPU,
        with others of its sort on the other GPUs and nothing else on the machine.
        `company` is what runs on all nodes of this machine.
        """
        if unit.timed and not unit.cuda:
            return not company
        for each in company:
            if each.timed is not unit.timed or (each.timed and not each.cuda):
                return False
        if unit.cuda and sum(each.cuda for each in self.units) >= self.gpus:
            return False
        return sum(each.cores for each in self.units) + min(unit.cores, self.cpus) <= self.cpus


@dataclass(eq=False)
class WorkUnit:
    """A job, or the processes of a case that sample in turns: what goes to one node at once."""

    jobs: list[Job]  # those that have not ended
    losses: list[str] = field(default_factory=list)  # names of nodes that were lost under it
    job: Job = field(init=False)  # any of them

    def __post_init__(self) -> None:
        self.job = self.jobs[0]  # they differ only in their number

    @property
    def cuda(self) -> bool:
        """Whether it needs a GPU."""
        return self.job.case.device == "cuda"

    @property
    def timed(self) -> bool:
        """Whether it needs its device alone."""
        return is_timed(self.job)

    @property
    def static(self) -> bool:
        """Whether it gives the same on every machine."""
        return is_static(self.job)

    @property
    def cores(self) -> int:
        """Cores of a unit that shares its node."""
        return max(1, self.job.threads or 1)


class Placement:
    """A queue of units and the nodes they run on.

    A unit that finds no room reserves the emptiest machine that could run it: nobody behind it
    begins there, so a case that needs all of one is not overtaken for ever by those that share.
    With `mix_machines` timed cases of one suite may run on nodes of different kinds.
    """

    def __init__(self, mix_machines: bool = False) -> None:
        self.nodes: dict[str, ClusterNode] = {}
        self._mix = mix_machines
        self._jobs: deque[Job] = deque()
        self._queue: deque[WorkUnit] = deque()
        self._kinds: dict[tuple[str, str], str] = {}  # of each comparison

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._jobs.append(job)

    @property
    def waiting(self) -> int:
        """Jobs that run nowhere yet."""
        return len(self._jobs) + sum(len(unit.jobs) for unit in self._queue)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._jobs.clear()
        self._queue.clear()

    def start(self) -> Iterator[tuple[WorkUnit, ClusterNode]]:
        """Units that may begin now, each with its node, in the order of submission."""
        while self._jobs:
            self._queue.append(WorkUnit(next_ring(self._jobs)))
        hosts = {node.host for node in self.nodes.values()}
        left: list[WorkUnit] = []
        while self._queue and hosts:
            unit = self._queue.popleft()
            able = [node for node in self._able(unit) if node.host in hosts]
            room = [node for node in able if node.has_room(unit, self._company(node))]
            if room:
                node = min(room, key=self._load)
                if not unit.static:
                    self._kinds.setdefault(_comparison(unit), node.kind)
                node.units.append(unit)
                yield unit, node
            else:
                left.append(unit)
                if able:
                    hosts.remove(min(able, key=self._load).host)
        self._queue.extendleft(reversed(left))

    def _company(self, node: ClusterNode) -> list[WorkUnit]:
        """What runs on the machine that a node is part of."""
        there = (each for each in self.nodes.values() if each.host == node.host)
        return [unit for each in there for unit in each.units]

    def _load(self, node: ClusterNode) -> tuple[int, int]:
        return len(self._company(node)), len(node.units)

    def stop(self, unit: WorkUnit, node: ClusterNode) -> None:
        """A unit runs on a node no more."""
        node.units.remove(unit)

    def again(self, unit: WorkUnit) -> None:
        """Put a unit back in front."""
        self._queue.appendleft(unit)

    def homeless(self) -> list[WorkUnit]:
        """Units that no node of the cluster can run, as it is now."""
        return [unit for unit in self._queue if not self._able(unit)]

    def stuck(self) -> tuple[WorkUnit, str]:
        """Of what waits while nothing runs: the first unit, and why no node takes it."""
        unit = next(iter(self.homeless()), self._queue[0])
        name = f"{unit.job.label!r} and {self.waiting - 1} more"
        if not self.nodes:
            return unit, f"the cluster has no node with a core for {name}"
        need = "a GPU" if unit.cuda else "cores"
        if not any(node.gpus if unit.cuda else node.cpus for node in self.nodes.values()):
            return unit, f"no node of the cluster has {need} for {name}"
        return unit, (
            f"no node is of the kind of machine that ran the other cases of suite "
            f"{unit.job.suite}, which {name} wait for (--mix-machines takes others)"
        )

    def _able(self, unit: WorkUnit) -> list[ClusterNode]:
        """Nodes that could run a unit, of the kind that its comparison is held to, or will be."""
        able = [node for node in self.nodes.values() if node.could(unit)]
        if self._mix or unit.static:
            return able
        kind = self._kinds.get(_comparison(unit))
        if kind is None:  # the one whose nodes run most of the comparison at once
            power: Counter[str] = Counter()
            for node in able:
                power[node.kind] += node.gpus if unit.cuda else 1
            kind = max(power, key=lambda kind: (power[kind], kind), default=None)
        return [node for node in able if node.kind == kind]


def _comparison(unit: WorkUnit) -> tuple[str, str]:
    """What stands in one column: cases of one suite on one sort of device."""
    return unit.job.suite, unit.job.case.device
