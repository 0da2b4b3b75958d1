"""ResNet and ResNeXt with dilated stages: the backbone of the papers reproduced here."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from torch import Tensor, nn

from context_modules.layers import one_of
from context_modules.published import load_weights

Stem = Literal["7x7", "3x3"]
FirstDilation = Literal["before", "stage"]


class Block(NamedTuple):
    """Where a residual block strides and how far apart its 3x3 taps are, in pixels.

    Attributes:
        stride: of the first 3x3 convolution and of the shortcut.
        dilation: of the first 3x3 convolution.
        second_dilation: of the second one, which basic blocks have; it sees the map after the
            stride, so it differs where a removed stride begins.
    """

    stride: int = 1
    dilation: int = 1
    second_dilation: int = 1


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, Figure 5 left): in -> planes."""

    expansion = 1

    def __init__(
        self, in_channels: int, planes: int, block: Block, *, groups: int = 1, base_width: int = 64
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("groups and width_per_group need bottleneck blocks: take depth >= 50")
        self.conv1 = _conv3x3(in_channels, planes, block)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _conv3x3(planes, planes, Block(dilation=block.second_dilation))
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, planes, block.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, planes, H / stride, W / stride), rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)  # in a line of its own, so that its input is released before bn2
        out = self.bn2(out)
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut (He et al. 2016, Figure 5 right): in -> 4 * planes.

    The 3x3 carries the stride, as in the weights that are published for PyTorch; the paper strides
    in the first 1x1. With `groups` > 1 it is ResNeXt's block (Xie et al. 2017, Figure 3c).
    """

    expansion = 4

    def __init__(
        self, in_channels: int, planes: int, block: Block, *, groups: int = 1, base_width: int = 64
    ) -> None:
        super().__init__()
        width = planes * base_width // 64 * groups
        out_channels = planes * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, block, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, block.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, 4 * planes, H / stride, W / stride), rounded up."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)  # in a line of its own, so that its input is released before bn2
        out = self.relu(self.bn2(out))
        out = self.conv3(out)
        out = self.bn3(out)
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


# Blocks per stage (He et al. 2016, Table 1).
DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
_PLANES = (64, 128, 256, 512)


class ResNet(nn.Module):
    """Residual network without its classifier, at output stride 8, 16 or 32.

    Source: He et al. 2016; the deep stem of three 3x3 convolutions (64, 64, 128) and the dilated
    last stages are PSPNet's (Zhao et al. 2017); multi-grid is DeepLabv3's (Chen et al. 2017,
    section 3.2.1); ResNeXt's groups are Xie et al. 2017.

    Shapes: (B, in_channels, H, W) -> (B, out_channels, H / output_stride, W / output_stride),
    rounded up. `features` gives the maps of all four stages.

    Parameter names are those of the weights published with torchvision: with the 7x7 stem, all
    names and shapes are equal, without `fc`. The deep stem is one `Sequential` named `conv1`, as
    the published deep-stem weights call it, followed by `bn1`. Each block owns one ReLU that it
    calls two or three times; a counter that keeps the last call (torchstat) sees it once.

    Dilation: a stage whose stride is removed keeps the sampling of the weights that were trained
    with it. What stood before the stride has the dilation of the stage before, all else twice as
    much (output stride 8: layer3 1, 2, 2, ...; layer4 2, 4, 4), so that every second position
    holds what the strided stage gave. The released code of PSPNet, PSANet, OCNet, CCNet and SRNet
    gives all blocks of a stage its own dilation instead (`first_dilation="stage"`: layer3 2, 2,
    ...; layer4 4, 4, 4), also from weights trained otherwise. A multi-grid multiplies the stage's
    own dilation block by block: (1, 2, 4) gives 4, 8, 16 in layer4 at output stride 8.

    Cost: ResNet-50, deep stem, output stride 8, 768x768 (SRNet, Table 3, "dilated FCN"):
    240.186 GMAC in convolutions, 23.632 M parameters, live peak 252 MiB beside 90 MiB of
    parameters (the residual sum of layer4's first block).

    Attributes:
        feature_channels: channels of the maps that `features` gives.
        out_channels: channels of the last of them.
        output_stride: as in the arguments.
        classifier_names: parameters of published weights that this network leaves out.

    Args:
        in_channels: channels of the image.
        depth: number of weighted layers, a key of `DEPTHS`.
        stem: `7x7` or the deep `3x3`; both have stride 2 and are followed by a 3x3 max pooling.
        output_stride: pixels of the image per position of the last map: 8, 16 or 32.
        multi_grid: one factor per block of layer4, or none for the pattern above; (4, 8, 16) gives
            RANet's 16, 32, 64.
        first_dilation: of what stood before a removed stride: that of the stage `before`, or of its
            own `stage`.
        ceil_pool: whether the stem's pooling rounds sizes up, as in the released code of OCNet,
            CCNet and RANet; odd sizes alone differ.
        groups: blocks of the 3x3 convolutions (32 in ResNeXt-101 32x4d).
        width_per_group: channels per group in layer1 (4 in ResNeXt-101 32x4d).
        weights: a file for `context_modules.published.load_weights`.

    Raises:
        ValueError: the weights do not fit, or an argument is outside of what is listed here.
    """

    classifier_names = ("fc.",)

    def __init__(
        self,
        in_channels: int = 3,
        *,
        depth: int = 50,
        stem: Stem = "7x7",
        output_stride: int = 32,
        multi_grid: Sequence[int] = (),
        first_dilation: FirstDilation = "before",
        ceil_pool: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth: {depth} is unknown; take one of {sorted(DEPTHS)}")
        block, counts = DEPTHS[depth]
        one_of("first_dilation", first_dilation, get_args(FirstDilation))
        plans = stage_plans(counts, output_stride, tuple(multi_grid), first_dilation)
        if stem == "7x7":
            channels = 64
            self.conv1: nn.Module = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        elif stem == "3x3":
            channels = 128
            self.conv1 = _deep_stem(in_channels)
        else:
            raise ValueError(f"stem: {stem!r} is unknown; take '7x7' or '3x3'")
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_pool)
        self.feature_channels = tuple(planes * block.expansion for planes in _PLANES)
        stages = []
        for planes, plan in zip(_PLANES, plans, strict=True):
            blocks = []
            for placed in plan:
                blocks.append(
                    block(channels, planes, placed, groups=groups, base_width=width_per_group)
                )
                channels = planes * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.out_channels = channels
        self.output_stride = output_stride
        _initialise(self)
        if weights is not None:
            load_weights(self, weights)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> the map of layer4; earlier maps are released on the way."""
        x = self._stem(x)  # (B, 64 or 128, H/4, W/4)
        x = self.layer1(x)  # (B, 256, H/4, W/4) with bottlenecks
        x = self.layer2(x)  # (B, 512, H/8, W/8)
        x = self.layer3(x)  # (B, 1024, H/16, W/16), or H/8 at output stride 8
        return self.layer4(x)  # type: ignore[no-any-return]  # (B, 2048, H/output_stride, ...)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The maps of layer1 to layer4, `feature_channels` wide, for auxiliary heads and FPN."""
        c2 = self.layer1(self._stem(x))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)

    def _stem(self, x: Tensor) -> Tensor:
        return self.maxpool(self.relu(self.bn1(self.conv1(x))))  # type: ignore[no-any-return]


