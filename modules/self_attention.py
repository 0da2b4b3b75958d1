"""Self-attention over the positions of a map, as OCNet and its baselines use it."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.attention import AnyKernel, attend, relation
from context_modules.layers import (
    Transform,
    flatten_positions,
    pointwise,
    positive,
    unflatten_positions,
)

Residual = Literal["none", "plain", "scaled"]
"""What joins the context: nothing, the input, or the input while a learned gamma scales it."""


class SelfAttention(nn.Module):
    """Dense relation by self-attention (Yuan et al., "OCNet", Eq. 10 and 11).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

        W = softmax(theta(X) phi(X)^T / sqrt(d))      Eq. 10    (N, N), N = H * W
        Z = rho(W delta(X))                           Eq. 11    (N, out_channels)

    Cost: N^2 * (key_channels + value_channels) multiply-accumulates beside the 1x1 convolutions,
    and two N x N tables at the peak with the explicit kernel (logits and softmax).

    Defaults are the paper's text: theta and phi are two 1x1 CBR each, delta and rho one 1x1
    convolution each, and all but rho halve the channels. The text does not say whether delta and
    rho have a bias; they have none here. OCNet's Table 4 was measured with `query_convs: 1` in its
    Base-OC rows. The other arguments express the forms that the compared papers give the same
    mechanism (Non-local, DANet's position attention, the non-local block of SRNet).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; `None` means in_channels.
        key_channels: d, channels of theta and phi; `None` means in_channels / 2.
        value_channels: channels of delta; `None` means in_channels / 2.
        query_convs: 1x1 convolutions in each of theta and phi.
        shared: use one transform as theta and phi.
        query_transform: kind of the convolutions of theta and phi.
        value_transform: kind of delta.
        output_transform: kind of rho; `none` leaves it out, and value_channels must then equal
            out_channels.
        scaled: divide the logits by sqrt(d).
        residual: `plain` adds the input, `scaled` adds it to gamma times the context, gamma a
            learned scalar that starts at 0.
        regions: attend inside each of regions x regions parts of the map (OCNet, Eq. 27 and 28);
            transforms are shared. A part has floor(side / regions), the last one takes the rest.
        key_stride: max-pool the map of keys and values by this factor (Wang et al. 2018,
            Section 3.3).
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.

    Raises:
        ValueError: for sizes below 1, or arguments that exclude each other.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int | None = None,
        key_channels: int | None = None,
        value_channels: int | None = None,
        query_convs: int = 2,
        shared: bool = False,
        query_transform: Transform = "cbr",
        value_transform: Transform = "conv",
        output_transform: Transform | Literal["none"] = "conv",
        scaled: bool = True,
        residual: Residual = "none",
        regions: int = 1,
        key_stride: int = 1,
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        out = in_channels if out_channels is None else out_channels
        keys = in_channels // 2 if key_channels is None else key_channels
        values = in_channels // 2 if value_channels is None else value_channels
        positive(
            in_channels=in_channels, out_channels=out, key_channels=keys, value_channels=values,
            query_convs=query_convs, regions=regions, key_stride=key_stride,
        )  # fmt: skip
        check_widths(
            in_channels=in_channels,
            out=out,
            values=values,
            output_transform=output_transform,
            residual=residual,
        )
        if regions > 1 and key_stride > 1:
            raise ValueError("regions and key_stride exclude each other; leave one of them at 1")
        self.scale = None if scaled else 1.0
        self.regions = regions
        self.key_stride = key_stride
        self.kernel: AnyKernel = kernel
        self.query = _chain(in_channels, keys, query_convs, query_transform)  # theta
        self.key = (  # phi
            self.query if shared else _chain(in_channels, keys, query_convs, query_transform)
        )
        self.value = pointwise(in_channels, values, value_transform)  # delta
        self.output = (  # rho
            nn.Identity()
            if output_transform == "none"
            else pointwise(values, out, output_transform)
        )
        self.residual = residual
        self.gamma = nn.Parameter(torch.zeros(1)) if residual == "scaled" else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        source = x if self.key_stride == 1 else F.max_pool2d(x, self.key_stride)
        # Query, key and value are handed over, not kept: they are freed before rho allocates.
        combine = self.aggregate if self.regions == 1 else self._by_region
        z = self.output(
            combine(
                self._laid_out(self.query(x)),
                self._laid_out(self.key(source)),
                self._laid_out(self.value(source)),
            )
        )
        return add_residual(z, x, self.residual, self.gamma)

    def _laid_out(self, x: Tensor) -> Tensor:
        """Channels last for kernels that read rows: one map is copied at a time."""
        if self.kernel == "explicit" or self.regions > 1:
            return x
        return x.contiguous(memory_format=torch.channels_last)

    def aggregate(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Context of every position of a region: W delta(X) as a map (B, value_channels, h, w)."""
        height, width = query.shape[-2:]
        rows = attend(
            flatten_positions(query),  # (B, h*w, key_channels)
            flatten_positions(key),
            flatten_positions(value),  # (B, h*w, value_channels)
            scale=self.scale,
            kernel=self.kernel,
        )
        return unflatten_positions(rows, height, width)

    def weights(self, x: Tensor) -> Tensor:
        """The relation matrix W of Eq. 10, (B, H*W, keys); needs regions 1."""
        source = x if self.key_stride == 1 else F.max_pool2d(x, self.key_stride)
        return relation(
            flatten_positions(self.query(x)), flatten_positions(self.key(source)), scale=self.scale
        )

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Elements of the relation matrices W of Eq. 10 that one forward holds, batch 1.

        (H W)^2 for `regions: 1` and `key_stride: 1`, as SRNet's Table 1 has it for Non-local. A
        matrix counts once, though its logits stand beside it for a moment. The other kernels hold
        none.

        Args:
            input_shape: (B, in_channels, H, W).
        """
        if self.kernel != "explicit":
            return 0
        height, width = input_shape[-2:]
        if self.regions == 1:
            stride = self.key_stride
            return height * width * (height // stride) * (width // stride)
        squares = [
            sum((part.stop - part.start) ** 2 for part in region_slices(side, self.regions))
            for side in (height, width)
        ]
        return int(squares[0] * squares[1])

    def _by_region(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """`aggregate` inside each region; a row's regions of one size go through as a batch."""
        height, width = query.shape[-2:]
        step = width // self.regions
        equal = width - width % self.regions
        bands = []
        for rows in region_slices(height, self.regions):
            band = [m[..., rows, :] for m in (query, key, value)]
            if equal == width:
                bands.append(self._side_by_side(band, step))
                continue
            # The last region takes the rest of the row, so only those before it are of one size.
            head = self._side_by_side([m[..., : equal - step] for m in band], step)
            last = self.aggregate(*(m[..., equal - step :] for m in band))
            bands.append(torch.cat([head, last], dim=-1))
        return torch.cat(bands, dim=-2)

    def _side_by_side(self, maps: Sequence[Tensor], step: int) -> Tensor:
        """Regions `step` wide of (B, C, h, n * step) maps as one batch of n * B, and back."""
        count, batch = maps[0].shape[-1] // step, maps[0].shape[0]
        cut = [m.unflatten(-1, (count, step)).movedim(-2, 0).flatten(0, 1) for m in maps]
        joined: Tensor = self.aggregate(*cut).unflatten(0, (count, batch))  # (n, B, C', h, step)
        return joined.movedim(0, -2).flatten(-2)


def region_slices(side: int, regions: int) -> list[slice]:
    """Cut a side into `regions` parts of floor(side / regions); the last takes the rest.

    Raises:
        ValueError: when the side has fewer pixels than there are regions.
    """
    step = side // regions
    if step == 0:
        raise ValueError(
            f"a side of {side} pixels cannot be cut into {regions} regions; "
            "use fewer regions or a larger map"
        )
    starts = [index * step for index in range(regions)]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], side], strict=True)]


