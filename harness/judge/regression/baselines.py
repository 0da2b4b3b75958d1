"""Baselines: accepted runs, one per suite and kind of machine, kept with the code.

`<root>/<machine key>/<suite>/<run>/` holds the accepted run's records and description, and
`accepted.json` beside it names the run that counts. That one small file is what is replaced, at
once, so that a reader finds the old baseline or the new one, whatever happens meanwhile.
"""

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.environment.files import locked, sync, write_atomically
from harness.judge.regression.observed import Observed, observe
from harness.messages import HarnessError
from harness.records.run_directory import DESCRIPTION, RECORDS

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
        BaselineError: the run is not complete, or the folder cannot be written.
    """
    if run.found < run.expected:
        raise BaselineError(
            f"{run.path}: not complete, {run.found} of {run.expected} processes have ended; go on "
            "with `harness run --resume`, then accept it"
        )
    folder = root / run.machine_key / run.suite
    if run.path.is_relative_to(folder.resolve()):
        raise BaselineError(f"{run.path}: is the baseline already; give a run of `harness run`")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One at a time: another would take what this one is writing for a leftover.
        with locked(folder):
            # Another name where an earlier state of the same run is the baseline.
            taken = (folder / run.path.name).exists()
            name = f"{run.path.name}-{secrets.token_hex(2)}" if taken else run.path.name
            made = Baseline(folder, name, run.commit, now, dict(noise_floor or {}))
            _replace_by(made, run.path)
    except OSError as error:
        raise BaselineError(
            f"{folder}: cannot keep the baseline: {error.strerror or error}; "
            "choose another place with --baselines"
        ) from error
    return made


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
    folder = root / machine_key / suite
    try:
        text = (folder / ACCEPTED).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BaselineError(f"{folder / ACCEPTED}: {error.strerror or error}") from error
    try:
        data = json.loads(text)
        run, noise = str(data["run"]), data.get("noise_floor") or {}
        if not isinstance(noise, Mapping):
            raise ValueError("noise_floor is no mapping")
        if Path(run).name != run:
            raise ValueError("run is not the name of a folder")
        commit = data.get("commit")
        return Baseline(
            folder,
            run,
            None if commit is None else str(commit),
            str(data["accepted_at"]),
            {str(name): float(floor) for name, floor in noise.items()},
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
    others = [each for each in every(root) if each.suite == run.suite]
    if not others:
        raise BaselineError(
            f"{root}: no baseline of suite {run.suite}; make one of a run that you trust with "
            f"`harness baseline accept {run.path}`"
        )
    return max(others, key=lambda each: each.accepted_at)


def every(root: Path = BASELINES) -> list[Baseline]:
    """All baselines, by machine and suite.

    Raises:
        BaselineError: one of them cannot be read.
    """
    folders = sorted(path.parent for path in root.glob(f"*/*/{ACCEPTED}"))
    found = (find_baseline(root, folder.parent.name, folder.name) for folder in folders)
    return [each for each in found if each is not None]


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
        if path.is_dir() and path.name != baseline.run:
            shutil.rmtree(path, ignore_errors=True)