def stage_plans(
    counts: Sequence[int],
    output_stride: int,
    multi_grid: tuple[int, ...] = (),
    first_dilation: FirstDilation = "before",
) -> tuple[tuple[Block, ...], ...]:
    """Stride and dilation of every block of layer1 to layer4 (see `ResNet`).

    Raises:
        ValueError: `output_stride` is not 8, 16 or 32, or `multi_grid` does not fit layer4.
    """
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride: {output_stride} is not one of 8, 16, 32")
    if multi_grid and (len(multi_grid) != counts[-1] or min(multi_grid) < 1):
        raise ValueError(
            f"multi_grid: {list(multi_grid)} must hold {counts[-1]} positive factors, "
            "one per block of layer4"
        )
    plans = []
    reached, dilation = 4, 1
    for stage, count in enumerate(counts):
        before = dilation
        strides = stage > 0 and reached < output_stride
        if strides:
            reached *= 2
        elif stage > 0:
            dilation *= 2
        first = Block(
            2 if strides else 1, dilation if first_dilation == "stage" else before, dilation
        )
        blocks = [first] + [Block(1, dilation, dilation)] * (count - 1)
        if multi_grid and stage == len(counts) - 1:
            blocks = [
                Block(block.stride, dilation * factor, dilation * factor)
                for block, factor in zip(blocks, multi_grid, strict=True)
            ]
        plans.append(tuple(blocks))
    return tuple(plans)


def _conv3x3(in_channels: int, out_channels: int, block: Block, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        out_channels,
        3,
        stride=block.stride,
        padding=block.dilation,
        dilation=block.dilation,
        groups=groups,
        bias=False,
    )


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The 1x1 shortcut, where channels or size change (He et al. 2016, option B)."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def _deep_stem(in_channels: int) -> nn.Sequential:
    """PSPNet's stem without its last norm: in -> 64, 64, 128 at half the size."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 128, 3, padding=1, bias=False),
    )


def _initialise(network: nn.Module) -> None:
    """He et al. 2015, Eq. 10, over the outputs; batch norms start as the identity by default."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
