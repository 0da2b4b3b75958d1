"""Expectation-maximization attention (Li et al., "Expectation-Maximization Attention Networks for
Semantic Segmentation", ICCV 2019)."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, flatten_positions

Gradient = Literal["none", "responsibilities", "unrolled"]

# In low precision a base that no position belongs to has no mass; it then becomes a zero vector.
SMALLEST_MASS = 1e-6


class EMAU(nn.Module):
    """Expectation-Maximization Attention Unit: (B, C, H, W) -> (B, C, H, W).

    The paper's unit with N = H * W positions and K bases. X is the map behind a 1x1 convolution
    without norm or ReLU (so that its entries have both signs), one row per position:

        for T iterations:   Z = softmax(X mu^T)                     A_E: responsibilities, (N, K)
                            mu_k = sum_n z_nk x_n / sum_n z_nk      A_M: bases, (K, C), unit length
        X~ = Z mu                                                   A_R: reconstruction, (N, C)
        out = ReLU(x + BN(conv1x1(ReLU(X~))))

    Costs (2 T + 1) N K C MACs for the attention, 2 C^2 N for the two convolutions, and N K memory
    for the responsibilities. The initial bases are no parameter: in training they follow
    mu_0 <- momentum mu_0 + (1 - momentum) mean over the batch of mu_T (Eq. 15), in evaluation they
    stand. Under DistributedDataParallel the first process's average is broadcast with all buffers,
    as batch norm's statistics are.

    Gradients: the authors cut them off in A_E and A_M (`gradient="none"`, the published behaviour),
    with the consequence that the first convolution is never trained; it is frozen here, so that
    this can be seen and distributed training does not wait for its gradient. `"responsibilities"`
    lets them through the last A_E, `"unrolled"` through all T iterations; both train it.

    Args:
        in_channels: C.
        num_bases: K; 64 in the paper.
        iterations: T; 3 in the paper.
        momentum: of the moving average of the bases; 0.9 in the paper.
        gradient: through which of the iterations gradients flow.

    Raises:
        ValueError: an argument out of its range.
    """

    bases: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        num_bases: int = 64,
        iterations: int = 3,
        momentum: float = 0.9,
        gradient: Gradient = "none",
    ) -> None:
        super().__init__()
        if num_bases < 1:
            raise ValueError(f"num_bases must be at least 1; got {num_bases}")
        if iterations < 1:
            raise ValueError(f"iterations must be at least 1; got {iterations}")
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"momentum must lie between 0 and 1; got {momentum}")
        if gradient not in get_args(Gradient):
            raise ValueError(f"gradient must be one of {get_args(Gradient)}; got {gradient!r}")
        self.iterations = iterations
        self.momentum = momentum
        self.gradient = gradient
        self.embed = nn.Conv2d(in_channels, in_channels, 1)
        self.embed.requires_grad_(gradient != "none")
        self.register_buffer("bases", _initial_bases(num_bases, in_channels))
        self.project = ConvBNReLU(in_channels, in_channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        reconstruction = self._reconstruct(x)
        # In place: neither the matmul nor the batch norm in front needs its output again.
        out: Tensor = self.project(F.relu(reconstruction, inplace=True))
        return F.relu(out.add_(x), inplace=True)

    def expectation_maximization(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Run T iterations from the kept bases on rows of features, (B, N, C).

        Returns:
            Responsibilities, (B, N, K), and bases, (B, K, C). As published, the responsibilities
            are those of the bases before the last A_M step.
        """
        with _gradients(self.gradient == "unrolled"):
            # A copy, since the moving average changes the buffer before the backward pass reads it.
            bases = self.bases.repeat(features.shape[0], 1, 1)
            for _ in range(self.iterations - 1):
                bases = maximization(features, expectation(features, bases))
        with _gradients(self.gradient != "none"):
            responsibilities = expectation(features, bases)
        with _gradients(self.gradient == "unrolled"):
            bases = maximization(features, responsibilities)
        return responsibilities, bases

    def _reconstruct(self, x: Tensor) -> Tensor:
        features = flatten_positions(self.embed(x))  # (B, N, C)
        responsibilities, bases = self.expectation_maximization(features)
        if self.training:
            self._follow(bases)
        # (Z mu)^T rather than Z mu: the result is a map in the usual memory order.
        rows = torch.matmul(bases.transpose(1, 2), responsibilities.transpose(1, 2))  # (B, C, N)
        return rows.reshape(x.shape)

    @torch.no_grad()
    def _follow(self, bases: Tensor) -> None:
        self.bases.lerp_(bases.mean(dim=0).to(self.bases), 1.0 - self.momentum)  # Eq. 15


class EMAUHead(nn.Module):
    """A head over the unit, as EMANet's Table 1 counts it: (B, in, H, W) -> (B, channels, H, W).

    A 3x3 CBR reduces, the unit attends.

    Args:
        in_channels: channels of the input.
        channels: C of the unit.
        num_bases: see `EMAU`.
        iterations: see there.

    Raises:
        ValueError: as `EMAU`.
    """

    def __init__(
        self, in_channels: int, *, channels: int = 512, num_bases: int = 64, iterations: int = 3
    ) -> None:
        super().__init__()
        self.reduce = ConvBNReLU(in_channels, channels, 3)
        self.context = EMAU(channels, num_bases=num_bases, iterations=iterations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, channels, H, W)."""
        return self.context(self.reduce(x))  # type: ignore[no-any-return]


def expectation(features: Tensor, bases: Tensor) -> Tensor:
    """A_E: (B, N, C) and (B, K, C) -> responsibilities (B, N, K), each row sums to one.

    The kernel is exp(x^T mu), so that the responsibilities are a softmax over the bases.
    """
    return torch.matmul(features, bases.transpose(1, 2)).softmax(dim=2)


def maximization(features: Tensor, responsibilities: Tensor) -> Tensor:
    """A_M: (B, N, C) and (B, N, K) -> bases (B, K, C), means by responsibility, of unit length."""
    sums = torch.matmul(responsibilities.transpose(1, 2), features)
    # Dividing the (K, C) sums instead of the (N, K) responsibilities saves a map of N * K.
    mass = responsibilities.sum(dim=1).unsqueeze(2)
    return F.normalize(sums / mass.clamp_min(SMALLEST_MASS), dim=2)


def _gradients(wanted: bool) -> torch.set_grad_enabled:
    return torch.set_grad_enabled(wanted and torch.is_grad_enabled())


def _initial_bases(num_bases: int, channels: int) -> Tensor:
    # Kaiming's standard deviation for K inputs, then unit length, as in the authors' code.
    return F.normalize(torch.randn(num_bases, channels) * math.sqrt(2.0 / num_bases), dim=1)
