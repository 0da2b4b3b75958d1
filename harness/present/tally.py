"""Tally: how many of a paper's printed figures are reproduced."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.present.quantity import Row


@dataclass(frozen=True)
class Tally:
    """Counts of printed figures by verdict."""

    reproduced: int = 0
    differs: int = 0
    not_reproducible: int = 0
    not_judged: int = 0
    not_measured: int = 0

    @property
    def judged(self) -> int:
        """Figures that were compared or are known not to be comparable."""
        return self.reproduced + self.differs + self.not_reproducible

    @property
    def total(self) -> int:
        """All printed figures beside the rows."""
        return self.judged + self.not_judged + self.not_measured

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.reproduced + other.reproduced,
            self.differs + other.differs,
            self.not_reproducible + other.not_reproducible,
            self.not_judged + other.not_judged,
            self.not_measured + other.not_measured,
        )

    @property
    def text(self) -> str:
        """One line for people."""
        if self.total == 0:
            return "no printed figures to compare with"
        parts = [
            f"{self.reproduced} reproduced",
            f"{self.differs} {'differs' if self.differs == 1 else 'differ'}",
            f"{self.not_reproducible} not reproducible",
            f"{self.not_judged} not judged",
        ]
        if self.not_measured:
            parts.append(f"{self.not_measured} not measured")
        return f"{self.total} printed figures: {', '.join(parts)}"


def count(rows: Iterable[Row]) -> Tally:
    """Counts the verdicts of annotated rows (`verdict.annotate`)."""
    found = [each["verdict"] for row in rows for each in (row.get("verdicts") or {}).values()]
    return Tally(
        found.count("reproduced"),
        found.count("differs"),
        found.count("not reproducible"),
        found.count("not judged"),
        found.count(None),
    )
