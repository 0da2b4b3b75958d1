"""Baselines: accepted runs, one per suite and kind of machine, kept with the code.

`<root>/<machine key>/<suite>/<run>/` holds the accepted run's records and description, and
`accepted.json` beside it names the run that counts. That one small file is what is replaced, at
once, so that a reader finds the old baseline or the new one, whatever happens meanwhile.
"""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.case import from_json, from_plain
from harness.environment.files import FileNameError, checked_name, locked, sync, write_atomically
from harness.judge.regression.observed import Observed, observe
from harness.messages import HarnessError
from harness.records.run_directory import DESCRIPTION, RECORDS, is_run_name, run_name

BASELINES = Path("results/baselines")
ACCEPTED = "accepted.json"


class BaselineError(HarnessError):
    """There is no baseline, or it cannot be kept."""


@dataclass(frozen=True)
class Baseline:
    """What `accepted.json` says, and where."""

    folder: Path  # `<root>/<machine key>/<suite>`
    run: str  # name of the run's folder there
    commit: str | None  # that was measured; `None` outside a checkout
    accepted_at: str  # UTC, ISO 8601
    # of each measured metric, from further runs of the same version
    noise_floor: Mapping[str, float] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Of the run directory."""
        return self.folder / self.run

    @property
    def machine_key(self) -> str:
        """Of the machine that measured it."""
        return self.folder.parent.name

    @property
    def suite(self) -> str:
        """That was measured."""
        return self.folder.name


def accept(
    run: Observed, root: Path = BASELINES, noise_floor: Mapping[str, float] | None = None
) -> Baseline:
    """Make a run the baseline of its suite on its kind of machine; the earlier one is removed.

    Args:
        run: a complete run. Failed cases are part of it: they are known to fail.

    Raises:
        BaselineError: the run is not complete, what it says of its machine or its suite is no name
            of a folder, or the folder cannot be written.
    """
    if run.found < run.expected:
        raise BaselineError(
            f"{run.path}: not complete, {run.found} of {run.expected} processes have ended; go on "
            "with `harness run --resume`, then accept it"
        )
    folder = _folder(root, run.machine_key, run.suite)
    if run.path.is_relative_to(folder.resolve()):
        raise BaselineError(f"{run.path}: is the baseline already; give a run of `harness run`")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One at a time: another would take what this one is writing for a leftover.
        with locked(folder):
            # Another name where an earlier state of the same run is the baseline.
            name = run.path.name if is_run_name(run.path.name) else run_name()
            if os.path.lexists(folder / name):
                name = f"{'-'.join(name.split('-')[:2])}-{secrets.token_hex(2)}"
            made = Baseline(folder, name, run.commit, now, dict(noise_floor or {}))
            _replace_by(made, run.path)
    except OSError as error:
        raise BaselineError(
            f"{folder}: cannot keep the baseline: {error.strerror or error}; "
            "choose another place with --baselines"
        ) from error
    return made


def _folder(root: Path, machine_key: str, suite: str) -> Path:
    try:
        return root / checked_name(machine_key) / checked_name(suite)
    except FileNameError as error:
        raise BaselineError(
            f"a baseline lies in a folder named by machine and suite, and {error.what}; give a run "
            "as `harness run` has left it"
        ) from error


def _floor(value: object) -> float:
    number = from_plain(float, value)
    if number < 0:
        raise ValueError("a noise_floor below 0")
    return float(number)


def observed(baseline: Baseline) -> Observed:
    """The accepted run, ready to be compared.

    Raises:
        BaselineError: its folder is not there or cannot be read.
    """
    try:
        return observe(baseline.path)
    except HarnessError as error:
        raise BaselineError(
            f"the accepted run cannot be read; accept one anew ({error})"
        ) from error


def find_baseline(root: Path, machine_key: str, suite: str) -> Baseline | None:
    """The baseline of a suite on one kind of machine.

    Raises:
        BaselineError: there is one, but it cannot be read.
    """
    folder = _folder(root, machine_key, suite)
    try:
        text = (folder / ACCEPTED).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BaselineError(f"{folder / ACCEPTED}: {error.strerror or error}") from error
    try:
        data = from_json(text)
        run, noise = str(data["run"]), data.get("noise_floor") or {}
        if not isinstance(noise, Mapping):
            raise ValueError("noise_floor is no mapping")
        commit = data.get("commit")
        return Baseline(
            folder,
            checked_name(run),
            None if commit is None else str(commit),
            str(data["accepted_at"]),
            {str(name): _floor(floor) for name, floor in noise.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaselineError(
            f"{folder / ACCEPTED}: cannot be read ({error}); accept a run anew"
        ) from error


def find_for(run: Observed, root: Path = BASELINES) -> Baseline:
    """The baseline to compare a run with: that of its machine, else the newest of another.

    Against another machine's, exact metrics can still be compared.

    Raises:
        BaselineError: the suite has none at all.
    """
    own = find_baseline(root, run.machine_key, run.suite)
    if own is not None:
        return own
    others = [each for each in every(root)[0] if each.suite == run.suite]
    if not others:
        raise BaselineError(
            f"{root}: no baseline of suite {run.suite}; make one of a run that you trust with "
            f"`harness baseline accept {run.path}`"
        )
    return max(others, key=lambda each: each.accepted_at)


def every(root: Path = BASELINES) -> tuple[list[Baseline], list[str]]:
    """All baselines, by machine and suite; and a sentence on each that cannot be read."""
    found, left_out = [], []
    for path in sorted(root.glob(f"*/*/{ACCEPTED}")):
        try:
            each = find_baseline(root, path.parent.parent.name, path.parent.name)
        except HarnessError as error:
            left_out.append(str(error))
        else:
            found += [] if each is None else [each]
    return found, left_out


def _replace_by(baseline: Baseline, source: Path) -> None:
    """Records and description, on disk before anything names them; then the earlier ones go."""
    baseline.path.mkdir()
    for name in (DESCRIPTION, RECORDS):
        shutil.copyfile(source / name, baseline.path / name)
        sync(baseline.path / name)
    sync(baseline.path)
    stored = {name: value for name, value in asdict(baseline).items() if name != "folder"}
    write_atomically(baseline.folder / ACCEPTED, json.dumps(stored, indent=1) + "\n")
    # What a killed `accept` left goes, too; what cannot go does no harm.
    for path in baseline.folder.iterdir():
        if path.name != baseline.run and is_run_name(path.name) and not path.is_symlink():
            _remove_copy(path)


def _remove_copy(path: Path) -> None:
    """Remove a copy of a run; of a folder that holds anything else, that stays."""
    with suppress(OSError):
        held = {each.name for each in path.iterdir()}
        if held <= {DESCRIPTION, RECORDS}:
            for name in held:
                (path / name).unlink()
            path.rmdir()
