"""Compact generalized non-local block (CGNL) and a head over it."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, Transform, pointwise, positive

Affinity = Literal["dot", "rbf"]


class CompactGeneralizedNonLocal(nn.Module):
    """CGNL (Yue et al., "Compact Generalized Non-local Network", 2018, Eq. 8 to 13, Figure 3).

    (B, in_channels, H, W) -> (B, in_channels, H, W).

    Non-local attention between all positions *and* channels of a group. The kernel is a power
    series in the product of two entries, so that the table between all entries never exists:

        y_i = sum_p c_p * theta_i^p * (sum_j phi_j^p g_j)

    with c_1 = 1 alone for `dot`, and c_p = exp(-2 gamma) (2 gamma)^p / p! for p = 0 .. order for
    `rbf`, the Taylor series of the Gaussian kernel of vectors taken as normalised. Cost: H * W *
    channels * number of terms multiply-accumulates beside the convolutions; no softmax.

    z is a 1x1 convolution in `output_groups` groups, followed by group norm; the input is added.
    The original uses as many groups there as in the attention (the default); OCNet's Table 4 fits
    `output_groups` = channels, SRNet's Table 3 a dense z and `transform: cbr`.

    Args:
        in_channels: channels of the input and the output.
        channels: channels of theta, phi and g; `None` means in_channels.
        groups: blocks of channels that attend apart, and groups of the group norm.
        output_groups: groups of z; `None` means `groups`.
        transform: kind of the theta, phi and g convolutions.
        affinity: `dot` or `rbf`.
        order: highest power of `rbf`.
        gamma: width of `rbf`.
        scaled: divide the sums over phi^p g by the square root of their length, channels of a group
            times positions, as the released code can (its `use_scale`); the paper does not.

    Raises:
        ValueError: for sizes below 1, or channels that the groups do not divide.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int | None = None,
        groups: int = 1,
        output_groups: int | None = None,
        transform: Transform = "conv",
        affinity: Affinity = "dot",
        order: int = 3,
        gamma: float = 1e-4,
        scaled: bool = False,
    ) -> None:
        super().__init__()
        width = in_channels if channels is None else channels
        z_groups = groups if output_groups is None else output_groups
        positive(in_channels=in_channels, channels=width, groups=groups, output_groups=z_groups)
        positive(order=order)
        for name, count in (("groups", groups), ("output_groups", z_groups)):
            if width % count or in_channels % count:
                raise ValueError(
                    f"{name} is {count}; it must divide channels ({width}) and "
                    f"in_channels ({in_channels})"
                )
        self.groups = groups
        self.scaled = scaled
        self.coefficients = _coefficients(affinity, order, gamma)
        self.theta = pointwise(in_channels, width, transform)
        self.phi = pointwise(in_channels, width, transform)
        self.g = pointwise(in_channels, width, transform)
        self.z = nn.Conv2d(width, in_channels, 1, groups=z_groups, bias=False)
        self.norm = nn.GroupNorm(groups, in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, in_channels, H, W)."""
        y = self._attend(self.theta(x), self.phi(x), self.g(x))
        return self.norm(self.z(y)) + x  # type: ignore[no-any-return]

    def affinity_elements(self, input_shape: Sequence[int]) -> int:  # noqa: ARG002 - of any size
        """Elements of the sums over phi^p g that stand for the table of affinities, batch 1.

        One per group and term of the series: 1 for `dot`, order + 1 for `rbf`, whatever H and W.
        SRNet's Table 1 prints O(P^2), the whole (P, P) product of the two expansions; its diagonal
        is all that Eq. 12 needs.

        Args:
            input_shape: (B, in_channels, H, W).
        """
        return self.groups * len(self.coefficients)

    def _attend(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Three times (B, channels, H, W) -> (B, channels, H, W)."""
        shape = theta.shape
        entries = (shape[0], self.groups, -1)
        theta, phi, g = theta.reshape(entries), phi.reshape(entries), g.reshape(entries)
        y: Tensor | None = None
        for power, coefficient in self.coefficients:
            total = torch.matmul(_power(phi, power).unsqueeze(-2), g.unsqueeze(-1)).squeeze(-1)
            if self.scaled:
                total = total / math.sqrt(phi.shape[2])
            term = _power(theta, power) * (total if coefficient == 1.0 else coefficient * total)
            y = term if y is None else y + term
        assert y is not None  # `_coefficients` is never empty
        return y.reshape(shape)


def _power(x: Tensor, power: int) -> Tensor:
    return x if power == 1 else x**power


def _coefficients(affinity: str, order: int, gamma: float) -> tuple[tuple[int, float], ...]:
    """The terms (p, c_p) of the kernel's power series."""
    if affinity == "dot":
        return ((1, 1.0),)
    if affinity != "rbf":
        raise ValueError(f"affinity is {affinity!r}; choose 'dot' or 'rbf'")
    if gamma <= 0:
        raise ValueError(f"gamma is {gamma}; it must be positive")
    return tuple(
        (p, math.exp(-2 * gamma) * (2 * gamma) ** p / math.factorial(p)) for p in range(order + 1)
    )


class CGNL(nn.Module):
    """A head over the CGNL block, as OCNet's Table 4 measures it.

    (B, in_channels, H, W) -> (B, out_channels, H, W): 3x3 CBR, CGNL block, 3x3 CBR.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the block and of the output.
        channels: see `CompactGeneralizedNonLocal`, as all that follow.
        groups: see there.
        output_groups: see there.
        transform: see there.
        affinity: see there.
        order: see there.
        gamma: see there.
        scaled: see there.

    Raises:
        ValueError: as the block.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        channels: int | None = None,
        groups: int = 1,
        output_groups: int | None = None,
        transform: Transform = "conv",
        affinity: Affinity = "dot",
        order: int = 3,
        gamma: float = 1e-4,
        scaled: bool = False,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels)
        self.reduce = ConvBNReLU(in_channels, out_channels, 3)
        self.context = CompactGeneralizedNonLocal(
            out_channels,
            channels=channels,
            groups=groups,
            output_groups=output_groups,
            transform=transform,
            affinity=affinity,
            order=order,
            gamma=gamma,
            scaled=scaled,
        )
        self.fuse = ConvBNReLU(out_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(self.context(self.reduce(x)))  # type: ignore[no-any-return]

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Those of the block."""
        return self.context.affinity_elements(input_shape)
