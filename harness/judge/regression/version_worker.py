"""Runs inside one version: measures the jobs that arrive on stdin, one line of answer for each.

Started as a script, with that version's packages on the path: of the starting version it uses this
file alone. So it asks little of the version: `harness.case`, the catalog of modules, and the engine
of this machine.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from importlib.metadata import version
from multiprocessing import forkserver
from pathlib import Path
from typing import Any


def main() -> None:
    """Say what was imported, then answer jobs until stdin ends.

    The first argument is the folder of the other version, nothing of which may be imported.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what strangers print is no answer
    for folder in sys.argv[1:]:
        # An environment inside the folder is no part of that version.
        real = {path: Path(path or ".").resolve() for path in sys.path}
        sys.path[:] = [
            path
            for path in sys.path
            if not real[path].is_relative_to(folder) or "site-packages" in real[path].parts
        ]
    for reply in replies():
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def replies() -> Iterator[dict[str, Any]]:
    """What was imported, then the answer to each job."""
    try:
        import harness.case
        from harness.engines.local import LocalEngine

        # `context_modules`, in older versions `modules`, lies beside the harness; what else Python
        # finds of that name may be another version's.
        beside = Path(harness.case.__file__).parents[1] / "context_modules"
        catalog = import_module(f"{'context_modules' if beside.is_dir() else 'modules'}.catalog")
        engine = LocalEngine()
        if sys.platform != "darwin":  # there is none
            forkserver.ensure_running()  # it imports torch while the other version's does, too
    except BaseException as error:  # a version may fail in any way, sys.exit included
        yield {"error": f"{type(error).__name__}: {error}"}
        return
    yield {"harness": harness.case.__file__, "modules": catalog.__file__, "torch": version("torch")}
    for line in sys.stdin:
        try:
            engine.submit(job_of(json.loads(line)))
            outcome = None
            for event in engine.events():
                outcome = getattr(event, "outcome", outcome)
            if outcome is None:
                yield _no_latency("error", "the engine gave no outcome")
                continue
            yield {
                "status": outcome.status,
                "cause": outcome.cause,
                "seconds": outcome.values.get("latency_seconds"),
                "samples": outcome.values.get("latency_samples_seconds") or [],
            }
        except Exception as error:  # a job that this version cannot express
            yield _no_latency("unsupported", f"{type(error).__name__}: {error}")


def job_of(plain: dict[str, Any]) -> Any:
    """The job as this version has it."""
    from harness.case import Case, Job

    case = dict(plain.pop("case"))
    case["inputs"] = tuple(tuple(shape) for shape in case["inputs"])
    plain |= {name: tuple(plain.get(name, ())) for name in ("metrics", "search_path")}
    timing = plain.pop("timing", {})
    if "timing" in {field.name for field in fields(Job)}:  # else it samples as it always does
        from harness.case import Timing

        plain["timing"] = Timing(**timing)
    return Job(case=Case(**case), **plain)


def _no_latency(status: str, cause: str) -> dict[str, Any]:
    return {"status": status, "cause": cause, "seconds": None, "samples": []}


if __name__ == "__main__":
    main()
