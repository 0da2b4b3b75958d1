"""Runs inside one version: measures the jobs that arrive on stdin, one line of answer for each.

Started as a script, with that version's packages on the path: of the starting version it uses this
file alone. So it asks little of the version: `harness.case`, the catalog of modules, and the engine
of this machine.
"""

import json
import os
import sys
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
        sys.path[:] = [path for path in sys.path if not _belongs(path, folder)]
    for reply in _replies():
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def _belongs(path: str, folder: str) -> bool:
    """Whether a path is of a checkout; an environment inside it is no part of it."""
    real = Path(path or ".").resolve()
    return real.is_relative_to(folder) and "site-packages" not in real.parts


def _replies() -> Any:
    try:
        import harness.case
        from harness.engines.local import LocalEngine

        catalog = import_module(f"{_package(harness.case.__file__)}.catalog")
        engine = LocalEngine()
        forkserver.ensure_running()  # it imports torch while the other version's does, too
    except BaseException as error:  # a version may fail in any way, sys.exit included
        yield {"error": f"{type(error).__name__}: {error}"}
        return
    yield {
        "harness": harness.case.__file__,
        "modules": catalog.__file__,
        "torch": version("torch"),
    }
    for line in sys.stdin:
        try:
            yield _measure(engine, _job(json.loads(line)))
        except Exception as error:  # a job that this version cannot express
            yield _failure("unsupported", f"{type(error).__name__}: {error}")


def _package(file: str) -> str:
    """What the modules are imported as: `context_modules`, in older versions `modules`.

    It lies beside the harness; what else Python finds of that name may be another version's.
    """
    name = "context_modules"
    return name if (Path(file).parents[1] / name).is_dir() else "modules"


def _job(plain: dict[str, Any]) -> Any:
    """A job from what the starting version says of it, which leaves out what has its default."""
    from harness.case import Case, Job

    case = dict(plain.pop("case"))
    case["inputs"] = tuple(tuple(shape) for shape in case["inputs"])
    plain |= {name: tuple(plain.get(name, ())) for name in ("metrics", "search_path")}
    timing = plain.pop("timing", {})
    if "timing" in {field.name for field in fields(Job)}:  # else it samples as it always does
        from harness.case import Timing

        plain["timing"] = Timing(**timing)
    return Job(case=Case(**case), **plain)


def _measure(engine: Any, job: Any) -> dict[str, Any]:
    engine.submit(job)
    outcome = None
    for event in engine.events():
        outcome = getattr(event, "outcome", outcome)
    if outcome is None:
        return _failure("error", "the engine gave no outcome")
    return {
        "status": outcome.status,
        "cause": outcome.cause,
        "seconds": outcome.values.get("latency_seconds"),
        "samples": outcome.values.get("latency_samples_seconds") or [],
    }


def _failure(status: str, cause: str) -> dict[str, Any]:
    return {"status": status, "cause": cause, "seconds": None, "samples": []}


if __name__ == "__main__":
    main()
