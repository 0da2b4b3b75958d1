"""The sections of the self-check, and what became of each."""

from dataclasses import dataclass
from typing import Any

from harness.case import Device
from harness.selfcheck.finding import NO_TIME, Finding, Verdict

USUAL_BUDGET = 400.0
"""Seconds."""


@dataclass(frozen=True)
class Section:
    """A question to the machine, answered in a process of its own."""

    name: str
    asks: str  # the question
    share: float  # of the budget that it may take
    least: float  # seconds without which it is not begun
    devices: tuple[Device, ...] = ("cpu", "cuda")  # where it makes sense
    # whether it measures itself, alone on the device; else it starts runs, which see to that
    alone: bool = False
    file: str = ""  # module with its function `check`; of its name in `sections` if absent

    @property
    def module(self) -> str:
        """What its process imports."""
        return self.file or f"harness.selfcheck.sections.{self.name}"


_GPU: tuple[Device, ...] = ("cuda",)

# In the order of what the others stand on. Shares are of what takes long on either device.
SECTIONS = (
    Section("machine", "does it say what it is?", 0.05, 5),
    Section("failures", "is a case that fails its own row?", 0.15, 20),
    Section("outputs", "do modules compute what they compute in float64?", 0.2, 5, alone=True),
    Section("timing", "do other timers read the same?", 0.25, 10, alone=True),
    Section("memory", "is memory predicted?", 0.1, 5, alone=True),
    Section("room", "is what fits into the rest of a GPU measured?", 0.1, 20, _GPU),
    Section("graphs", "are passes captured?", 0.08, 15, _GPU),
    Section("energy", "is energy that of the board?", 0.06, 15, _GPU),
    Section("exclusion", "do two runs take turns?", 0.08, 15),
    Section("roofs", "are the ceilings reached by others?", 0.12, 20, alone=True),
    Section("equal_versions", "does the gate leave equal versions alone?", 0.25, 25),
)


@dataclass(frozen=True)
class Checked:
    """A section after it was checked."""

    name: str
    asks: str
    findings: tuple[Finding, ...]
    seconds: float  # that it took
    failure: str | None = None  # why it did not end as it should
    skipped: str | None = None  # why it was not begun
    short: bool = False  # whether it was time that lacked, for it or for some of its findings

    @property
    def verdict(self) -> Verdict:
        """`fail` if anything failed, `pass` if something was seen and nothing failed."""
        verdicts = {each.verdict for each in self.findings}
        if self.failure is not None or "fail" in verdicts:
            return "fail"
        return "pass" if "pass" in verdicts else "skipped"

    @property
    def said(self) -> str:
        """One sentence: why it was skipped, what failed first, or how much was seen."""
        if self.skipped is not None:
            return self.skipped
        passed = sum(each.verdict == "pass" for each in self.findings)
        unseen = sum(each.verdict == "skipped" for each in self.findings)
        seen = f"{passed} of {len(self.findings) - unseen} as they should be"
        if self.short:
            seen += f"; {self.findings[-1].name}: {NO_TIME}" if self.findings else ""
        if self.failure is not None:
            return f"{self.failure}; {seen}" if self.findings else self.failure
        if not self.findings:
            return "nothing was found"
        if passed == 0 and unseen == len(self.findings):
            return next(each.said for each in self.findings if each.verdict == "skipped")
        return seen

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "asks": self.asks,
            "verdict": self.verdict,
            "said": self.said,
            "seconds": self.seconds,
            "short_of_time": self.short,
            "findings": [vars(each) for each in self.findings],
        }
