"""Attention along one axis after the other (Wang et al., Axial-DeepLab, 2020)."""

from typing import Literal

import torch
from torch import Tensor, nn

from context_modules.layers import one_of, positive

Positions = Literal["none", "query", "sensitive"]


class AxialAttention(nn.Module):
    """Attention along the height, then along the width: (B, C, H, W) -> (B, C, H, W).

    Wang et al., "Axial-DeepLab", ECCV 2020, Section 3. For each position o of a line and all
    positions p of that line, with p - o their distance (Eq. 4, "position-sensitive"):

        y_o = sum_p softmax_p(q_o . k_p + q_o . r^q_{p-o} + k_p . r^k_{p-o}) (v_p + r^v_{p-o})

    `positions: query` keeps the first of the three learned vectors r (Eq. 2 and 3, as in
    stand-alone self-attention), `none` has no notion of distance (Eq. 1 along an axis). The vectors
    are shared by all heads. Queries and keys have half of the channels of the values; projections
    have no bias. After both axes every position has seen every other.

    Cost of an axis of length L, N = H * W: 2 N C^2 for the projections and, per position of the
    line, N L (3 C / 2 + 2 C) multiply-accumulates (position-sensitive; C / 2 + C without).

    Args:
        in_channels: C.
        input_size: (H, W) for which there are vectors r; maps may be smaller. Filled in from the
            input; needed unless `positions` is `none`.
        heads: a divisor of C / 2; 8 in the paper.
        positions: which vectors r there are.
        norm: batch norm behind the projections, on each kind of logits and on each kind of result,
            as the published code has it.

    Raises:
        ValueError: for sizes below 1, heads that do not divide C / 2, no input size where there has
            to be one, or in `forward` a map larger than that.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        input_size: tuple[int, int] | None = None,
        heads: int = 8,
        positions: Positions = "sensitive",
        norm: bool = False,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, heads=heads)
        one_of("positions", positions, ("none", "query", "sensitive"))
        if in_channels % (2 * heads):
            raise ValueError(f"heads is {heads}; it must divide in_channels / 2 ({in_channels}/2)")
        if positions != "none" and input_size is None:
            raise ValueError(f"input_size: positions {positions!r} needs the (H, W) of the map")
        self.heads = heads
        height, width = input_size or (1, 1)
        self.along_height = _LineAttention(in_channels, heads, height, positions, norm=norm)
        self.along_width = _LineAttention(in_channels, heads, width, positions, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        batch, channels, height, width = x.shape
        columns = x.permute(0, 3, 1, 2).reshape(batch * width, channels, height)
        columns = self.along_height(columns).view(batch, width, channels, height)
        rows = columns.permute(0, 3, 2, 1).reshape(batch * height, channels, width)
        rows = self.along_width(rows).view(batch, height, channels, width)
        out: Tensor = rows.transpose(1, 2).contiguous()
        return out

    def affinity_elements(self, input_shape: tuple[int, ...]) -> int:
        """Elements of the relations along both axes, batch 1: heads * N * (H + W).

        Args:
            input_shape: (B, C, H, W).
        """
        height, width = input_shape[2:]
        return self.heads * height * width * (height + width)


class _LineAttention(nn.Module):
    """Eq. 4 along lines of length L: (G, C, L) -> (G, C, L).

    Args:
        channels: C, of input and values; queries and keys have half.
        heads: of both.
        longest: largest L for which there are vectors.
        positions: see `AxialAttention`.
        norm: see `AxialAttention`.
    """

    def __init__(
        self, channels: int, heads: int, longest: int, positions: Positions, *, norm: bool
    ) -> None:
        super().__init__()
        self.heads, self.longest = heads, longest
        self.positions: Positions = positions
        width = channels // heads
        self.widths = (width // 2, width // 2, width)  # of query, key, value
        self.qkv = nn.Conv1d(channels, 2 * channels, 1, bias=False)
        kinds = {"none": 0, "query": 1, "sensitive": 3}[positions]
        self.relative = nn.ParameterList(
            nn.Parameter(torch.randn(each, 2 * longest - 1) * width**-0.5)
            for each in self.widths[:kinds]
        )  # r^q, r^k, r^v
        of_logits = {0: 1, 1: 2, 3: 3}[kinds]
        self.norms = (
            nn.ModuleList(
                [
                    nn.BatchNorm1d(2 * channels),
                    nn.BatchNorm2d(of_logits * heads),
                    nn.BatchNorm1d((2 if kinds == 3 else 1) * channels),
                ]
            )
            if norm
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        lines, channels, length = x.shape
        qkv = self.qkv(x)
        if self.norms is not None:
            qkv = self.norms[0](qkv)
        query, key, value = qkv.view(lines, self.heads, -1, length).split(self.widths, dim=2)
        weights = self._logits(query, key).softmax(dim=-1)  # (G, heads, L, L)
        results = [torch.matmul(value, weights.transpose(-2, -1))]  # (G, heads, C / heads, L)
        if self.positions == "sensitive":
            results.append(torch.einsum("ghop,cop->ghco", weights, self._vectors(2, length)))
        if self.norms is not None:
            stacked = torch.cat([each.flatten(1, 2) for each in results], dim=1)
            results = list(self.norms[2](stacked).chunk(len(results), dim=1))
        return sum(results[1:], results[0]).reshape(lines, channels, length)

    def _logits(self, query: Tensor, key: Tensor) -> Tensor:
        """(G, heads, C / 2 heads, L) both -> (G, heads, L, L), rows are queries."""
        length = query.shape[-1]
        terms = [torch.matmul(query.transpose(-2, -1), key)]
        if self.positions != "none":
            terms.append(torch.einsum("ghco,cop->ghop", query, self._vectors(0, length)))
        if self.positions == "sensitive":
            terms.append(torch.einsum("ghcp,cop->ghop", key, self._vectors(1, length)))
        if self.norms is not None:
            terms = list(self.norms[1](torch.cat(terms, dim=1)).chunk(len(terms), dim=1))
        return sum(terms[1:], terms[0])

    def _vectors(self, kind: int, length: int) -> Tensor:
        """r^q, r^k or r^v of every pair: (width, L, L), rows are the queries o."""
        if length > self.longest:
            raise ValueError(
                f"a side of {length} has no vectors; input_size gave {self.longest} at most"
            )
        place = torch.arange(length, device=self.relative[kind].device)
        found: Tensor = self.relative[kind][:, place - place[:, None] + self.longest - 1]
        return found
