"""The three object context heads of OCNet: Base-OC, Pyramid-OC and ASP-OC."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.aspp import AtrousBranches
from context_modules.attention import AnyKernel
from context_modules.interlaced import InterlacedSelfAttention, Order
from context_modules.layers import BatchNorm, ConvBNReLU, Transform, leak, positive, resize
from context_modules.self_attention import SelfAttention

Attention = Literal["sa", "isa"]


def object_context_pooling(
    in_channels: int,
    *,
    attention: Attention,
    groups: Sequence[int],
    order: Order,
    mask_padding: bool,
    pad_input: bool,
    **arguments: Any,
) -> SelfAttention | InterlacedSelfAttention:
    """OCP (OCNet, Section 3.2): self-attention or its interlaced form, same width in and out.

    Raises:
        ValueError: for an unknown attention, or as the attention itself.
    """
    if attention == "sa":
        return SelfAttention(in_channels, **arguments)
    if attention == "isa":
        return InterlacedSelfAttention(
            in_channels,
            groups=groups,
            order=order,
            mask_padding=mask_padding,
            pad_input=pad_input,
            **arguments,
        )
    raise ValueError(f"attention is {attention!r}; choose 'sa' or 'isa'")


class BaseOC(nn.Module):
    """Base-OC (Yuan et al., "OCNet", Section 3.4 and Figure 5 b).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    A 3x3 CBR reduces, object context pooling aggregates, its result is concatenated with its input,
    a 1x1 CBR fuses. Defaults are the text's; Table 4 was measured with `query_convs: 1`, and its
    ISA row with values as wide as the map. Figure 4's ratio of ISA to SA includes the fusion, at
    512 channels without the reduction (`reduce: false`).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        context_channels: channels of the reduced map and of its context.
        reduce: leave the 3x3 CBR out with `False`; in_channels must then equal context_channels.
        attention: `sa` (dense) or `isa` (interlaced sparse).
        groups: (P_h, P_w) of `isa`.
        order: stages of `isa`.
        mask_padding: of `isa`, see `context_modules.interlaced`.
        pad_input: likewise.
        key_stride: of `sa`: keys and values are of the map max-pooled by this factor, as in the
            code of Wang et al.
        downsample: factor of the max pooling in front of the object context pooling, whose result
            is upsampled bilinearly, corners aligned; with `sa` and 2 the row "SA-2x" of OCNet's
            Table 3 as its code has it.
        key_channels: see `context_modules.self_attention`, as all that follow.
        value_channels: see there.
        query_convs: see there.
        shared: see there.
        query_transform: see there.
        value_transform: see there.
        output_transform: see there.
        kernel: see there.
        negative_slope: of all ReLUs, see `context_modules.layers.leak`.

    Raises:
        ValueError: for an unknown attention, a key stride of `isa`, or as the attention itself.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        context_channels: int = 512,
        reduce: bool = True,
        attention: Attention = "isa",
        groups: Sequence[int] = (8, 8),
        order: Order = "global_local",
        mask_padding: bool = True,
        pad_input: bool = False,
        key_stride: int = 1,
        downsample: int = 1,
        key_channels: int | None = None,
        value_channels: int | None = None,
        query_convs: int = 2,
        shared: bool = False,
        query_transform: Transform = "cbr",
        value_transform: Transform = "conv",
        output_transform: Transform = "conv",
        kernel: AnyKernel = "explicit",
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels, downsample=downsample)
        self.downsample = downsample
        if not reduce and in_channels != context_channels:
            raise ValueError(
                f"reduce is false but context_channels ({context_channels}) differs from "
                f"in_channels ({in_channels}); make them equal"
            )
        if attention == "isa" and key_stride != 1:
            raise ValueError(f"key_stride is {key_stride}; interlaced attention has none, only sa")
        strided = {"key_stride": key_stride} if key_stride != 1 else {}
        self.reduce = ConvBNReLU(in_channels, context_channels, 3) if reduce else nn.Identity()
        self.context = object_context_pooling(
            context_channels,
            attention=attention,
            groups=groups,
            order=order,
            mask_padding=mask_padding,
            pad_input=pad_input,
            key_channels=key_channels,
            value_channels=value_channels,
            query_convs=query_convs,
            shared=shared,
            query_transform=query_transform,
            value_transform=value_transform,
            output_transform=output_transform,
            kernel=kernel,
            **strided,
        )
        self.fuse = ConvBNReLU(2 * context_channels, out_channels)
        leak(self, negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(self._with_context(self.reduce(x)))  # type: ignore[no-any-return]

    def _with_context(self, x: Tensor) -> Tensor:
        """(B, context_channels, H, W) -> (B, 2 * context_channels, H, W)."""
        if self.downsample == 1:
            return torch.cat([self.context(x), x], dim=1)
        context = self.context(F.max_pool2d(x, self.downsample))
        return torch.cat([resize(context, *x.shape[-2:], align_corners=True), x], dim=1)


class PyramidOC(nn.Module):
    """Pyramid-OC (Yuan et al., "OCNet", Section 3.4, Figure 5 c, Eq. 27 to 29).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    A 3x3 CBR reduces. For each scale k, object context pooling with weights of its own attends
    inside each of k x k regions (Eq. 28). A 1x1 CBR widens the reduced map to as many channels as
    the scales have together; all are concatenated and a 1x1 CBR fuses.

    The transforms of a scale run on the whole map and only the attention is done region by region,
    which is the same function in inference; in training batch norm sees the map, not one region.
    Sides are cut into floor(side / k), the last part takes the rest. With `isa`, a region that P
    does not divide is padded for the attention alone.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        context_channels: channels of the reduced map and of each context.
        scales: regions per side of each branch.
        attention: `sa` (dense) or `isa` (interlaced sparse).
        groups: (P_h, P_w) of `isa`.
        order: stages of `isa`.
        mask_padding: of `isa`, see `context_modules.interlaced`.
        pad_input: likewise.
        key_channels: see `context_modules.self_attention`, as all that follow.
        value_channels: see there.
        query_convs: see there.
        shared: see there.
        query_transform: see there.
        value_transform: see there.
        output_transform: see there.
        kernel: see there.
        negative_slope: of all ReLUs, see `context_modules.layers.leak`.

    Raises:
        ValueError: without scales, for an unknown attention, as the attention itself, and in
            `forward` for a side shorter than the largest scale.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        context_channels: int = 512,
        scales: Sequence[int] = (1, 2, 3, 6),
        attention: Attention = "isa",
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
        output_transform: Transform = "conv",
        kernel: AnyKernel = "explicit",
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels)
        if not scales:
            raise ValueError("scales is empty; give at least one number of regions per side")
        self.reduce = ConvBNReLU(in_channels, context_channels, 3)
        self.contexts = nn.ModuleList(
            object_context_pooling(
                context_channels,
                attention=attention,
                groups=groups,
                order=order,
                mask_padding=mask_padding,
                pad_input=pad_input,
                key_channels=key_channels,
                value_channels=value_channels,
                query_convs=query_convs,
                shared=shared,
                query_transform=query_transform,
                value_transform=value_transform,
                output_transform=output_transform,
                regions=scale,
                kernel=kernel,
            )
            for scale in scales
        )
        self.widen = ConvBNReLU(context_channels, len(scales) * context_channels)
        self.fuse = ConvBNReLU(2 * len(scales) * context_channels, out_channels)
        leak(self, negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(self._with_contexts(self.reduce(x)))  # type: ignore[no-any-return]

    def _with_contexts(self, x: Tensor) -> Tensor:
        """(B, context_channels, H, W) -> (B, 2 * len(scales) * context_channels, H, W), Eq. 29."""
        return torch.cat([*(context(x) for context in self.contexts), self.widen(x)], dim=1)


class ASPOC(nn.Module):
    """ASP-OC (Yuan et al., "OCNet", Section 3.4 and Figure 5 d).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    ASPP with its image-level branch replaced: a 3x3 CBR reduces, object context pooling aggregates.
    Five branches are concatenated and fused by a 1x1 CBR. The text does not shrink the map of the
    object context; Table 4 was measured with it max-pooled by two (`downsample: 2`).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        branch_channels: channels of each branch.
        rates: dilation of the 3x3 branches, in pixels.
        downsample: factor of the max pooling before the object context pooling; its result is
            upsampled bilinearly.
        align_corners: of this upsampling; the released code aligns them.
        norm_last: give the object context batch norm and ReLU behind its upsampling, as the
            released code does, in place of none.
        attention: `sa` (dense) or `isa` (interlaced sparse).
        groups: (P_h, P_w) of `isa`.
        order: stages of `isa`.
        mask_padding: of `isa`, see `context_modules.interlaced`.
        pad_input: likewise.
        key_channels: see `context_modules.self_attention`, as all that follow.
        value_channels: see there.
        query_convs: see there.
        shared: see there.
        query_transform: see there.
        value_transform: see there.
        output_transform: see there.
        kernel: see there.
        negative_slope: of all ReLUs, see `context_modules.layers.leak`.

    Raises:
        ValueError: for rates or a downsampling below 1, an unknown attention, or as the attention.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 256,
        branch_channels: int = 256,
        rates: Sequence[int] = (12, 24, 36),
        downsample: int = 1,
        align_corners: bool = False,
        norm_last: bool = False,
        attention: Attention = "isa",
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
        output_transform: Transform = "conv",
        kernel: AnyKernel = "explicit",
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels, downsample=downsample)
        self.downsample = downsample
        self.align_corners = align_corners
        self.reduce = ConvBNReLU(in_channels, branch_channels, 3)
        self.context = object_context_pooling(
            branch_channels,
            attention=attention,
            groups=groups,
            order=order,
            mask_padding=mask_padding,
            pad_input=pad_input,
            key_channels=key_channels,
            value_channels=value_channels,
            query_convs=query_convs,
            shared=shared,
            query_transform=query_transform,
            value_transform=value_transform,
            output_transform=output_transform,
            kernel=kernel,
        )
        self.atrous = AtrousBranches(in_channels, branch_channels, rates)
        self.norm = (
            nn.Sequential(BatchNorm(branch_channels), nn.ReLU(inplace=True))
            if norm_last
            else nn.Identity()
        )
        self.fuse = ConvBNReLU((len(rates) + 2) * branch_channels, out_channels)
        leak(self, negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(  # type: ignore[no-any-return]
            torch.cat([self._object_context(x), *self.atrous(x)], dim=1)
        )

    def _object_context(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, branch_channels, H, W)."""
        reduced = self.reduce(x)
        if self.downsample > 1:
            reduced = F.max_pool2d(reduced, self.downsample)
        size = x.shape[-2:]
        return self.norm(  # type: ignore[no-any-return]
            resize(self.context(reduced), *size, align_corners=self.align_corners)
        )
