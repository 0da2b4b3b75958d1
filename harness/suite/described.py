"""A suite back from what a run's `run.json` says of it: its cases, tables, plots and reference."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.case import Case, Job
from harness.errors import HarnessError
from harness.suite.presentation import PlotSpec, ReferenceSpec, TableSpec
from harness.suite.suite import Suite
from harness.timing import DEFAULT_TIMING, Timing


class DescriptionError(HarnessError):
    """What a run says of its suite cannot be read."""


def suite_of(described: Mapping[str, Any]) -> Suite:
    """The suite that `Suite.describe` has described.

    Folders of a user's own modules are not described: its jobs name what was measured, and are not
    to be measured again.

    Raises:
        DescriptionError: a part is missing, or of a form that this version does not know.
    """
    try:
        return _suite(described)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = _reason(error)
        raise DescriptionError(
            f"its suite cannot be read back ({reason}); it was run by another version of "
            "context-harness, with which it can be shown"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {error}"


def _suite(described: Mapping[str, Any]) -> Suite:
    name = str(described["suite"])
    reference = described.get("reference")
    jobs = described["jobs"]
    return Suite(
        name=name,
        title=str(described.get("title") or name),
        path=Path(described["path"]),
        jobs=tuple(_job(name, each) for each in jobs),
        tables=tuple(TableSpec.model_validate(each) for each in described.get("tables") or ()),
        plots=tuple(PlotSpec.model_validate(each) for each in described.get("plots") or ()),
        reference=None if reference is None else ReferenceSpec.model_validate(reference),
        convention=str(described.get("convention") or "flops"),
        included=tuple(_suite(each) for each in described.get("included") or ()),
        note=described.get("note"),
        notes={str(each["label"]): each["note"] for each in jobs if each.get("note")},
    )


def _job(suite: str, described: Mapping[str, Any]) -> Job:
    case = Case(
        module=described["module"],
        arguments=dict(described["arguments"]),
        inputs=tuple(tuple(shape) for shape in described["inputs"]),
        device=described["device"],
        dtype=described["dtype"],
        pass_=described["pass"],
        channels_last=described.get("channels_last", False),
        compile=described.get("compile", False),
    )
    return Job(
        suite=suite,
        label=str(described["label"]),
        case=case,
        metrics=tuple(described["metrics"]),
        timeout=described["timeout"],
        threads=described.get("threads"),
        seed=described.get("seed", 0),
        factors=dict(described.get("factors") or {}),
        timing=_timing(described.get("latency") or {}),
        replicate=described.get("replicate", 1),
        force=described.get("force", False),
        accuracy=described.get("accuracy"),
    )


def _timing(said: Mapping[str, Any]) -> Timing:
    known = {each.name for each in fields(Timing)}
    return DEFAULT_TIMING if not said else Timing(**{k: v for k, v in said.items() if k in known})
