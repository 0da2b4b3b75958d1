"""The trainable adjacency E(i, j) of GGCF, Section 4.2 ("Trainable Graph Guidance")."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TrainableEdges(nn.Module):
    """A network of two linear layers from the offset of two positions to the weight of their edge.

    Its input is (i_x - j_x, i_y - j_y, ||i - j||) / max(H, W): the division, which the paper does
    not print, keeps the three numbers in [-sqrt(2), sqrt(2)] on every map. The paper names two
    linear layers and a scalar output; 16 hidden units, the ReLU between and the softplus behind,
    which keeps E > 0 as Eq. 3's normalisation needs, are this implementation's choice.

    E depends on the offset alone, so that the network runs once on the (2H - 1)(2W - 1) offsets
    instead of the (H W)^2 pairs.

    Args:
        hidden: units of the first layer.
    """

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"edge_hidden is {hidden}; it must be at least 1")
        self.hidden = hidden
        self.first = nn.Linear(3, hidden)
        self.second = nn.Linear(hidden, 1)

    def forward(self, height: int, width: int) -> Tensor:
        """The table of E: entry [i_y - j_y + H - 1, i_x - j_x + W - 1] of (2H - 1, 2W - 1)."""
        weight = self.first.weight
        dy = torch.arange(1 - height, height, device=weight.device, dtype=weight.dtype)
        dx = torch.arange(1 - width, width, device=weight.device, dtype=weight.dtype)
        across, down = dx.expand(len(dy), -1), dy[:, None].expand(-1, len(dx))
        offsets = torch.stack((across, down, torch.hypot(across, down)), dim=-1)
        hidden = F.relu(self.first(offsets / max(height, width)), inplace=True)
        return F.softplus(self.second(hidden)).squeeze(-1)

    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates of one call."""
        return (2 * height - 1) * (2 * width - 1) * (3 + 1) * self.hidden


def edges_between(table: Tensor, queries: Tensor, keys: Tensor, size: tuple[int, int]) -> Tensor:
    """E of positions, from the table of offsets.

    Args:
        table: (2H - 1, 2W - 1), of `TrainableEdges`.
        queries: (..., Nq) positions y * W + x.
        keys: (..., Nk) positions.
        size: (H, W).

    Returns:
        (..., Nq, Nk).
    """
    height, width = size
    # In the flat table, of 2W - 1 columns, an offset's place is the difference of two positions'.
    i, j = (
        positions.div(width, rounding_mode="floor") * (2 * width - 1) + positions.remainder(width)
        for positions in (queries, keys)
    )
    centre = (height - 1) * (2 * width - 1) + width - 1
    place = (i + centre)[..., :, None] - j[..., None, :]
    return table.flatten().index_select(0, place.flatten()).view(place.shape)
