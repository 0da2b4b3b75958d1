"""Double attention (Chen et al., "A2-Nets: Double Attention Networks", NeurIPS 2018)."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, one_of

Distribution = Literal["descriptors", "positions"]


class DoubleAttention(nn.Module):
    """Gather global descriptors, then distribute them: (B, C, H, W) -> (B, C, H, W).

    The paper's double attention block with N = H * W positions, m feature channels and n
    descriptors:

        G = phi(X) softmax(theta(X))^T          gathering, softmax over the N positions:    (m, n)
        Z = G softmax(rho(X))                   distribution, softmax over the descriptors: (m, N)
        out = X + expand(Z)

    By associativity Z equals phi(X) [softmax(theta(X))^T softmax(rho(X))], an attention with an
    N x N matrix. The order taken here costs 2 m n N MACs and m n memory where that one costs
    (m + n) N^2 MACs and N^2 memory; the paper takes it for m n < N^2. Beside it stand the four 1x1
    convolutions, 2 (m + n) C N MACs.

    Both softmaxes are the paper's. Some public code (that of asymmetric non-local networks, which
    compares with the block) normalises rho(X) over the positions too, `distribution="positions"`: a
    position's attention over the descriptors then no longer sums to one.

    m and n are free in the paper's formulas; C / 4 is the default here, with plain convolutions and
    a plain residual as in the paper's block. SRNet's Table 3 (row "+A2Net") puts the operation into
    its non-local frame: m = n = C / 2, batch norm and ReLU behind phi, theta and rho, batch norm
    behind the expansion, a residual weight gamma that starts at zero
    (`feature_channels=256, descriptors=256, norm=True, gamma=True` at C = 512).

    Args:
        in_channels: C.
        feature_channels: m; `None` means C / 4.
        descriptors: n, number of gathered descriptors; `None` means C / 4.
        norm: batch norm behind every convolution, and ReLU behind phi, theta and rho; without it
            the convolutions have a bias.
        gamma: weigh the block by a learnt scalar that starts at zero.
        distribution: what rho(X) is normalised over.

    Raises:
        ValueError: a width is below 1, or the distribution is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        feature_channels: int | None = None,
        descriptors: int | None = None,
        norm: bool = False,
        gamma: bool = False,
        distribution: Distribution = "descriptors",
    ) -> None:
        super().__init__()
        one_of("distribution", distribution, get_args(Distribution))
        self.distribution = distribution
        m = _width("feature_channels", feature_channels, in_channels)
        n = _width("descriptors", descriptors, in_channels)
        self.features = m
        self.descriptors = n
        self.phi = _project(in_channels, m, norm=norm)
        self.theta = _project(in_channels, n, norm=norm)
        self.rho = _project(in_channels, n, norm=norm)
        self.expand = _project(m, in_channels, norm=norm, relu=False)
        self.gamma = nn.Parameter(torch.zeros(1)) if gamma else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        z: Tensor = self.expand(self.distribute(x, self.gather(x)))
        if self.gamma is not None:
            z = self.gamma * z
        return x + z

    def gather(self, x: Tensor) -> Tensor:
        """First attention, second-order attention pooling: (B, C, H, W) -> (B, m, n)."""
        features = self.phi(x).flatten(2)  # (B, m, N)
        attention = self.theta(x).flatten(2).softmax(dim=2)  # (B, n, N), one map per descriptor
        return torch.matmul(features, attention.transpose(1, 2))

    def distribute(self, x: Tensor, gathered: Tensor) -> Tensor:
        """Second attention: (B, C, H, W) and descriptors (B, m, n) -> (B, m, H, W)."""
        over = 1 if self.distribution == "descriptors" else 2
        vectors = self.rho(x).flatten(2).softmax(dim=over)  # (B, n, N), one vector per position
        return torch.matmul(gathered, vectors).reshape(x.shape[0], -1, *x.shape[-2:])

    def affinity_elements(self, input_shape: Sequence[int]) -> int:  # noqa: ARG002 - the same at every size
        """Elements of the relation G between features and descriptors, batch 1: m n.

        O(C^2) in SRNet's Table 1, whatever H and W. The two softmax maps, (n, N) each, are not
        relations between positions: they have the size of the feature maps that they are made of,
        and the table leaves them out.

        Args:
            input_shape: (B, C, H, W).
        """
        return self.features * self.descriptors


def _width(name: str, given: int | None, in_channels: int) -> int:
    width = in_channels // 4 if given is None else given
    if width < 1:
        raise ValueError(
            f"{name} must be at least 1; got {width} for in_channels={in_channels}. "
            f"Give {name} explicitly"
        )
    return width


def _project(in_channels: int, out_channels: int, *, norm: bool, relu: bool = True) -> nn.Module:
    if norm:
        return ConvBNReLU(in_channels, out_channels, relu=relu)
    return nn.Conv2d(in_channels, out_channels, 1)
