"""The self-check on one page, and as plain data."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.case import Device
from harness.environment.files import write_atomically
from harness.messages import HarnessError
from harness.records.record import finite
from harness.selfcheck.finding import Verdict
from harness.selfcheck.section import Checked

SCHEMA = 1
PASSED, FAILED, SHORT = 0, 1, 3
"""Exit codes; 2 is a mistake of the user's, as everywhere."""


@dataclass(frozen=True)
class Page:
    """What became of a self-check."""

    device: Device
    budget: float  # seconds
    started_at: str  # UTC, ISO 8601
    seconds: float  # that it took
    environment: Mapping[str, Any]  # as `harness.environment.machine` describes it
    sections: Sequence[Checked]
    asked: int  # sections; fewer are there while it goes on, and after an interrupt

    @property
    def exit_code(self) -> int:
        """1 if something failed, 3 if a section was left out or had no time, else 0.

        Nothing but skipped sections is no success either.
        """
        verdicts = [each.verdict for each in self.sections]
        if "fail" in verdicts:
            return FAILED
        if len(verdicts) < self.asked:
            return SHORT
        left_out = any(each.short and each.verdict == "skipped" for each in self.sections)
        return SHORT if left_out or "pass" not in verdicts else PASSED

    @property
    def outcome(self) -> str:
        """One sentence; failed sections by name."""
        counts = Counter(each.verdict for each in self.sections)
        said = ", ".join(f"{counts[each]} {word}" for each, word in _WORDS.items() if counts[each])
        failed = [each.name for each in self.sections if each.verdict == "fail"]
        if failed:
            said += f"; failed: {', '.join(failed)}"
        if len(self.sections) < self.asked:
            said = f"ended early, {len(self.sections)} of {self.asked} sections" + (
                f": {said}" if said else ""
            )
        short = [each.name for each in self.sections if each.short]
        if short:
            said += f"; more time would check more of {', '.join(short)}: raise --budget"
        return said

    @property
    def named(self) -> str:
        """Device and machine in words."""
        machine = self.environment.get("machine") or {}
        names = [each.get("name") for each in machine.get("gpus") or ()]
        named = names[:1] if self.device == "cuda" else [machine.get("cpu")]
        return str(next(filter(None, named), self.device))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What disturbed the machine before the check began."""
        return tuple(map(str, self.environment.get("warnings") or ()))

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units."""
        data: dict[str, Any] = finite(
            {
                "schema": SCHEMA,
                "device": self.device,
                "budget": self.budget,
                "started_at": self.started_at,
                "seconds": self.seconds,
                "exit_code": self.exit_code,
                "outcome": self.outcome,
                "environment": self.environment,
                "sections": [each.as_json() for each in self.sections],
            }
        )
        return data

    def markdown(self) -> str:
        """The verdicts, then what was found in each section."""
        libraries = self.environment.get("libraries") or {}
        lines = [
            f"# Self-check of {self.named}",
            "",
            f"{self.started_at}, {self.seconds:.0f} s, device {self.device}, torch "
            f"{libraries.get('torch')}, machine {self.environment.get('machine_key')}: "
            f"{self.outcome}.",
            "",
            *(each for warning in self.warnings for each in (f"Warning: {warning}.", "")),
            "| section | verdict | seconds | found |",
            "|---|---|---:|---|",
        ]
        for each in self.sections:
            asked = f"{each.name}: {each.asks}"
            lines.append(f"| {asked} | {each.verdict} | {each.seconds:.0f} | {_cell(each.said)} |")
        for each in self.sections:
            if each.findings:
                lines += ["", f"## {each.name}", "", "| what | verdict | seen |", "|---|---|---|"]
                lines += [
                    f"| {_cell(finding.name)} | {finding.verdict} | {_cell(finding.said)} |"
                    for finding in each.findings
                ]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """`selfcheck.json` and `selfcheck.md`.

        Raises:
            HarnessError: the folder cannot be written.
        """
        try:
            write_atomically(folder / "selfcheck.json", json.dumps(self.as_json(), indent=1) + "\n")
            write_atomically(folder / "selfcheck.md", self.markdown())
        except OSError as error:
            raise HarnessError(
                f"{folder}: cannot be written: {error.strerror}; choose another folder with --out"
            ) from error


_WORDS: Mapping[Verdict, str] = {"pass": "passed", "fail": "failed", "skipped": "skipped"}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
