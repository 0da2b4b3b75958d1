"""Machines for a plan: how many, until when, and at which price."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.case import Device
from harness.planning.plan import Packing, Plan, PlannedCase, fewest, fits, pack


@dataclass(frozen=True)
class Wanted:
    """What somebody would pay for."""

    within: float | None = None  # seconds until all is done; the machines are counted from it
    machines: int | None = None  # how many there are; with neither of the two there is one
    gpus: int = 1  # per machine; each runs one case at a time
    memory: float | None = None  # bytes that a case on the CPU may take; `None` for no bound
    gpu_memory: float | None = None  # bytes that a case on a GPU may take; `None` for no bound
    price: float | None = None  # per machine and hour, in any currency
    assumed: float | None = None  # seconds of a case whose time is unknown; `None` leaves it out


@dataclass(frozen=True)
class Fleet:
    """Machines for the cases of one kind of device.

    A case that is timed has its device to itself: one case at a time on each GPU, and on the whole
    machine where cases run on the CPU.
    """

    device: Device  # of the cases
    machines: int  # how many; 0 where no case is left
    seconds: float  # until the last one is done
    machine_seconds: float  # sum over the machines, each given back when its last case ends
    cost: float | None  # of these, `None` without a price
    counted: int  # cases with a time
    unknown: int  # cases without one; they are missing from everything above
    too_large: tuple[str, ...] = ()  # labels of cases whose predicted memory exceeds the machine's
    unpredicted: int = 0  # cases whose memory is not predicted, so that they may not fit
    too_long: tuple[str, ...] = ()  # labels of cases that alone exceed the time that is allowed


def fleets(plan: Plan, wanted: Wanted) -> tuple[Fleet, ...]:
    """Machines for a plan, one fleet for each kind of device among its cases.

    Cases that cannot run as wanted are named and left out of the count.
    """
    devices = dict.fromkeys(planned.job.case.device for planned in plan.cases)
    return tuple(
        _fleet(device, [c for c in plan.cases if c.job.case.device == device], wanted)
        for device in devices
    )


def _fleet(device: Device, cases: Sequence[PlannedCase], wanted: Wanted) -> Fleet:
    bound = wanted.gpu_memory if device == "cuda" else wanted.memory
    durations, too_large, too_long, unknown = [], [], [], 0
    for case in cases:
        seconds = case.time.seconds if case.time is not None else wanted.assumed
        if bound is not None and case.memory is not None and case.memory.bytes > bound:
            too_large.append(case.job.label)
        elif seconds is None:
            unknown += 1
        elif wanted.within is not None and not fits(seconds, wanted.within):
            too_long.append(case.job.label)
        else:
            durations.append(seconds)
    lanes_each = wanted.gpus if device == "cuda" else 1
    loads = _by_machine(_packed(durations, wanted, lanes_each), lanes_each)
    worked = sum(loads)
    return Fleet(
        device=device,
        machines=len(loads),
        seconds=max(loads, default=0.0),
        machine_seconds=worked,
        cost=None if wanted.price is None else wanted.price * worked / 3600,
        counted=len(durations),
        unknown=unknown,
        too_large=tuple(too_large),
        unpredicted=sum(case.memory is None for case in cases) if bound is not None else 0,
        too_long=tuple(too_long),
    )


def _packed(durations: Sequence[float], wanted: Wanted, lanes_each: int) -> Packing:
    if not durations:
        return Packing((), ())
    if wanted.within is not None:
        return fewest(durations, wanted.within)
    return pack(durations, (wanted.machines or 1) * lanes_each)


def _by_machine(packing: Packing, lanes_each: int) -> list[float]:
    """Seconds that each machine works; GPUs that are busy alike share one."""
    loads = sorted((load for load in packing.loads if load > 0), reverse=True)
    if not loads and packing.loads:
        return [0.0]
    return [loads[first] for first in range(0, len(loads), lanes_each)]
