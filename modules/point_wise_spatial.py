"""Point-wise spatial attention (Zhao et al., "PSANet: Point-wise Spatial Attention Network for
Scene Parsing", ECCV 2018)."""

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, one_of

Direction = Literal["collect", "distribute"]
Directions = Literal["collect", "distribute", "both"]
Normalization = Literal["softmax", "mean", "offsets"]
Size = tuple[int, int]


class PSANet(nn.Module):
    """PSANet's head: the PSA module and one 3x3 convolution, (B, C, H, W) -> (B, out, H, W).

    At C = 2048 on a 97x97 map: 33.24 M parameters and 232.6 G MACs with `shrink=2`, 61.75 M and
    671.5 G with `shrink=1`. Arguments, errors and the reading of the paper are those of
    `PointwiseSpatialAttention`.

    Args:
        in_channels: C.
        input_size: (H, W), the largest map that the head will see.
        channels: width of the reduced features.
        out_channels: channels of the result.
        shrink: factor by which the map is reduced before the attention.
        direction: which of the two branches to build.
        normalization: of the attention over the sources of each position.
        compact: predict one value per position instead of one per offset.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        input_size: tuple[int, int],
        channels: int = 512,
        out_channels: int = 512,
        shrink: int = 2,
        direction: Directions = "both",
        normalization: Normalization = "softmax",
        compact: bool = False,
    ) -> None:
        super().__init__()
        self.attention = PointwiseSpatialAttention(
            in_channels,
            input_size=input_size,
            channels=channels,
            shrink=shrink,
            direction=direction,
            normalization=normalization,
            compact=compact,
        )
        self.fuse = ConvBNReLU(2 * in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_channels, H, W)."""
        return cast(Tensor, self.fuse(self.attention(x)))


class PointwiseSpatialAttention(nn.Module):
    """The PSA module: (B, C, H, W) -> (B, 2C, H, W), local beside global features.

    On the map shrunk to N = h * w positions, each branch predicts for every position i an
    over-complete map o_i of (2h-1)(2w-1) values, one for every offset that can occur, and reads the
    h * w of them that point at a position:

        collect:      z_i = sum_j a_ij x_j,   a_ij = o_i[j - i]     i asks the others
        distribute:   z_i = sum_j a_ji x_j,   a_ji = o_j[i - j]     the others tell i
        out = cat(x, upsample(project(cat(z_collect, z_distribute))))

    Both read the same matrix, once along its rows and once along its columns. Per branch the
    over-complete map costs 4 channels N^2 MACs (of which a quarter is read), the aggregation
    channels N^2; memory is 4 N^2 values for the over-complete map and N^2 for the attention.

    What the paper leaves open follows the authors' PyTorch code: reduction at full size and then
    bilinear shrinking to ceil(H / shrink) x ceil(W / shrink) with aligned corners; the projection
    before the upsampling; a softmax over the sources j of each position in both branches, where the
    paper's formula has the factor 1 / N (`normalization="mean"`). Upsampling here goes to the
    input's own size, so that any side will do.

    Args:
        in_channels: C.
        input_size: (H, W), the largest map that the module will see; fixes the number of offsets.
        channels: width of the reduced features; 512 in the paper.
        shrink: factor by which the map is reduced before the attention.
        direction: which of the two branches to build.
        normalization: `softmax` over the sources of each position, or a factor: `mean`, 1 / N of
            the map at hand, as the paper has it, or `offsets`, 1 / ((2h-1)(2w-1)) of the largest
            map, which the released code divides by where it has no softmax.
        compact: predict N values per position directly, without over-complete maps. Position i then
            has its own weights for every j, the branch holds a quarter of the values, and only maps
            of `input_size` fit.

    Raises:
        ValueError: an argument out of its range; in `forward`, a map that `input_size` excludes.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        input_size: tuple[int, int],
        channels: int = 512,
        shrink: int = 2,
        direction: Directions = "both",
        normalization: Normalization = "softmax",
        compact: bool = False,
    ) -> None:
        super().__init__()
        if shrink < 1:
            raise ValueError(f"shrink must be at least 1; got {shrink}")
        one_of("direction", direction, get_args(Directions))
        one_of("normalization", normalization, get_args(Normalization))
        self.input_size = _size(input_size)
        self.shrink = shrink
        self.compact = compact
        size = _shrunk(self.input_size, shrink)
        built = get_args(Direction) if direction == "both" else (direction,)
        self.branches = nn.ModuleDict(
            {
                name: PSABranch(
                    in_channels,
                    channels=channels,
                    size=size,
                    direction=name,
                    normalization=normalization,
                    compact=compact,
                )
                for name in built
            }
        )
        self.project = ConvBNReLU(len(built) * channels, in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 2C, H, W)."""
        self._require_fit(x)
        context: Tensor = self.project(self._contexts(x))  # (B, C, h, w)
        if self.shrink > 1:
            context = _resize(context, (x.shape[2], x.shape[3]))
        return torch.cat([x, context], dim=1)

    def _contexts(self, x: Tensor) -> Tensor:
        size = _shrunk((x.shape[2], x.shape[3]), self.shrink)
        return torch.cat([branch(x, size) for branch in self.branches.values()], dim=1)

    def _require_fit(self, x: Tensor) -> None:
        size = (x.shape[2], x.shape[3])
        if self.compact and size != self.input_size:
            raise ValueError(
                f"a compact PSA module takes maps of its input_size {self.input_size}, not {size}; "
                f"build it with input_size={size}, or with compact=False"
            )
        if size[0] > self.input_size[0] or size[1] > self.input_size[1]:
            raise ValueError(
                f"the map {size} exceeds input_size {self.input_size}, whose offsets the PSA "
                f"module knows; build it with input_size={size}, or predict on crops"
            )


