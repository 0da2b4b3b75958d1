"""Whether the rows stand in the order of the paper's: what can be said of figures of other data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.counterpart import ACCURACIES
from harness.judge.part import Part
from harness.judge.statistics.rank_correlation import RankCorrelation, rank_correlation
from harness.judge.verdict import counterparts
from harness.records.quantities.quantity import Row


@dataclass(frozen=True)
class PrintedOrder:
    """The order of the rows by a printed accuracy, beside that by ours."""

    figure: str  # key of the printed figure
    found: RankCorrelation  # over the rows that have both

    @property
    def text(self) -> str:
        """`Order by miou: rank correlation with the printed one +0.60 over 5 rows (p = 0.35)`."""
        r, rows, p = self.found.coefficient, self.found.pairs, self.found.p
        chance = f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"
        return (
            f"Order by {self.figure}: Spearman's rank correlation with the printed one {r:+.2f} "
            f"over {rows} rows ({chance})"
        )


def printed_orders(rows: Sequence[Row], part: Part) -> Iterator[PrintedOrder]:
    """Of each printed accuracy, where three rows or more have a printed figure and one of ours.

    Args:
        rows: annotated, of one suite.

    Raises:
        HarnessError: the reference names what does not exist.
    """
    for key, by in counterparts(part, rows).items():
        if by.quantity is None or by.quantity.name not in ACCURACIES:
            continue
        beside = ((row.get("verdicts") or {}).get(key) for row in rows)
        pairs = [(v["printed"], v["ours"]) for v in beside if v and v["ours"] is not None]
        found = rank_correlation([printed for printed, _ in pairs], [ours for _, ours in pairs])
        if found is not None:
            yield PrintedOrder(key, found)
