"""Squeeze-and-Excitation (SE) block (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018)."""

from torch import Tensor, nn
from torch.nn import functional as F


class SqueezeExcitation(nn.Module):
    """Rescale every channel by a gate computed from all channels: (B, C, H, W) -> (B, C, H, W).

    Squeeze (Eq. 2), excitation (Eq. 3) and scale (Eq. 4) of Hu et al.; inside a segmentation head
    it is the row "+SE" of SRNet's Table 3. Costs 2 C^2 / r MACs in the two fully connected layers
    and one pass over the map for each of pooling and scaling: O(CHW + C^2 / r).

    Eq. 3 writes both layers without a bias, and so are they here by default; published
    implementations differ, so that `bias=True` is an option (C / r + C parameters more).

    Args:
        in_channels: C.
        reduction: r, the ratio of C to the width of the bottleneck; 16 in the paper.
        bias: give both fully connected layers a bias.

    Raises:
        ValueError: `reduction` is not in 1 ... `in_channels`.
    """

    def __init__(self, in_channels: int, *, reduction: int = 16, bias: bool = False) -> None:
        super().__init__()
        if not 1 <= reduction <= in_channels:
            raise ValueError(
                f"reduction must lie between 1 and in_channels ({in_channels}), so that "
                f"the bottleneck keeps a channel; got {reduction}"
            )
        hidden = in_channels // reduction
        self.reduce = nn.Linear(in_channels, hidden, bias=bias)
        self.expand = nn.Linear(hidden, in_channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        squeezed = F.adaptive_avg_pool2d(x, 1).flatten(1)  # (B, C), Eq. 2
        hidden = F.relu(self.reduce(squeezed), inplace=True)  # (B, C / r)
        gate: Tensor = self.expand(hidden).sigmoid()  # (B, C), Eq. 3
        return x * gate[:, :, None, None]  # Eq. 4