class PSABranch(nn.Module):
    """One branch of the PSA module: (B, C, H, W) -> (B, channels, h, w).

    Args:
        in_channels: C.
        channels: width of the reduced features.
        size: (h, w), the largest shrunk map.
        direction: `collect` or `distribute`.
        normalization: `softmax`, `mean` or `offsets`.
        compact: one value per position instead of one per offset.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int,
        size: Size,
        direction: Direction,
        normalization: Normalization,
        compact: bool,
    ) -> None:
        super().__init__()
        self.size = size
        self.direction = direction
        self.normalization = normalization
        self.compact = compact
        height, width = size
        values = height * width if compact else (2 * height - 1) * (2 * width - 1)
        self.reduce = ConvBNReLU(in_channels, channels)
        self.adapt = nn.Sequential(
            ConvBNReLU(channels, channels), nn.Conv2d(channels, values, 1, bias=False)
        )

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, C, H, W) -> (B, channels, h, w), shrunk to `size`."""
        reduced: Tensor = self.reduce(x)
        if reduced.shape[2:] != size:
            reduced = _resize(reduced, size)
        features = reduced.flatten(2)  # (B, channels, N)
        weights = self._scores(reduced)  # (B, N, N), row i as position i predicts it
        # The owner of a row collects from the positions along it; the owners down a column
        # distribute to its position. The sources are summed over in both.
        sources = 2 if self.direction == "collect" else 1
        if self.normalization == "softmax":
            weights = weights.softmax(dim=sources)
        elif self.normalization == "mean":
            features = features / features.shape[2]
        else:
            features = features / ((2 * self.size[0] - 1) * (2 * self.size[1] - 1))
        sources_first = weights.transpose(1, 2) if sources == 2 else weights
        return torch.matmul(features, sources_first).reshape(reduced.shape)

    def _scores(self, reduced: Tensor) -> Tensor:
        # No local name for the over-complete map, four times the matrix read from it: it goes as
        # soon as that is read.
        if self.compact:
            return cast(Tensor, self.adapt(reduced).flatten(2).transpose(1, 2))
        return pairwise_attention(self.adapt(reduced), self.size)


