"""Interlaced sparse self-attention (ISA) of OCNet: two sparse relations approximate a dense one."""

from collections.abc import Sequence
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.attention import AnyKernel, attend, relation
from context_modules.layers import Transform, pair
from context_modules.self_attention import SelfAttention

Order = Literal["global_local", "local_global", "global", "local"]
Scope = Literal["global", "local"]

# Axes of a map cut as (B, C, Q_h, P_h, Q_w, P_w): what stays apart, what attends, the channels.
# Algorithm 1, lines 9 to 11 and 15 to 17, with the channels last as attention wants them.
_SPLIT: dict[Scope, tuple[int, ...]] = {"global": (0, 3, 5, 2, 4, 1), "local": (0, 2, 4, 3, 5, 1)}
_MERGE: dict[Scope, tuple[int, ...]] = {"global": (0, 5, 3, 1, 4, 2), "local": (0, 5, 1, 3, 2, 4)}


class SparseRelation(SelfAttention):
    """One stage of ISA: self-attention inside groups of positions (OCNet, Eq. 12 to 21).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    `global`: the P_h * P_w groups of Eq. 7, positions with the same remainder by (P_h, P_w), spread
    over the whole map. `local`: the Q_h * Q_w groups of Eq. 8, positions with the same quotient,
    neighbours in a P_h x P_w block.

    The transforms run on the map as it is and their results are grouped; since they are 1x1, that
    equals Algorithm 1, which groups first, and padding costs no convolution and does not enter the
    statistics of a batch norm. A side that P does not divide is padded with zeros on both sides to
    the next multiple and cropped afterwards.

    Args:
        in_channels: channels of the input.
        scope: which of the two stages.
        groups: (P_h, P_w).
        mask_padding: keep padded positions out of every softmax. `False` lets them take part with
            a logit and a value of zero.
        out_channels: see `SelfAttention`, as all that follow.
        key_channels: see there.
        value_channels: see there.
        query_convs: see there.
        shared: see there.
        query_transform: see there.
        value_transform: see there.
        output_transform: see there.
        regions: see there.
        kernel: see there.

    Raises:
        ValueError: for groups that are not two positive numbers, or as `SelfAttention`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        scope: Scope = "global",
        groups: Sequence[int] = (8, 8),
        mask_padding: bool = True,
        out_channels: int | None = None,
        key_channels: int | None = None,
        value_channels: int | None = None,
        query_convs: int = 2,
        shared: bool = False,
        query_transform: Transform = "cbr",
        value_transform: Transform = "conv",
        output_transform: Transform | Literal["none"] = "conv",
        regions: int = 1,
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__(
            in_channels,
            out_channels=out_channels,
            key_channels=key_channels,
            value_channels=value_channels,
            query_convs=query_convs,
            shared=shared,
            query_transform=query_transform,
            value_transform=value_transform,
            output_transform=output_transform,
            regions=regions,
            kernel=kernel,
        )
        if scope not in _SPLIT:
            raise ValueError(f"scope is {scope!r}; choose 'global' or 'local'")
        self.scope: Scope = scope
        self.groups = pair("groups", groups)
        self.mask_padding = mask_padding

    def aggregate(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """W delta(X) with the block-diagonal W of Eq. 16 or 20: (B, value_channels, h, w)."""
        height, width = query.shape[-2:]
        mask = self._mask(query)
        # Rebinding frees each map as soon as its grouped copy exists.
        query, key, value = self.split(query), self.split(key), self.split(value)
        rows = attend(query, key, value, scale=self.scale, mask=mask, kernel=self.kernel)
        del query, key, value  # before `merge` copies
        return self.merge(rows, height, width)

    def weights(self, x: Tensor) -> Tensor:
        """W of Eq. 14, (B, groups, members, members); padded positions are members too."""
        query = self.query(x)
        return relation(
            self.split(query), self.split(self.key(x)), scale=self.scale, mask=self._mask(query)
        )

    def split(self, x: Tensor) -> Tensor:
        """Permute and Divide (Eq. 12, 13, 18, 19): (B, C, h, w) -> (B, groups, members, C)."""
        (p_h, p_w), (top, bottom, left, right) = self.groups, self.padding(*x.shape[-2:])
        if top or bottom or left or right:
            x = F.pad(x, (left, right, top, bottom))
        batch, channels, height, width = x.shape
        cut = x.reshape(batch, channels, height // p_h, p_h, width // p_w, p_w)
        return cut.permute(_SPLIT[self.scope]).flatten(3, 4).flatten(1, 2)

    def merge(self, rows: Tensor, height: int, width: int) -> Tensor:
        """Merge and undo the permutation (Eq. 17, 21): (B, groups, members, C) -> (B, C, h, w)."""
        (p_h, p_w), (top, bottom, left, right) = self.groups, self.padding(height, width)
        p = (p_h, p_w)
        q = ((height + top + bottom) // p_h, (width + left + right) // p_w)
        apart, inside = (p, q) if self.scope == "global" else (q, p)
        cut = rows.reshape(rows.shape[0], *apart, *inside, rows.shape[3])
        cut = cut.permute(_MERGE[self.scope])  # (B, C, Q_h, P_h, Q_w, P_w)
        whole = cut.flatten(4, 5).flatten(2, 3)  # (B, C, Q_h * P_h, Q_w * P_w)
        return whole[..., top : top + height, left : left + width]

    def padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Pixels added at the top, bottom, left, right; an odd one goes to the bottom or right."""
        vertical, horizontal = -height % self.groups[0], -width % self.groups[1]
        top, left = vertical // 2, horizontal // 2
        return top, vertical - top, left, horizontal - left

    def _mask(self, x: Tensor) -> Tensor | None:
        """Keys that are pixels, (1, groups, 1, members); `None` where there is nothing to mask."""
        if not self.mask_padding or not any(self.padding(*x.shape[-2:])):
            return None
        pixels = x.new_ones((1, 1, *x.shape[-2:]))
        keys = self.split(pixels).bool().transpose(-2, -1)
        # A group may hold padding alone, where a side is shorter than P. Its result is cropped, but
        # a softmax over nothing is NaN, at which anomaly detection stops: let it see itself.
        return keys | ~keys.any(dim=-1, keepdim=True)


