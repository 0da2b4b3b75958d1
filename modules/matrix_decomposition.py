"""Low-rank decompositions of a map, the "hams" of Hamburger (Geng et al., 2021, Section 2.2).

X is (B, D, N), columns are positions. Each finds bases (B, D, R) and codes (B, N, R) with
X ~ bases codes^T in two calls, between which gradients may be cut off:

- `iterate(X, bases, iterations)`: from bases to start with, bases and codes of the last iteration.
- `codes(X, bases, codes)`: the codes of those bases.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 1e-6
"""Added to divisors, as in the published code."""
RIDGE = 0.1
"""Of the regression in concept decomposition; beta in the published code."""
SHARPNESS = 100.0
"""Inverse temperature of vector quantisation and concept decomposition, as published."""


class NonNegative:
    """Non-negative matrix factorisation by multiplicative updates (Lee and Seung, 2001).

    From codes C = softmax over the bases of X^T D, in each iteration, elementwise:

        C <- C * (X^T D) / (C D^T D),   then   D <- D * (X C) / (D C^T C)
    """

    @staticmethod
    def iterate(x: Tensor, bases: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        """(B, D, N), (B, D, R) -> (B, D, R), (B, N, R)."""
        codes = (x.transpose(1, 2) @ bases).softmax(dim=-1)
        for _ in range(iterations):
            codes = NonNegative.codes(x, bases, codes)
            divisor = bases @ (codes.transpose(1, 2) @ codes) + SMALLEST
            bases = bases * (x @ codes) / divisor
        return bases, codes

    @staticmethod
    def codes(x: Tensor, bases: Tensor, codes: Tensor) -> Tensor:
        """One more update of the codes."""
        divisor = codes @ (bases.transpose(1, 2) @ bases) + SMALLEST
        return codes * (x.transpose(1, 2) @ bases) / divisor


class VectorQuantisation:
    """Soft vector quantisation: a k-means by cosine similarity, its assignments a softmax.

    In each iteration C = softmax over the bases of SHARPNESS cos(X, D), then D = X C with the
    columns of C scaled to a sum of 1.
    """

    @staticmethod
    def iterate(x: Tensor, bases: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        """(B, D, N), (B, D, R) -> (B, D, R), (B, N, R)."""
        codes = bases  # replaced by the first iteration, and there is one at least
        for _ in range(iterations):
            directions = F.normalize(bases, dim=1, eps=SMALLEST)
            codes = _assign(F.normalize(x, dim=1), directions)
            bases = _means(x, codes)
        return bases, codes

    @staticmethod
    def codes(x: Tensor, bases: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG004 - made anew
        """Assignments to the bases; the lengths of the positions are taken for constants."""
        length = x.norm(dim=1, keepdim=True).detach()
        return _assign(x / (length + SMALLEST), F.normalize(bases, dim=1, eps=SMALLEST))


class ConceptDecomposition:
    """Spherical k-means (Dhillon and Modha, 2001), then codes by ridge regression on its bases.

    Iterations as in `VectorQuantisation`, with bases of unit length; at the end
    codes = X^T D (D^T D + RIDGE I)^-1.
    """

    @staticmethod
    def iterate(x: Tensor, bases: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        """(B, D, N), (B, D, R) -> (B, D, R), (B, N, R)."""
        codes = bases  # replaced by the first iteration, and there is one at least
        for _ in range(iterations):
            codes = _assign(F.normalize(x, dim=1), bases)
            bases = F.normalize(_means(x, codes), dim=1, eps=SMALLEST)
        return bases, codes

    @staticmethod
    def codes(x: Tensor, bases: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG004 - made anew
        """Ridge regression of X on the bases."""
        # There is no inverse in half precision.
        exact = bases if bases.dtype in (torch.float32, torch.float64) else bases.float()
        ridge = RIDGE * torch.eye(bases.shape[2], dtype=exact.dtype, device=exact.device)
        inverse: Tensor = torch.linalg.inv(exact.transpose(1, 2) @ exact + ridge)
        return x.transpose(1, 2) @ bases @ inverse.to(bases.dtype)


def _assign(x: Tensor, bases: Tensor) -> Tensor:
    """Softmax over the bases of their cosines with the positions, all of unit length: (B, N, R)."""
    codes: Tensor = (SHARPNESS * (x.transpose(1, 2) @ bases)).softmax(dim=-1)
    return codes


def _means(x: Tensor, codes: Tensor) -> Tensor:
    """Means of the positions by their assignments: (B, D, R)."""
    return x @ (codes / (codes.sum(dim=1, keepdim=True) + SMALLEST))


Decomposition = type[NonNegative] | type[VectorQuantisation] | type[ConceptDecomposition]

DECOMPOSITIONS: dict[str, Decomposition] = {
    "nmf": NonNegative,
    "vq": VectorQuantisation,
    "cd": ConceptDecomposition,
}
