"""Context Pruning: keep the neighbours of highest affinity (GGCF, Section 3.4)."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

Order = Literal["affinity", "random"]


@dataclass(frozen=True)
class ContextPruning:
    """Which of its neighbours a position keeps.

    The paper keeps N per position; its Figure 4 varies the share that is dropped. Either is given:
    the kept are min(N, n) or ceil((1 - rate) * n) of n neighbours, and always at least one.

    Attributes:
        rate: share of the neighbours that is dropped, in [0, 1).
        keep: N; when given, `rate` must be 0.
        order: `affinity` keeps the highest A(x_i, x_j); `random` is the paper's control, which
            keeps as many, drawn anew in each forward from PyTorch's default generator.
    """

    rate: float = 0.0
    keep: int | None = None
    order: Order = "affinity"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"prune_rate is {self.rate}; it must lie in [0, 1)")
        if self.keep is not None and (self.keep < 1 or self.rate):
            raise ValueError(
                f"prune_keep is {self.keep} and prune_rate {self.rate}; give prune_keep of at "
                "least 1, or prune_rate, not both"
            )
        if self.order not in ("affinity", "random"):
            raise ValueError(f"pruning order is {self.order!r}; write 'affinity' or 'random'")

    def kept(self, neighbours: int) -> int:
        """How many of so many neighbours stay."""
        if self.keep is not None:
            return min(self.keep, neighbours)
        return neighbours - math.floor(self._rate * neighbours)

    def kept_of(self, neighbours: Tensor) -> Tensor:
        """As `kept`, for a tensor of counts."""
        if self.keep is not None:
            return neighbours.clamp(max=self.keep)
        return neighbours - neighbours * self._rate.numerator // self._rate.denominator

    @property
    def _rate(self) -> Fraction:
        # (1 - 0.7) * 10 is 3.0000000000000004 in binary floating point and its ceiling is 4: the
        # rate counts as the decimal that was written.
        return Fraction(str(self.rate)).limit_denominator(10**6)

    def select(self, scores: Tensor, neighbours: Tensor | None = None) -> Tensor:
        """The kept contexts: those of highest score among the neighbours.

        Args:
            scores: (..., Nq, Nk), not negative.
            neighbours: boolean, broadcastable to `scores`; `None` means all.

        Returns:
            (..., Nq, Nk) booleans.
        """
        keys = scores.shape[-1]
        limit: Tensor | int = self.kept(keys)
        if neighbours is not None:
            scores = scores.masked_fill(~neighbours, -1)
            limit = self.kept_of(neighbours.sum(dim=-1, keepdim=True))
        best = scores.topk(self.kept(keys), dim=-1).indices
        rank = torch.arange(best.shape[-1], device=scores.device)
        stays = (rank < limit).expand(best.shape)
        return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, stays)
