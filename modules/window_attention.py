"""Attention inside windows (Liu et al., "Swin Transformer", 2021)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.attention import Kernel
from context_modules.layers import positive
from context_modules.relative_positions import RelativeBias, attend_biased, heads_of


class WindowAttention(nn.Module):
    """Multi-head attention inside M x M windows, W-MSA, or inside shifted ones, SW-MSA.

    (B, C, H, W) -> (B, C, H, W). Liu et al., "Swin Transformer", 2021, Section 3.2, Eq. 4:

        out = softmax(Q K^T / sqrt(d) + B) V        in each window and head, then a projection

    Q, K and V come from one linear layer with bias; B holds a learned number for each of the
    (2 M - 1)^2 displacements and head. Windows lie side by side from the top left corner; zeros are
    added at the bottom and right where M does not divide a side. With `shift` the map is first
    rolled up and left by that many pixels, so that windows lie across the borders of the unshifted
    ones, and back afterwards; pixels that are neighbours only by the roll do not see each other.

    Cost (Eq. 2, on the padded map of N positions): 4 N C^2 + 2 M^2 N C multiply-accumulates.

    Args:
        in_channels: C.
        window: M, side of a window.
        shift: pixels, below M; the paper's SW-MSA has M // 2.
        heads: a divisor of C; `None` means C / 32.
        bias: of the layer that makes Q, K and V.
        relative_bias: add B.
        mask_padding: keep added pixels out of every softmax. The published code lets them take
            part: behind the linear layer they are its bias.
        kernel: `explicit` or `fused`, see `context_modules.attention`.

    Raises:
        ValueError: for sizes below 1, heads that do not divide C, or a shift outside of the window.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        window: int = 7,
        shift: int = 0,
        heads: int | None = None,
        bias: bool = True,
        relative_bias: bool = True,
        mask_padding: bool = False,
        kernel: Kernel = "explicit",
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, window=window)
        if not 0 <= shift < window:
            raise ValueError(f"shift is {shift}; it must lie between 0 and window - 1 ({window})")
        self.heads = heads_of(in_channels, heads)
        self.window, self.shift = window, shift
        self.mask_padding = mask_padding
        self.kernel: Kernel = kernel
        self.qkv = nn.Linear(in_channels, 3 * in_channels, bias=bias)
        self.relative_bias = RelativeBias(self.heads, window) if relative_bias else None
        self.project = nn.Linear(in_channels, in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.of_rows(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def of_rows(self, x: Tensor) -> Tensor:
        """The same with channels last: (B, H, W, C) -> (B, H, W, C)."""
        height, width = x.shape[1:3]
        down, right = -height % self.window, -width % self.window
        x = F.pad(x, (0, 0, 0, right, 0, down))
        padded = (height + down, width + right)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        x = self._join(self._attend(self._split(x), (height, width), padded), padded)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]

    def affinity_elements(self, input_shape: tuple[int, ...]) -> int:
        """Elements of the relations inside the windows, batch 1: heads * N * M^2, or 0 if fused.

        Args:
            input_shape: (B, C, H, W).
        """
        height, width = (side + -side % self.window for side in input_shape[2:])
        return self.heads * height * width * self.window**2 if self.kernel == "explicit" else 0

    def _attend(self, windows: Tensor, size: tuple[int, int], padded: tuple[int, int]) -> Tensor:
        """(G, M^2, C) -> (G, M^2, C), G the windows of all images, image by image."""
        groups, members, channels = windows.shape
        qkv = self.qkv(windows).view(groups, members, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (G, heads, M^2, C / heads) each
        bias = self._bias(windows, size, padded)
        out = attend_biased(query, key, value, bias, self.kernel)
        rows: Tensor = self.project(out.transpose(1, 2).reshape(groups, members, channels))
        return rows

    def _bias(
        self, windows: Tensor, size: tuple[int, int], padded: tuple[int, int]
    ) -> Tensor | None:
        """B, (1, heads, M^2, M^2), with the windows' masks where there are any; else `None`."""
        bias = None
        if self.relative_bias is not None:
            bias = self.relative_bias(*self._displacements(windows.device))[None]
        mask = self._mask(windows, size, padded)  # (windows of an image, M^2, M^2)
        if mask is None:
            return bias
        mask = mask.repeat(windows.shape[0] // mask.shape[0], 1, 1)[:, None]
        return mask if bias is None else bias + mask

    def _displacements(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Rows and columns from each position of a window to each, (M^2, M^2) both."""
        place = torch.arange(self.window, device=device)
        rows, columns = place.repeat_interleave(self.window), place.repeat(self.window)
        return rows[:, None] - rows, columns[:, None] - columns

    def _mask(
        self, windows: Tensor, size: tuple[int, int], padded: tuple[int, int]
    ) -> Tensor | None:
        """0 between pixels that see each other, else -inf; `None` where all do."""
        added = self.mask_padding and size != padded
        if not self.shift and not added:
            return None
        parts = [
            _parts(side, whole, self.shift, windows.device, padding=added)
            for side, whole in zip(size, padded, strict=True)
        ]
        regions = parts[0][:, None] * 4 + parts[1]  # a number for each part of the rolled map
        members = self._split(regions[None, :, :, None]).squeeze(-1)  # (windows, M^2)
        apart = members[:, :, None] != members[:, None, :]
        return windows.new_zeros(apart.shape).masked_fill_(apart, float("-inf"))

    def _split(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B * windows, M^2, C)."""
        batch, height, width, channels = x.shape
        m = self.window
        cut = x.reshape(batch, height // m, m, width // m, m, channels)
        return cut.transpose(2, 3).reshape(-1, m * m, channels)

    def _join(self, windows: Tensor, size: tuple[int, int]) -> Tensor:
        """The inverse of `_split`."""
        m, (height, width) = self.window, size
        cut = windows.view(-1, height // m, width // m, m, m, windows.shape[-1])
        return cut.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


class SwinBlocks(nn.Module):
    """Two Swin blocks, one with windows and one with shifted windows: (B, C, H, W) -> the same.

    Liu et al. 2021, Eq. 3, with W-MSA in the first block and SW-MSA, shifted by M // 2, in the
    second:

        z = x + MSA(LN(x)),   out = z + MLP(LN(z))       MLP: two linear layers around a GELU

    Together every pixel sees beyond its window; without the MLP (`mlp_ratio` 0) this is the
    mechanism alone. Cost: twice that of `WindowAttention` and 4 r N C^2 multiply-accumulates of the
    MLPs, r their ratio.

    Args:
        in_channels: C.
        window: M, side of a window.
        heads: a divisor of C; `None` means C / 32.
        mlp_ratio: hidden channels of the MLPs over C; 0 leaves the MLPs out.
        mask_padding: see `WindowAttention`.
        kernel: see `WindowAttention`.

    Raises:
        ValueError: as `WindowAttention`, or for a negative ratio.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        window: int = 7,
        heads: int | None = None,
        mlp_ratio: int = 4,
        mask_padding: bool = False,
        kernel: Kernel = "explicit",
    ) -> None:
        super().__init__()
        if mlp_ratio < 0:
            raise ValueError(f"mlp_ratio is {mlp_ratio}; it must be at least 0")
        self.blocks = nn.ModuleList(
            _SwinBlock(
                WindowAttention(
                    in_channels,
                    window=window,
                    shift=shift,
                    heads=heads,
                    mask_padding=mask_padding,
                    kernel=kernel,
                ),
                in_channels,
                mlp_ratio * in_channels,
            )
            for shift in (0, window // 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        rows = x.permute(0, 2, 3, 1)
        for block in self.blocks:
            rows = block(rows)
        return rows.permute(0, 3, 1, 2)


class _SwinBlock(nn.Module):
    """One block of Eq. 3 with channels last: (B, H, W, C) -> (B, H, W, C)."""

    def __init__(self, attention: WindowAttention, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = attention
        self.mlp = (
            nn.Sequential(
                nn.LayerNorm(channels),
                nn.Linear(channels, hidden),
                nn.GELU(),
                nn.Linear(hidden, channels),
            )
            if hidden
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention.of_rows(self.norm1(x))
        return x if self.mlp is None else x + self.mlp(x)


def _parts(side: int, padded: int, shift: int, device: torch.device, *, padding: bool) -> Tensor:
    """Which part of a rolled axis each of its places belongs to, (padded,).

    0 where neighbours were neighbours before the roll, 1 where the roll brought the start of the
    axis behind its end, 2 for added pixels if they are told apart.
    """
    place = (torch.arange(padded, device=device) + shift) % padded  # before the roll
    wrapped = (torch.arange(padded, device=device) >= padded - shift).long()
    return torch.where(place >= side, 2, wrapped) if padding else wrapped
