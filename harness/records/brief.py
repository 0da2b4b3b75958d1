"""A run in a few words, as a list has it: read without making records of it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.case import Identity, from_json
from harness.messages import HarnessError
from harness.records.kept_run import KeptRun
from harness.records.remarks import Remarks
from harness.records.run_directory import RECORDS

State = Literal["complete", "failed", "interrupted", "running", "unreadable"]


@dataclass(frozen=True)
class Brief:
    """A run directory in a few words."""

    path: Path  # of the run directory
    suite: str  # name of the suite that was run
    state: State  # `failed`: complete, but not every case ended well
    said: Remarks  # tags and note
    started_at: str = ""  # UTC, ISO 8601
    commit: str | None = None  # of the checkout at its beginning; `None` outside one
    dirty: bool = False  # whether files differed from that commit
    machine_key: str | None = None  # of the machine that measured what was written last
    cpu: str | None = None  # of the machine on which the run was begun
    cases: int = 0  # that the suite has
    ok: int = 0  # of which every process ended well
    failed: int = 0  # of which one did not
    problem: str = ""  # why it cannot be read
    command: str = ""  # that began it, as it would be written again

    @property
    def id(self) -> str:
        """Name of its directory, which commands take."""
        return self.path.name

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        said = {"tags": list(self.said.tags), "note": self.said.note}
        data = {name: value for name, value in vars(self).items() if name != "said"}
        return {"id": self.id, **data, "path": str(self.path), **said}


def brief_of(path: Path) -> Brief:
    """A run directory in a few words, whatever state it is in."""
    said = Remarks.of(path)
    try:
        run = KeptRun.open(path)
        listed, written = run.listed, list(_written(path / RECORDS))
    except (HarnessError, OSError, ValueError) as error:
        problem = str(error).removeprefix(f"{path.resolve()}/")
        return Brief(path, path.parent.name, "unreadable", said, problem=problem)
    of_process = {identity: status for identity, status, _ in written}
    by_case: dict[tuple[str, str, str], list[str | None]] = {}
    for identity in dict.fromkeys(listed):
        by_case.setdefault(identity[:3], []).append(of_process.get(identity))
    ok = sum(all(status == "ok" for status in each) for each in by_case.values())
    failed = sum(any(status not in ("ok", None) for status in each) for each in by_case.values())
    ended = all(None not in each for each in by_case.values())
    environment = run.environment
    git = environment.get("git") or {}
    return Brief(
        path,
        run.suite_name,
        _state(run, ended, failed),
        said,
        str(run.description.get("started_at") or ""),
        git.get("commit"),
        bool(git.get("dirty")),
        written[-1][-1] if written else environment.get("machine_key"),
        (environment.get("machine") or {}).get("cpu"),
        len(by_case),
        ok,
        failed,
        command=_command(str(run.description.get("command") or "")),
    )


def _command(written: str) -> str:
    """Without the folders of the program."""
    try:
        program, *rest = shlex.split(written)
    except ValueError:
        return ""
    name = Path(program).name
    return shlex.join([*(("python", "-m", "harness") if name == "__main__.py" else (name,)), *rest])


def _state(run: KeptRun, ended: bool, failed: int) -> State:
    if run.directory.is_written():
        return "running"
    if not ended:
        return "interrupted"
    return "failed" if failed else "complete"


def _written(file: Path) -> Iterator[tuple[Identity, str, str]]:
    """Of each whole line: which process it is of, how that ended, and on which machine."""
    if not file.exists():
        return
    for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
        try:
            data = from_json(line)
            case = (data["suite"], data["label"], data["case_key"], data.get("replicate", 1))
            hash(case)
            yield case, str(data["status"]), str(data["machine_key"])
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"{file.name}:{number}: not a record") from error
