"""What one call of one PyTorch operator costs, as a rule says it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Cost of one operator call."""

    conv_macs: int = 0  # multiply-accumulates of a convolution
    transposed_conv_macs: int = 0  # the same if the convolution is transposed, else 0
    matmul_macs: int = 0  # multiply-accumulates of a matrix product
    elementwise: tuple[tuple[str, int], ...] = ()  # elements processed, by kind
    known: bool = True  # whether a rule said so; `False` for an operator that no rule covers


FREE = Cost()
UNKNOWN = Cost(known=False)


def steps(kind: str, elements: int) -> Cost:
    """Elementwise work of one kind."""
    return Cost(elementwise=((kind, elements),))


def product(macs: int, out: Any, *, has_bias: bool = False) -> Cost:
    """A matrix product, with a bias on each element of its output."""
    return Cost(matmul_macs=macs, elementwise=(("bias", out.numel()),) if has_bias else ())
