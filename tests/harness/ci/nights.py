"""Nights on a runner: one real run, and copies of it with other times, failures or machines."""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_runner import Done, Runner

from harness.environment.machine import machine_key

SECONDS = {"Gate": 0.002, "Two maps": 0.003}
TIMES = ("latency_seconds", "latency_low_seconds", "latency_high_seconds",
         "latency_q1_seconds", "latency_q3_seconds")  # fmt: skip
CARD, DRIVER = "NVIDIA H100 80GB HBM3", "550.54.15"

COMMAND = f"""#!/bin/sh
# What another night has answered, where there is such an answer; else the command itself.
answer=$NIGHT/$1
if [ ! -d "$answer" ]; then exec "{sys.executable}" -m harness "$@"; fi
while [ $# -gt 0 ]; do if [ "$1" = --out ]; then out=$2; fi; shift; done
if [ -d "$answer/files" ]; then mkdir -p "$out" && cp -R "$answer/files/." "$out"; fi
exit "$(cat "$answer/code")"
"""


@dataclass(frozen=True)
class Planted:
    """What is different in one night."""

    slower: Mapping[str, float] = field(default_factory=dict)  # factors on times, by label
    spread: float = 0.001  # of times between processes, a share
    failed: Mapping[str, str] = field(default_factory=dict)  # causes, by label
    more: int = 0  # parameters
    card: str = CARD
    driver: str = DRIVER
    libraries: Mapping[str, str] = field(default_factory=dict)  # versions


class Nights:
    """A job each, in one repository on one runner.

    Args:
        runner: that has had a real night.
        first: that night.
    """

    def __init__(self, runner: Runner, first: Done) -> None:
        self.runner, self.number = runner, 0
        self.annotations = [said for _, said in first.annotations]  # of all nights
        self.run = runner.user.folder / "real"
        shutil.copytree(first.artifact / "run", self.run)
        self.runs = Path(runner.environment["RUNS"])
        self.answers = runner.user.folder / "answers"
        runner.environment["NIGHT"] = str(self.answers)
        (runner.commands / "harness").write_text(COMMAND)
        self.answer("env")
        self.answer("selfcheck", files=first.artifact / "selfcheck")
        self.report(False)

    def answer(self, command: str, code: int = 0, files: Path | None = None) -> None:
        """Have a command end with a code, and leave copies of files below its `--out`."""
        folder = self.answers / command
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "code").write_text(str(code))
        if files is not None:
            shutil.copytree(files, folder / "files", symlinks=True)

    def real(self, command: str) -> None:
        """Have a command be itself again."""
        shutil.rmtree(self.answers / command, ignore_errors=True)

    def report(self, real: bool) -> None:
        """Whether the history is read and the run exported, which takes long."""
        for command in ("history", "export"):
            (self.real if real else self.answer)(command)

    def job(self) -> Done:
        """The job, whatever is planted; its annotations are kept."""
        done = self.runner.job("nightly")
        self.annotations += [said for _, said in done.annotations]
        return done

    def night(self, planted: Planted | None = None) -> Done:
        """A commit, its job, and what came of it."""
        planted = planted or Planted()
        commit = self.commit()
        files = self.runner.user.folder / "made"
        shutil.rmtree(files, ignore_errors=True)
        name = f"202612{self.number:02}T021700Z-{self.number:04x}"
        self.plant(files / "mine" / name, planted, commit)
        (files / "mine" / "latest").symlink_to(name)
        self.answer("run", 1 if planted.failed else 0, files)
        return self.job()

    def commit(self) -> str:
        self.number += 1
        (self.runner.repository / "number").write_text(f"{self.number}\n")
        self.runner.commit(f"night {self.number}")
        return self.runner.git("rev-parse", "HEAD").strip()

    def forget(self) -> None:
        """Empty the runner's folder of runs."""
        shutil.rmtree(self.runs)

    def earlier(self, planted: Planted, nights: int) -> None:
        """Nights whose runs are in the runner's folder, and of which nothing else is wanted."""
        for _ in range(nights):
            commit = self.commit()
            name = f"202612{self.number:02}T021700Z-{self.number:04x}"
            self.plant(self.runs / "mine" / name, planted, commit)

    def accept(self, done: Done, recipe: str = "") -> None:
        """Do what a summary says, of this job or of another, with what the job has uploaded."""
        commands = (recipe or done.summary).partition("```bash\n")[2].partition("```")[0]
        download, accept, commit = commands.splitlines()
        assert download == "gh run download 1700 --name nightly-1700 --dir nightly"
        shutil.rmtree(self.runner.repository / "nightly", ignore_errors=True)
        shutil.copytree(done.artifact, self.runner.repository / "nightly")
        assert "accepted: " in self.runner.shell(accept)
        self.runner.shell(commit)
        shutil.rmtree(self.runner.repository / "nightly")

    def plant(self, target: Path, planted: Planted, commit: str) -> None:
        """A copy of the real run with times of one's choice."""
        shutil.copytree(self.run, target)
        described = json.loads((target / "run.json").read_text())
        described["started_at"] = f"2026-12-{self.number:02}T02:17:00+00:00"
        environment = described["environment"]
        environment["git"] = {"commit": commit, "dirty": False}
        environment["libraries"].update(planted.libraries)
        environment["machine"]["gpus"] = [{"name": planted.card, "memory_gib": 80}]
        environment["machine_key"] = machine_key(environment["machine"])
        gpu = {"index": 0, "name": planted.card, "driver": planted.driver}
        environment["conditions"]["gpus"] = [gpu]
        (target / "run.json").write_text(json.dumps(described))
        lines = (target / "records.jsonl").read_text().splitlines()
        records = map(json.loads, lines)
        altered = _altered(planted, commit, environment["machine_key"], shift=self.number)
        made = "".join(json.dumps(altered(record)) + "\n" for record in records)
        (target / "records.jsonl").write_text(made)


def _altered(
    planted: Planted, commit: str, machine: str, shift: int
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def alter(record: dict[str, Any]) -> dict[str, Any]:
        label, values = record["label"], record["values"]
        record["machine_key"] = machine
        record["origin"]["commit"] = commit
        record["origin"]["versions"].update(planted.libraries)
        values["params"] += planted.more
        # Five processes, five places around the middle; each night another one has the same place.
        place = 7 * (record["replicate"] + shift) % 5 - 2
        seconds = SECONDS[label] * planted.slower.get(label, 1) * (1 + planted.spread * place)
        factor = seconds / values["latency_seconds"]
        for name in TIMES:
            values[name] *= factor
        values["latency_samples_seconds"] = [
            factor * sample for sample in values["latency_samples_seconds"]
        ]
        if label in planted.failed:
            record["status"], record["cause"] = "oom", planted.failed[label]
            record["values"] = {k: v for k, v in values.items() if not k.startswith("latency")}
        return record

    return alter
