"""HRNetV2: parallel branches of four resolutions, fused again and again."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU
from context_modules.published import load_weights
from context_modules.resnet import BasicBlock, Block, Bottleneck

_SAME = Block()
# Exchange units per stage 2, 3, 4 (Sun et al. 2019, section 3.2: 1, 4, 3) and residual units per
# branch of each (4).
_UNITS = (1, 4, 3)
_BLOCKS = 4


class HighResolutionModule(nn.Module):
    """One exchange unit: residual blocks in every branch, then every branch to every branch.

    Source: Sun et al. 2019, Figure 3; a branch goes up by a 1x1 and bilinear interpolation, and
    down by 3x3 convolutions of stride 2, one per factor of two.

    Args:
        channels: of each branch, from the highest resolution to the lowest.
        align_corners: of the interpolation.
    """

    def __init__(self, channels: Sequence[int], *, align_corners: bool = False) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(c, c, _SAME) for _ in range(_BLOCKS))) for c in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps of (B, channels[i], H / 2^i, W / 2^i) -> maps of the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self._fuse(maps, target) for target in range(len(maps))]

    def _fuse(self, maps: list[Tensor], target: int) -> Tensor:
        layers = self.fuse_layers[target]
        assert isinstance(layers, nn.ModuleList)
        size = maps[target].shape[-2:]
        fused: Tensor | None = None
        for source, (layer, x) in enumerate(zip(layers, maps, strict=True)):
            term = layer(x)
            if source > target:
                term = _resize(term, size, self.align_corners)
            fused = term if fused is None else fused + term
        assert fused is not None
        # With two branches or more, `fused` is a sum and so no branch's own storage.
        return self.relu(fused)  # type: ignore[no-any-return]


class HRNet(nn.Module):
    """HRNetV2 without its classifier.

    Source: Sun et al. 2019 ("High-Resolution Representations for Labeling Pixels and Regions"),
    Figures 2 to 4. Parameter names are those of the published implementation for semantic
    segmentation (conv1, layer1, transition1, stage2, ...).

    Shapes: (B, in_channels, H, W) -> (B, 15 * width, H / 4, W / 4), rounded up; width 48 gives 720
    channels. The branches have width, 2, 4 and 8 times width channels at strides 4, 8, 16 and 32;
    the last step upsamples all of them to stride 4 and concatenates.

    Args:
        in_channels: channels of the image.
        width: channels of the branch of highest resolution (18, 32 or 48 in the paper).
        align_corners: of every interpolation; the published weights for Cityscapes exist in both
            kinds.
        weights: a file for `context_modules.published.load_weights`.

    Raises:
        ValueError: `width` is not positive, or the weights do not fit.
    """

    # Names in published weights: the ImageNet head, and the segmentation head.
    classifier_names = (
        "incre_modules.",
        "downsamp_modules.",
        "final_layer.",
        "classifier.",
        "last_layer.",
    )
    output_stride = 4

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 48,
        align_corners: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width: {width} must be positive; the paper has 18, 32 and 48")
        self.align_corners = align_corners
        self.conv1 = nn.Conv2d(in_channels, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64, _SAME), *(Bottleneck(256, 64, _SAME) for _ in range(3))
        )
        widths = [width * 2**i for i in range(4)]
        self.transition1 = _transition([256], widths[:2])
        self.stage2 = self._stage(widths[:2], _UNITS[0])
        self.transition2 = _transition(widths[:2], widths[:3])
        self.stage3 = self._stage(widths[:3], _UNITS[1])
        self.transition3 = _transition(widths[:3], widths)
        self.stage4 = self._stage(widths, _UNITS[2])
        self.out_channels = sum(widths)
        self.feature_channels = (self.out_channels,)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if weights is not None:
            load_weights(self, weights)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, 15 * width, H / 4, W / 4)."""
        x = self.relu(self.bn1(self.conv1(x)))  # (B, 64, H/2, W/2)
        x = self.relu(self.bn2(self.conv2(x)))  # (B, 64, H/4, W/4)
        x = self.layer1(x)  # (B, 256, H/4, W/4)
        maps = self.stage2(_widen(self.transition1, [x]))
        del x
        maps = self.stage3(_widen(self.transition2, maps))
        maps = self.stage4(_widen(self.transition3, maps))
        size = maps[0].shape[-2:]
        return torch.cat([maps[0], *(_resize(m, size, self.align_corners) for m in maps[1:])], 1)

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """The one map of `forward`: OCNet (section 4.2) puts the auxiliary loss on it too."""
        return (self(x),)

    def _stage(self, widths: Sequence[int], units: int) -> nn.Sequential:
        return nn.Sequential(
            *(HighResolutionModule(widths, align_corners=self.align_corners) for _ in range(units))
        )


def _exchange(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """From branch `source` to branch `target`, interpolation left out."""
    if source == target:
        return nn.Identity()
    if source > target:
        return ConvBNReLU(channels[source], channels[target], relu=False)
    steps = [
        ConvBNReLU(channels[source], channels[source], 3, stride=2)
        for _ in range(target - source - 1)
    ]
    return nn.Sequential(
        *steps, ConvBNReLU(channels[source], channels[target], 3, stride=2, relu=False)
    )


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Change the widths of the branches that exist and open one more at half the resolution."""
    layers: list[nn.Module] = [
        nn.Identity() if old == new else ConvBNReLU(old, new, 3)
        for old, new in zip(before, after, strict=False)
    ]
    layers.append(nn.Sequential(ConvBNReLU(before[-1], after[-1], 3, stride=2)))
    return nn.ModuleList(layers)


def _widen(transition: nn.ModuleList, maps: list[Tensor]) -> list[Tensor]:
    """Every branch through its own layer; the new one starts from the lowest resolution."""
    return [layer(x) for layer, x in zip(transition, [*maps, maps[-1]], strict=True)]


def _resize(x: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)
