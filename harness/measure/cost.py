"""The cost of one operator call."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Cost of one operator call.

    Attributes:
        conv_macs: multiply-accumulates of a convolution.
        transposed_conv_macs: the same if the convolution is transposed, else 0.
        matmul_macs: multiply-accumulates of a matrix product.
        elementwise: elements processed, by kind.
        known: whether a rule said so; `False` for an operator that no rule covers.
    """

    conv_macs: int = 0
    transposed_conv_macs: int = 0
    matmul_macs: int = 0
    elementwise: tuple[tuple[str, int], ...] = ()
    known: bool = True


FREE = Cost()
UNKNOWN = Cost(known=False)
