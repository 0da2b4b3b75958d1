"""Efficient attention: linear in the number of positions, and a head over it."""

import torch
from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, positive


class EfficientAttention(nn.Module):
    """Efficient attention (Shen et al., "Efficient Attention", 2018, Eq. 4 to 6, Figure 1).

    (B, in_channels, H, W) -> (B, in_channels, H, W).

        E = softmax_channels(Q) (softmax_positions(K)^T V)

    The two softmaxes stand in for the one over the N x N table, which never exists: the keys gather
    one global context of key_channels x value_channels per head, the queries distribute it. Cost:
    2 * H * W * key_channels * value_channels / heads multiply-accumulates beside the convolutions.
    A biased 1x1 convolution projects back to in_channels and the input is added.

    Args:
        in_channels: channels of the input and the output.
        key_channels: channels of Q and K; `None` means in_channels / 2.
        value_channels: channels of V; `None` means in_channels / 2.
        heads: groups of channels with a context of their own.

    Raises:
        ValueError: for sizes below 1, or channels that the heads do not divide.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        key_channels: int | None = None,
        value_channels: int | None = None,
        heads: int = 1,
    ) -> None:
        super().__init__()
        keys = in_channels // 2 if key_channels is None else key_channels
        values = in_channels // 2 if value_channels is None else value_channels
        positive(in_channels=in_channels, key_channels=keys, value_channels=values, heads=heads)
        if keys % heads or values % heads:
            raise ValueError(
                f"heads is {heads}; it must divide key_channels ({keys}) and "
                f"value_channels ({values})"
            )
        self.heads = heads
        self.query = nn.Conv2d(in_channels, keys, 1)
        self.key = nn.Conv2d(in_channels, keys, 1)
        self.value = nn.Conv2d(in_channels, values, 1)
        self.output = nn.Conv2d(values, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, in_channels, H, W)."""
        gathered = self._gather(self.key(x), self.value(x))
        context = self._distribute(self.query(x), gathered)
        return self.output(context) + x  # type: ignore[no-any-return]

    def _gather(self, key: Tensor, value: Tensor) -> Tensor:
        """Global context vectors: (B, heads, key_channels / heads, value_channels / heads)."""
        weights = self._by_head(key).softmax(dim=-1)  # over positions
        return torch.matmul(weights, self._by_head(value).transpose(-2, -1))

    def _distribute(self, query: Tensor, gathered: Tensor) -> Tensor:
        """(B, key_channels, H, W) -> (B, value_channels, H, W)."""
        weights = self._by_head(query).softmax(dim=-2)  # over channels
        context = torch.matmul(gathered.transpose(-2, -1), weights)
        return context.reshape(query.shape[0], -1, *query.shape[-2:])

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, heads, C / heads, H * W)."""
        return x.reshape(x.shape[0], self.heads, x.shape[1] // self.heads, -1)


class EfficientAttentionHead(nn.Module):
    """A head over efficient attention, as OCNet's Table 4 measures it.

    (B, in_channels, H, W) -> (B, out_channels, H, W): 3x3 CBR, efficient attention; no fusion.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the attention and of the output.
        key_channels: see `EfficientAttention`, as all that follow.
        value_channels: see there.
        heads: see there.

    Raises:
        ValueError: as the attention.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        key_channels: int | None = None,
        value_channels: int | None = None,
        heads: int = 1,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels)
        self.reduce = ConvBNReLU(in_channels, out_channels, 3)
        self.context = EfficientAttention(
            out_channels, key_channels=key_channels, value_channels=value_channels, heads=heads
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.context(self.reduce(x))  # type: ignore[no-any-return]
