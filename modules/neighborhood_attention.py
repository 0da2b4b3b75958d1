"""Attention to a sliding window that stops at the border (Hassani et al., NAT, 2023)."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from context_modules import natten_use
from context_modules.attention import Kernel
from context_modules.layers import one_of, positive
from context_modules.relative_positions import RelativeBias, attend_biased, heads_of

NeighborhoodKernel = Literal["explicit", "fused", "natten"]


class NeighborhoodAttention(nn.Module):
    """Every position attends to the K x K positions nearest to it: (B, C, H, W) -> (B, C, H, W).

    Hassani et al., "Neighborhood Attention Transformer", CVPR 2023, Section 3.1; with `dilation`
    Hassani and Shi, "Dilated Neighborhood Attention Transformer", 2022, Section 3:

        out_i = sum over j in rho(i) of softmax_j(q_i . k_j / sqrt(d) + b(j - i)) v_j

    rho(i) is the K x K window around i; near a border it is moved inside, so that every position
    has K^2 keys, and none of them is padding. b holds a learned number for each head and each of
    the (2 K - 1)^2 displacements that this makes possible. With dilation D rho(i) has the nearest
    positions whose distance to i is a multiple of D on both axes, and displacements count in steps
    of D. An axis too short for K such positions is attended to as far as it goes.

    Cost: 4 N C^2 + 2 K^2 N C multiply-accumulates, N = H * W. Here keys and values of a few rows of
    queries are gathered at a time: beside the projections that is 2 `rows` W K^2 C values, where a
    kernel of its own would keep none. Training keeps them for all rows.

    With one head, no b and K = 2 S + 1 it differs from LOCAL_S (GGCF, Eq. 4; `graph_guided`) at
    borders alone: LOCAL_S cuts the window there, to (S + 1)^2 keys in a corner, and here it is
    moved, to K^2 everywhere.

    Args:
        in_channels: C.
        window: K, side of a window; odd, so that it has a middle.
        dilation: D, in positions.
        heads: a divisor of C; `None` means C / 32.
        bias: of the layer that makes queries, keys and values.
        relative_bias: add b.
        rows: of queries at a time; the result is the same.
        kernel: `explicit` or `fused`, see `context_modules.attention`; both gather. `natten`
            gathers nothing: it runs the kernels of the authors' package, where that is installed,
            which have no b.

    Raises:
        ValueError: for sizes below 1, an even window, heads that do not divide C, an unknown
            kernel or `natten` with b, or in `forward` a side shorter than the dilation.
        NotImplementedError: in `forward`, `natten` without NATTEN or a kernel of it that fits.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        window: int = 7,
        dilation: int = 1,
        heads: int | None = None,
        bias: bool = True,
        relative_bias: bool = True,
        rows: int = 4,
        kernel: NeighborhoodKernel = "explicit",
    ) -> None:
        super().__init__()
        one_of("kernel", kernel, get_args(NeighborhoodKernel))
        if kernel == "natten" and relative_bias:
            raise ValueError("kernel: natten has no relative_bias; set it to false")
        positive(in_channels=in_channels, window=window, dilation=dilation, rows=rows)
        if window % 2 == 0:
            raise ValueError(f"window is {window}; give an odd number, so that it has a middle")
        self.heads = heads_of(in_channels, heads)
        self.window, self.dilation, self.rows = window, dilation, rows
        self.kernel: NeighborhoodKernel = kernel
        self.qkv = nn.Linear(in_channels, 3 * in_channels, bias=bias)
        self.relative_bias = RelativeBias(self.heads, window) if relative_bias else None
        self.project = nn.Linear(in_channels, in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        batch, _, height, width = x.shape
        qkv = self.qkv(x.permute(0, 2, 3, 1)).view(batch, height, width, 3, self.heads, -1)
        if self.kernel == "natten":
            query, key, value = (each.contiguous() for each in qkv.unbind(3))
            window = self.keys(height), self.keys(width)
            out = natten_use.attend_by_natten(query, key, value, window, self.dilation)
            return self._projected(out)
        query, key, value = qkv.permute(3, 0, 4, 1, 2, 5)  # (B, heads, H, W, C / heads) each
        rows, row_steps = self.neighbors(height, x.device)  # (H, K) each
        columns, column_steps = self.neighbors(width, x.device)  # (W, K)
        columns, column_steps = columns[None, :, None, :], column_steps[None, :, None, :]
        parts = [
            self._attend(
                query[:, :, i : i + self.rows],
                (key, value),
                (rows[i : i + self.rows, None, :, None], columns),
                (row_steps[i : i + self.rows, None, :, None], column_steps),
            )
            for i in range(0, height, self.rows)
        ]
        joined = torch.cat(parts, dim=2)  # (B, heads, H, W, C / heads)
        return self._projected(joined.permute(0, 2, 3, 1, 4))

    def _projected(self, attended: Tensor) -> Tensor:
        """(B, H, W, heads, C / heads) -> (B, C, H, W)."""
        projected: Tensor = self.project(attended.flatten(3))
        return projected.permute(0, 3, 1, 2)

    def keys(self, side: int) -> int:
        """Keys of a query along an axis.

        Raises:
            ValueError: the axis is shorter than the dilation.
        """
        if side < self.dilation:
            raise ValueError(f"a side of {side} is shorter than dilation ({self.dilation})")
        return min(self.window, side // self.dilation)

    def neighbors(self, side: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """The keys of every place of an axis.

        Returns:
            Their places and their distances in steps of the dilation, (side, K) both.

        Raises:
            ValueError: the axis is shorter than the dilation.
        """
        count = self.keys(side)
        place = torch.arange(side, device=device)
        remainder = place % self.dilation  # places of one remainder are neighbours of one another
        step = place.div(self.dilation, rounding_mode="floor")
        steps = (side - remainder + self.dilation - 1).div(self.dilation, rounding_mode="floor")
        first = torch.minimum((step - count // 2).clamp_min(0), steps - count)
        found = first[:, None] + torch.arange(count, device=device)
        return found * self.dilation + remainder[:, None], found - step[:, None]

    def affinity_elements(self, input_shape: tuple[int, ...]) -> int:
        """Elements of the relations, batch 1: heads * N * K^2, of which `rows` rows are held.

        Args:
            input_shape: (B, C, H, W).
        """
        height, width = input_shape[2:]
        return self.heads * height * width * self.keys(height) * self.keys(width)

    def _attend(
        self,
        query: Tensor,
        keys_and_values: tuple[Tensor, Tensor],
        places: tuple[Tensor, Tensor],
        steps: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Some rows of queries, (B, heads, R, W, C / heads) -> the same shape."""
        batch, heads, rows, width, channels = query.shape
        queries = heads * rows * width
        key, value = (
            each[:, :, places[0], places[1]].reshape(batch, queries, -1, channels)
            for each in keys_and_values
        )  # (B, heads * R * W, K^2, C / heads)
        bias = None
        if self.relative_bias is not None:
            bias = self.relative_bias(*steps).reshape(1, queries, 1, -1)
        query = query.reshape(batch, queries, 1, channels)
        kernel: Kernel = "fused" if self.kernel == "fused" else "explicit"
        out = attend_biased(query, key, value, bias, kernel)
        return out.view(batch, heads, rows, width, channels)