def pairwise_attention(overcomplete: Tensor, size: Size) -> Tensor:
    """Read the attention between all positions from over-complete maps: a_ij = o_i[j - i].

    The value for the offset (dy, dx) of position i stands in channel
    (dy + H - 1) * (2W - 1) + (dx + W - 1). Every entry of the result is read from one place of the
    input, by a strided copy: no index tensor, no loop, and the same in the backward pass.

    Args:
        overcomplete: (B, (2H-1)(2W-1), h, w) with h <= H and w <= W.
        size: (H, W), the size that the maps are over-complete for.

    Returns:
        (B, N, N) with N = h * w: row i holds what position i says of every position j.
    """
    channels = (2 * size[0] - 1) * (2 * size[1] - 1)
    _, given, height, width = overcomplete.shape
    if given != channels or height > size[0] or width > size[1]:
        raise ValueError(
            f"overcomplete must be (B, {channels}, h, w) with h, w up to {size}; "
            f"got {tuple(overcomplete.shape)}"
        )
    reversed_owners: Tensor = _ReadOffsets.apply(overcomplete, size)  # type: ignore[no-untyped-call]
    del overcomplete  # the last reference, where the caller passed a temporary; flip allocates
    return reversed_owners.flip(1)


class _ReadOffsets(torch.autograd.Function):
    """(B, (2H-1)(2W-1), h, w) -> (B, N, N), a_ij with the rows in reverse order, by a strided copy.

    The reading is injective, but PyTorch cannot see that from strides alone and would differentiate
    `as_strided` through index tensors of 8 bytes for each value of the over-complete map.
    """

    @staticmethod
    def forward(overcomplete: Tensor, size: Size) -> Tensor:
        batch, _, height, width = overcomplete.shape
        read = _reversed_owners(overcomplete.contiguous(), size)
        return read.reshape(batch, height * width, height * width)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Size], output: Tensor) -> None:  # noqa: ARG004
        overcomplete, ctx.size = inputs
        ctx.map_size = (overcomplete.shape[2], overcomplete.shape[3])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        written = _WriteOffsets.apply(gradients[0], ctx.size, ctx.map_size)  # type: ignore[no-untyped-call]
        return cast(Tensor, written), None


class _WriteOffsets(torch.autograd.Function):
    """The adjoint of `_ReadOffsets`: (B, N, N) -> (B, (2H-1)(2W-1), h, w), zero where unread."""

    @staticmethod
    def forward(pairwise: Tensor, size: Size, map_size: Size) -> Tensor:
        batch, (height, width) = pairwise.shape[0], map_size
        channels = (2 * size[0] - 1) * (2 * size[1] - 1)
        overcomplete = pairwise.new_zeros(batch, channels, height, width)
        pairs = pairwise.reshape(batch, height, width, height, width)
        _reversed_owners(overcomplete, size).copy_(pairs)
        return overcomplete

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Size, Size], output: Tensor) -> None:  # noqa: ARG004
        _, ctx.size, _ = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        read = _ReadOffsets.apply(gradients[0], ctx.size)  # type: ignore[no-untyped-call]
        return cast(Tensor, read), None, None


def _reversed_owners(overcomplete: Tensor, size: Size) -> Tensor:
    """A view (B, h, w, h, w) of contiguous over-complete maps: owner (reversed), then the other.

    With i = (y, x) and j = (v, u), a_ij stands in channel (v - y + H - 1)(2W - 1) + u - x + W - 1
    at position y * w + x: linear in y, x, v and u, and so a matter of strides. Those of y and x
    are negative, which PyTorch does not have; both count backwards from the last row and column.
    """
    batch, channels, height, width = overcomplete.shape
    column = height * width  # one step of u: the next channel
    row = (2 * size[1] - 1) * column  # one step of v: the next row of channels
    first = (size[0] - height) * row + (size[1] - width) * column  # of the last i, j = (0, 0)
    return overcomplete.as_strided(
        (batch, height, width, height, width),
        (channels * column, row - width, column - 1, row, column),
        overcomplete.storage_offset() + first + column - 1,
    )


def _resize(x: Tensor, size: Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def _shrunk(size: Size, shrink: int) -> Size:
    return (size[0] - 1) // shrink + 1, (size[1] - 1) // shrink + 1


def _size(input_size: Sequence[int]) -> Size:
    if len(input_size) != 2 or min(input_size) < 1:
        raise ValueError(
            f"input_size must be (height, width), both at least 1; got {tuple(input_size)}"
        )
    return int(input_size[0]), int(input_size[1])