def add_residual(z: Tensor, x: Tensor, residual: Residual, gamma: Tensor | None) -> Tensor:
    """z, x + z, or x + gamma * z; the last in one step, without a scaled copy of z."""
    if gamma is not None:
        return torch.addcmul(x, z, gamma)
    return x + z if residual == "plain" else z


def _chain(in_channels: int, channels: int, convs: int, transform: Transform) -> nn.Module:
    """`convs` consecutive 1x1 convolutions, the first of which reduces."""
    widths = [in_channels] + [channels] * (convs - 1)
    layers = [pointwise(width, channels, transform) for width in widths]
    return layers[0] if convs == 1 else nn.Sequential(*layers)


def check_widths(
    *, in_channels: int, out: int, values: int, output_transform: str, residual: str
) -> None:
    """Check that an attention without output transform, or with a residual, fits its input.

    Raises:
        ValueError: naming the argument.
    """
    if output_transform == "none" and values != out:
        raise ValueError(
            f"output_transform is 'none' but value_channels ({values}) differs from the channels "
            f"of the output ({out}); make them equal or choose an output transform"
        )
    if residual not in ("none", "plain", "scaled"):
        raise ValueError(f"residual is {residual!r}; choose 'none', 'plain' or 'scaled'")
    if residual != "none" and out != in_channels:
        raise ValueError(
            f"residual needs out_channels ({out}) equal to in_channels ({in_channels})"
        )
