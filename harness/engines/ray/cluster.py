"""A Ray cluster: the connection, what runs on its nodes, and which cores are whose."""

import os
import platform
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.case import Job, Place
from harness.engines.devices import Gpu, own_cores, visible_gpus
from harness.engines.engine import EngineError, words_of
from harness.engines.local import describe_node, run_here
from harness.engines.ray.placement import ClusterNode

_LOCAL = "local"


class Connection:
    """Connects to a cluster for as long as the statement lasts; one that was there stays."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._ray: Any = None
        self._own = False

    def __enter__(self) -> Any:
        import ray

        if self._address is not None and self._address.startswith("ray://"):
            raise EngineError(
                f"--address {self._address}: events cannot be streamed through a Ray client; start "
                "the command on a node of the cluster (with `ray start --num-cpus 0 --address ...` "
                "this machine becomes one that runs no cases) and give HOST:PORT"
            )
        self._ray, self._own = ray, not ray.is_initialized()
        if self._own:
            in_main = threading.current_thread() is threading.main_thread()
            before = signal.getsignal(signal.SIGTERM)
            try:
                self._connect(ray)
            finally:
                if in_main:  # Ray takes SIGTERM for itself and would end the process without a word
                    signal.signal(signal.SIGTERM, before)
            # Keep Ray's remarks on lost workers off stdout, where `--json` writes. There is no
            # option for them (`log_to_driver` is about the output of workers); what matters in them
            # the engine says itself.
            worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
            if hasattr(worker, "print_to_stdstream"):
                worker.print_to_stdstream = lambda *_arguments, **_named: None
        return ray

    def _connect(self, ray: Any) -> None:
        # Ray asks for this word on what a task without GPUs sees; cases that need one name it.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # Its workers have niceness 15 otherwise; heard by a cluster that is started here only.
        os.environ.setdefault("RAY_worker_niceness", "0")
        address = self._address or os.environ.get("RAY_ADDRESS") or "auto"
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="ERROR",
                **({"include_dashboard": False} if address == _LOCAL else {}),
            )
        except ray.exceptions.AuthenticationError as error:
            raise EngineError(
                f"the Ray cluster at {address} does not accept this user's token; copy the "
                "token of the head node to ~/.ray/auth_token, or name it with RAY_AUTH_TOKEN_PATH"
            ) from error
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error)
            raise EngineError(
                f"no Ray cluster at {address}: {reason}; start one with `ray start --head`, or "
                "name another with --address HOST:PORT (--address local: one for this run)"
            ) from error

    def __exit__(self, *_error: object) -> None:
        self.close()

    def end(self, stream: Any) -> None:
        """Kill a task with what it runs."""
        if self._ray is not None:
            with suppress(Exception):  # it has ended, or the cluster has
                self._ray.cancel(stream, force=True)

    def close(self) -> None:
        """Leave the cluster; may be called twice."""
        ray, self._ray = self._ray, None
        if ray is not None and self._own:
            ray.shutdown()


# On a node, a worker process of Ray only holds the fork server and passes on what it says: cases
# run in processes of their own, as on one machine, and Ray's process sees no stranger's module.

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class NodeDescription:
    """A node as it describes itself."""

    place: Place  # name of the machine, its key and environment
    host: str  # the same for all nodes on one machine, until it is booted again
    cores: tuple[int, ...]  # that the node's processes may run on
    gpus: tuple[Gpu, ...]  # of the machine
    # of torch and of this package: what a time depends on besides the machine
    versions: tuple[str | None, ...]


def describe_member() -> NodeDescription:
    """Describe the node that this runs on."""
    if not os.environ.get("CUDA_VISIBLE_DEVICES", "unset"):
        del os.environ["CUDA_VISIBLE_DEVICES"]  # Ray hides the GPUs from a task that asks for none
    place = describe_node()
    host = platform.node()
    with suppress(OSError):
        host += "-" + _BOOT.read_text(encoding="ascii").strip()
    libraries = place.environment["libraries"]
    versions = tuple(libraries.get(name) for name in ("torch", "context-harness"))
    return NodeDescription(place, host, own_cores(), visible_gpus(), versions)


def run_unit(
    jobs: Sequence[Job], cores: tuple[int, ...] | None, gpus: Sequence[Gpu]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run a job, or the processes of a case that sample in turns.

    Args:
        jobs: what to run.
        cores: those that the node owns; `None`: not pinned.
        gpus: of the machine, in the driver's order; Ray says which of them this task has.

    Yields:
        The number of a job, and what happened to it; see `harness.engines.engine.words_of`.
    """
    mine = []
    asked = os.environ.get("CUDA_VISIBLE_DEVICES", "") if jobs[0].case.device == "cuda" else ""
    for visible in filter(None, asked.split(",")):
        known = gpus[int(visible)] if visible.isdigit() and int(visible) < len(gpus) else None
        identity = known.identity if known else visible.removeprefix("GPU-")
        mine.append(Gpu(visible, identity, known.name if known else ""))
    for number, event in run_here(jobs, cores=cores, gpus=mine):
        yield number, words_of(event)


