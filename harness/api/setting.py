"""Where and with what a run was measured: the machine whose times are shown, and its versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.environment.machine import LIBRARIES
from harness.judge.part import Context
from harness.measure import STATIC
from harness.present.rows import main_machine
from harness.records.origin import commits_of, main_versions
from harness.records.record import Record


def environment_of(description: Mapping[str, Any], records: Sequence[Record]) -> Mapping[str, Any]:
    """That of the machine whose times are shown; on a cluster it is none of the driver.

    Args:
        description: what `run.json` holds.
    """
    machines = description.get("machines") or {}
    main = main_machine([{**each.values, "machine_key": each.machine_key} for each in records])
    if main is None and records:
        main = records[0].machine_key
    found: Mapping[str, Any] | None = machines.get(main, description).get("environment")
    return found or {}


def context_of(environment: Mapping[str, Any], records: Sequence[Record]) -> Context:
    """Machine, versions and warnings, as far as they bear on what was measured."""
    machine = {
        name: value
        for name, value in (environment.get("machine") or {}).items()
        if value not in (None, [], "")
    }
    if not any(each.values.get("threads", each.threads) for each in records):
        machine["threads"] = environment.get("threads")
    libraries = environment.get("libraries") or {}
    versions = {"python": environment.get("python")}
    versions |= {n: v for n, v in libraries.items() if n in LIBRARIES and v}
    # A run that went on has records of another time than its beginning.
    own = [each.provenance for each in records]
    versions |= {n: v for n, v in main_versions(own).items() if n in versions}
    commits = commits_of(own) or commits_of([environment.get("git") or {}])
    if commits:
        versions["commit"] = ", ".join(commits)
    # Conditions of the machine bear on what was timed, not on what was counted.
    timed = any(not set(each.metrics) <= set(STATIC) for each in records)
    warnings = tuple(environment.get("warnings") or ()) if timed else ()
    return Context(machine=machine, versions=versions, warnings=warnings)