class InterlacedSelfAttention(nn.Module):
    """Interlaced sparse self-attention (Yuan et al., "OCNet", Eq. 5 to 9, 12 to 21, Algorithm 1).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    A global relation stage, then a local one, each a self-attention of its own weights inside small
    groups. Together every position reaches every other where P divides the sides: W = W^l P^T W^g P
    (Eq. 9); a group cut off by a padded border relays fewer remainders. Cost (Eq. 26, N = H * W):
    N^2 * (key_channels + value_channels) * (1 / (P_h P_w) + 1 / (Q_h Q_w)) multiply-accumulates
    beside the 1x1 convolutions; least at P_h P_w = sqrt(N).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; `None` means in_channels.
        groups: (P_h, P_w), the numbers of groups of the global stage along height and width.
        order: which stages, in which order (Table 1 of the paper).
        mask_padding: keep padded positions out of every softmax, see `SparseRelation`.
        pad_input: pad the input instead, once, as the released code does where P does not divide a
            side: padding then passes every transform, takes part in every softmax and in the
            statistics of batch norm, and costs as the pixels do (21.78 for 19.20 GMAC at 97x97).
        key_channels: channels of theta and phi; `None` means half of the stage's input.
        value_channels: channels of delta; `None` means half of the stage's input.
        query_convs: 1x1 convolutions in each of theta and phi.
        shared: use one transform as theta and phi.
        query_transform: kind of the convolutions of theta and phi.
        value_transform: kind of delta.
        output_transform: kind of rho.
        regions: do all this inside each of regions x regions parts of the map.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.

    Raises:
        ValueError: for an unknown order, or as `SparseRelation`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int | None = None,
        groups: Sequence[int] = (8, 8),
        order: Order = "global_local",
        mask_padding: bool = True,
        pad_input: bool = False,
        key_channels: int | None = None,
        value_channels: int | None = None,
        query_convs: int = 2,
        shared: bool = False,
        query_transform: Transform = "cbr",
        value_transform: Transform = "conv",
        output_transform: Transform | Literal["none"] = "conv",
        regions: int = 1,
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        if order not in _SCOPES:
            raise ValueError(f"order is {order!r}; choose one of {', '.join(map(repr, _SCOPES))}")
        if pad_input and regions != 1:
            raise ValueError("pad_input pads the whole map; leave regions at 1 or pad_input out")
        self.order: Order = order
        self.pad_input = pad_input
        out = in_channels if out_channels is None else out_channels
        stages = [
            SparseRelation(
                in_channels if index == 0 else out,
                scope=scope,
                groups=groups,
                mask_padding=mask_padding,
                out_channels=out,
                key_channels=key_channels,
                value_channels=value_channels,
                query_convs=query_convs,
                shared=shared,
                query_transform=query_transform,
                value_transform=value_transform,
                output_transform=output_transform,
                regions=regions,
                kernel=kernel,
            )
            for index, scope in enumerate(_SCOPES[order])
        ]
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        if not self.pad_input:
            return self._staged(x)
        height, width = x.shape[-2:]
        first = cast(SparseRelation, self.stages[0])
        top, bottom, left, right = first.padding(height, width)
        padded = self._staged(F.pad(x, (left, right, top, bottom)))
        return padded[..., top : top + height, left : left + width]

    def _staged(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


_SCOPES: dict[str, tuple[Scope, ...]] = {
    "global_local": ("global", "local"),
    "local_global": ("local", "global"),
    "global": ("global",),
    "local": ("local",),
}