_START_PATIENCE = 120.0  # seconds for a node to start a process and import torch


@dataclass(frozen=True)
class Member:
    """A node with what the engine knows of it beyond its place in the queue."""

    description: NodeDescription  # its own words
    place: Place  # as records name it
    # those that it owns; `None` where it is promised all of its machine, or more than there are
    cores: tuple[int, ...] | None
    crowded: bool  # whether the nodes of its machine are promised more cores than it has


class Cluster:
    """Looks at the cluster that this process is connected to."""

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

    def look(self, known: Mapping[str, ClusterNode]) -> tuple[list[ClusterNode], list[str]]:
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

    def _admit(self, resources: Mapping[str, Mapping[str, float]]) -> list[ClusterNode]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Affinity

        # A process of its own that ends at once: describing a GPU opens a context on it.
        remote = self._ray.remote(num_cpus=0, max_retries=0, max_calls=1)(describe_member)
        asked = {
            identity: remote.options(scheduling_strategy=Affinity(identity, soft=False)).remote()
            for identity in resources
        }
        nodes = []
        for identity, answer in asked.items():
            description = self._answer(identity, answer)
            if description is None:
                continue
            has = resources[identity]
            node = ClusterNode(
                identity,
                description.place.machine_key,
                "|".join((description.place.machine_key, *map(str, description.versions))),
                cpus=int(has["CPU"]),
                gpus=int(has.get("GPU", 0)),
                host=description.host,
            )
            cores, crowded = self._allot(description, node.cpus)
            name = description.place.node
            if any(each.place.node == name for each in self._alive()):
                name = f"{name}/{identity[:8]}"
            place = replace(description.place, node=name)
            self._members[identity] = Member(description, place, cores, crowded)
            nodes.append(node)
        return nodes

    def _answer(self, identity: str, answer: Any) -> NodeDescription | None:
        """What a node says of itself; `None` for one that was lost over it."""
        errors = self._ray.exceptions
        try:
            found: NodeDescription = self._ray.get(answer, timeout=_START_PATIENCE)
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

    def _allot(
        self, description: NodeDescription, cpus: int
    ) -> tuple[tuple[int, ...] | None, bool]:
        """Cores for a node: some of its own where the machine has more than it is promised."""
        neighbours = [m for m in self._alive() if m.description.host == description.host]
        if not neighbours and cpus >= len(description.cores):
            return None, False
        taken = {core for member in neighbours for core in member.cores or description.cores}
        free = [core for core in description.cores if core not in taken]
        return (tuple(free[:cpus]), False) if len(free) >= cpus else (None, True)

    def _alive(self) -> list[Member]:
        return [member for key, member in self._members.items() if key not in self._gone]
