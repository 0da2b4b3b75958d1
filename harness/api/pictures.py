"""The trained networks of a run, for pictures of them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.api.choice import NotThereError, one
from harness.api.run import Run
from harness.case import Job
from harness.messages import HarnessError, listed, one_line, text_of
from harness.suite.suite import Suite
from harness.training.checkpoint import checkpoint_folder
from harness.training.earlier import NotRepeatableError, earlier_networks
from harness.training.kept import KeptNetwork, NotKeptError, is_kept, kept_network

Row = Mapping[str, Any]


class UntrainedError(HarnessError):
    """A case of which there is no trained network."""


def networks_of(
    run: Run, cases: Sequence[str], seed: int | None = None, steps: Sequence[int] = ()
) -> dict[str, KeptNetwork]:
    """The trained networks of cases, by their labels; without any, of the only one.

    Args:
        run: a finished run.
        cases: labels, `suite: label` of several suites.
        seed: of the trainings; the first of each if absent.
        steps: of one case's training, after which its network is asked for, by `step N`.

    Raises:
        HarnessError: there is no such case, seed or step, or no network is kept.
    """
    if steps:
        return _networks_at(run, cases, steps, seed)
    trained = _trained(run)
    labels = list(dict.fromkeys(one(trained, case, "cases")[0] for case in cases or (None,)))
    return {label: _network(run.directory.path, label, *trained[label], seed) for label in labels}


def _networks_at(
    run: Run, cases: Sequence[str], steps: Sequence[int], seed: int | None
) -> dict[str, KeptNetwork]:
    """The network of a case after some steps of its training, which is trained so far again."""
    if len(cases) > 1:
        raise NotThereError("steps are those of one training; name one case")
    trained = _trained(run)
    label, (part, row) = one(trained, cases[0] if cases else None, "cases")
    last = _network(run.directory.path, label, part, row, seed)
    key = dict(zip(row["train_seeds"], row["train_keys"], strict=True))[last.seed]
    try:
        found = earlier_networks(job_of(part, row), key, last, steps)
    except NotRepeatableError as error:
        raise NotRepeatableError(f"{label}, seed {last.seed}: {error}") from error
    return {f"step {step}": each for step, each in found.items()}


def stores_of(run: Path) -> list[Path]:
    """Where the trainings of a run may be kept: the usual store, and that beside its runs."""
    return list(dict.fromkeys([checkpoint_folder(), run.parent.parent.parent / "checkpoints"]))


def kept_networks(
    run: Path, part: Suite, rows: Sequence[Row], most: int
) -> Iterator[tuple[str, KeptNetwork]]:
    """The networks of a suite's rows that are kept and were trained apart, from first to last.

    Nothing of a user's is imported: a run may come from elsewhere.

    Args:
        run: its directory.
        part: the suite.
        rows: of the suite.
        most: networks; of more, the first.
    """
    stores = stores_of(run)
    apart: dict[str, Row] = {}
    for row in rows:
        keys = [key for key in row.get("train_keys") or () if is_kept(key, stores)]
        if keys and not _names_a_file(job_of(part, row)):
            apart.setdefault(keys[0], row)
    for row in list(apart.values())[:most]:
        with suppress(HarnessError):  # its data are elsewhere, or it is damaged
            yield str(row["label"]), _network(run, str(row["label"]), part, row)


def _trained(run: Run) -> dict[str, tuple[Suite, Row]]:
    """Rows by their labels, each with its suite."""
    parts = run.suite.parts()
    return {
        f"{part.name}: {row['label']}" if len(parts) > 1 else str(row["label"]): (part, row)
        for part in parts
        for row in run.part_rows(part)
    }


def _network(run: Path, label: str, part: Suite, row: Row, seed: int | None = None) -> KeptNetwork:
    keys = dict(zip(row.get("train_seeds") or (), row.get("train_keys") or (), strict=False))
    again = f"harness run {shlex.quote(str(part.path))} --only {shlex.quote(str(row['label']))}"
    if not keys:
        raise UntrainedError(
            f"{label}: no accuracy was measured, so that there is no trained network; {again} "
            "--metrics accuracy trains it"
        )
    chosen = next(iter(keys)) if seed is None else seed
    if chosen not in keys:
        seeds = listed(list(map(str, keys)))
        raise UntrainedError(f"no training of {label} has the seed {chosen}; they have: {seeds}")
    try:
        return kept_network(job_of(part, row), keys[chosen], chosen, stores_of(run))
    except NotKeptError as error:
        raise NotKeptError(f"{label}, seed {chosen}: {error}; {again} trains it again") from error
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = one_line(text_of(error) or type(error).__name__)[:300]
        raise HarnessError(f"{label}: its network cannot be built: {reason}") from error


def job_of(part: Suite, row: Row) -> Job:
    """The case of a row, with the folders of the user's modules where it names any."""
    job = next(each for each in part.jobs if each.label == row["label"])
    folders = (str(part.path.parent), str(Path.cwd())) if _names_a_file(job) else ()
    return replace(job, search_path=tuple(dict.fromkeys(folders)))


def _names_a_file(job: Job) -> bool:
    """Whether it may name a module of a user, `package.file:Class`."""
    return ":" in f"{job.case.module} {list(job.case.arguments.values())}"
