"""The nodes of a Ray cluster: who is there, what they are, which cores are whose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.engines.engine import EngineError
from harness.engines.ray.placement import Node
from harness.engines.ray.task import Description, describe
from harness.outcome import Place

_PATIENCE = 120.0  # seconds for a node to start a process and import torch


@dataclass(frozen=True)
class Member:
    """A node with what the engine knows of it beyond its place in the queue.

    Attributes:
        description: its own words.
        place: as records name it.
        cores: those that it owns; `None` where it is promised all of its machine, or more than
            there are.
        crowded: whether the nodes of its machine are promised more cores than it has.
    """

    description: Description
    place: Place
    cores: tuple[int, ...] | None
    crowded: bool


class Cluster:
    """Looks at the cluster that this process is connected to.

    Args:
        ray: the package.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._members: dict[str, Member] = {}
        self._gone: set[str] = set()
        self._own = str(ray.get_runtime_context().get_node_id())

    def __getitem__(self, identity: str) -> Member:
        return self._members[identity]

    def lost(self, identity: str) -> None:
        """A node answers no more; the cluster itself notices some seconds later."""
        self._gone.add(identity)

    def look(self, known: Mapping[str, Node]) -> tuple[list[Node], list[str]]:
        """Nodes that have come, and identities of those that have left.

        Raises:
            EngineError: a node cannot run cases, or this machine is no node any more.
        """
        listed = {node["NodeID"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]}
        if self._own not in listed:  # what this process asks for would never come back
            raise EngineError(
                "Ray has ended on this machine; finished records are kept: start it again here and "
                "go on with --resume"
            )
        alive = {identity: has for identity, has in listed.items() if identity not in self._gone}
        left = [identity for identity in known if identity not in alive]
        self._gone.update(left)
        new = {key: has for key, has in alive.items() if key not in known and has.get("CPU")}
        return self._admit(new), left

    def _admit(self, resources: Mapping[str, Mapping[str, float]]) -> list[Node]:
        asked = {identity: self._ask(identity) for identity in resources}
        nodes = []
        for identity, answer in asked.items():
            description = self._answer(identity, answer)
            if description is None:
                continue
            has = resources[identity]
            node = Node(
                identity,
                description.place.machine_key,
                "|".join((description.place.machine_key, *map(str, description.versions))),
                cpus=int(has["CPU"]),
                gpus=int(has.get("GPU", 0)),
                host=description.host,
            )
            cores, crowded = self._allot(description, node.cpus)
            place = replace(description.place, node=self._name(description, identity))
            self._members[identity] = Member(description, place, cores, crowded)
            nodes.append(node)
        return nodes

    def _ask(self, identity: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # A process of its own that ends at once: describing a GPU opens a context on it.
        remote = self._ray.remote(num_cpus=0, max_retries=0, max_calls=1)(describe)
        there = NodeAffinitySchedulingStrategy(identity, soft=False)
        return remote.options(scheduling_strategy=there).remote()

    def _answer(self, identity: str, answer: Any) -> Description | None:
        """What a node says of itself; `None` for one that was lost over it."""
        errors = self._ray.exceptions
        try:
            found: Description = self._ray.get(answer, timeout=_PATIENCE)
        except errors.RayTaskError as error:
            cause = str(error).strip().splitlines()[-1]
            raise EngineError(
                f"node {identity[:8]} cannot run cases: {cause}; install this version of the "
                "package, with PyTorch, in the environment from which Ray is started there"
            ) from error
        except errors.RayError:
            self._gone.add(identity)
            return None
        return found

    def _allot(self, description: Description, cpus: int) -> tuple[tuple[int, ...] | None, bool]:
        """Cores for a node: some of its own where the machine has more than it is promised."""
        neighbours = [
            member
            for identity, member in self._members.items()
            if identity not in self._gone and member.description.host == description.host
        ]
        if not neighbours and cpus >= len(description.cores):
            return None, False
        taken = {core for member in neighbours for core in member.cores or description.cores}
        free = [core for core in description.cores if core not in taken]
        return (tuple(free[:cpus]), False) if len(free) >= cpus else (None, True)

    def _name(self, description: Description, identity: str) -> str:
        names = {
            member.place.node for key, member in self._members.items() if key not in self._gone
        }
        name = description.place.node
        return f"{name}/{identity[:8]}" if name in names else name
