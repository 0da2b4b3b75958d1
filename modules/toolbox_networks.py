"""Networks as toolboxes publish them, whose counted costs stand in their tables.

Backbones and heads are those of this package. What published networks have beyond `Segmentor`,
which the papers' tables were counted with, is put on here: other stems, classifiers of images, and
auxiliary heads of another width that are evaluated, too.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from torch import Tensor, nn

from context_modules.context import build_context
from context_modules.hrnet import HRNet
from context_modules.layers import ConvBNReLU, add_biases, positive
from context_modules.resnet import BasicBlock, Block, Bottleneck, ResNet
from context_modules.segmentor import Segmentor, build_backbone

_HEAD_PLANES = (32, 64, 128, 256)  # of HRNet's classifier, at strides 4, 8, 16 and 32
_HEAD_CHANNELS = 2048


class ImageClassifier(nn.Module):
    """Residual network, mean over the map, one linear layer.

    (B, in_channels, H, W) -> (B, classes).

    Source: He et al. 2016, Table 1; the blocks of Squeeze-and-Excitation networks (Hu et al. 2018,
    Figure 3) and their kin by `block`.

    Args:
        in_channels: channels of the image.
        backbone: a residual network of `context_modules.segmentor.BACKBONES`.
        backbone_arguments: its arguments; the 7x7 stem and output stride 32 if absent.
        stem_channels: see `replace_stem`.
        average_shortcuts: see `average_before_shortcuts`.
        block: a module of the catalog behind the last norm of every residual branch, or `None`.
        block_arguments: its keyword arguments.
        classes: categories.

    Raises:
        ValueError: the backbone is no residual network, or an argument does not fit.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        backbone: str = "resnet50",
        backbone_arguments: Mapping[str, Any] | None = None,
        stem_channels: Sequence[int] | None = None,
        average_shortcuts: bool = False,
        block: str | None = None,
        block_arguments: Mapping[str, Any] | None = None,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        positive(classes=classes)
        plain = {"stem": "7x7", "output_stride": 32}
        network = build_backbone(backbone, in_channels, {**plain, **(backbone_arguments or {})})
        self.backbone = _residual(network)
        if stem_channels is not None:
            replace_stem(self.backbone, in_channels, stem_channels)
        if average_shortcuts:
            average_before_shortcuts(self.backbone)
        if block is not None:
            _behind_last_norms(self.backbone, block, block_arguments or {})
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.backbone.out_channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, classes)."""
        return self.fc(self.pool(self.backbone(x)).flatten(1))  # type: ignore[no-any-return]


def replace_stem(network: ResNet, in_channels: int, channels: Sequence[int]) -> None:
    """Give a residual network three 3x3 convolutions of these widths in place of its stem.

    32, 32, 64 is mmsegmentation's ResNetV1c and the "C" of He et al. 2019 ("Bag of Tricks",
    Figure 2); PSPNet's own, 64, 64, 128, is `ResNet(stem="3x3")`.

    Raises:
        ValueError: there are not three, or the last is not what the first block reads.
    """
    first, second, third = _three(channels)
    read = network.bn1.num_features
    if third != read:
        raise ValueError(
            f"stem_channels ends with {third}, and layer1 reads {read}; "
            "start from the 7x7 stem (64) or the 3x3 stem (128)"
        )
    network.conv1 = nn.Sequential(
        *ConvBNReLU(in_channels, first, 3, stride=2),
        *ConvBNReLU(first, second, 3),
        nn.Conv2d(second, third, 3, padding=1, bias=False),
    )


def _three(channels: Sequence[int]) -> tuple[int, int, int]:
    if len(channels) != 3 or min(channels) < 1:
        raise ValueError(f"stem_channels is {list(channels)}; give three positive numbers")
    return channels[0], channels[1], channels[2]


def average_before_shortcuts(network: ResNet) -> None:
    """Let shortcuts that stride average 2 x 2 positions and not stride ("D" of He et al. 2019)."""
    for block in network.modules():
        if not isinstance(block, (BasicBlock, Bottleneck)) or block.downsample is None:
            continue
        projection, norm = block.downsample
        assert isinstance(projection, nn.Conv2d)
        if projection.stride != (1, 1):
            projection.stride = (1, 1)
            pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
            block.downsample = nn.Sequential(pool, projection, norm)


def _behind_last_norms(network: ResNet, name: str, arguments: Mapping[str, Any]) -> None:
    for block in network.modules():
        if isinstance(block, (BasicBlock, Bottleneck)):
            last = "bn3" if isinstance(block, Bottleneck) else "bn2"
            norm = getattr(block, last)
            added = build_context(name, norm.num_features, None, arguments)
            setattr(block, last, nn.Sequential(norm, added))


def _residual(network: nn.Module) -> ResNet:
    if not isinstance(network, ResNet):
        raise ValueError(f"backbone: a residual network is needed, not {type(network).__name__}")
    return network


class HRNetClassifier(HRNet):
    """HRNet-W{width}-C, the classifier of images: (B, in_channels, H, W) -> (B, classes).

    Source: Sun et al. 2019, appendix on ImageNet classification: every branch is widened by a
    bottleneck (128, 256, 512 and 1024 channels), each goes down to the next by a 3x3 of stride 2
    and is added to it; a 1x1 to 2048 channels, the mean over the map, one linear layer. Parameter
    names are those of the published implementation.

    Args:
        in_channels: channels of the image.
        width: channels of the branch of highest resolution.
        classes: categories.

    Raises:
        ValueError: an argument is not positive.
    """

    def __init__(self, in_channels: int = 3, *, width: int = 48, classes: int = 1000) -> None:
        super().__init__(in_channels, width=width)
        positive(classes=classes)
        wide = [Bottleneck.expansion * planes for planes in _HEAD_PLANES]
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(width * 2**i, planes, Block()))
            for i, planes in enumerate(_HEAD_PLANES)
        )
        self.downsamp_modules = nn.ModuleList(
            ConvBNReLU(fine, coarse, 3, stride=2) for fine, coarse in pairwise(wide)
        )
        self.final_layer = ConvBNReLU(wide[-1], _HEAD_CHANNELS)
        for part in (self.downsamp_modules, self.final_layer):
            add_biases(part)  # in front of norms, as published
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(_HEAD_CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        maps = [self.layer1(self.relu(self.bn2(self.conv2(x))))]
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            before = [*maps, maps[-1]]
            maps = stage([layer(m) for layer, m in zip(transition, before, strict=True)])
        y, *coarser = (widen(m) for widen, m in zip(self.incre_modules, maps, strict=True))
        for down, m in zip(self.downsamp_modules, coarser, strict=True):
            y = m + down(y)
        y = self.pool(self.final_layer(y)).flatten(1)
        return self.classifier(y)  # type: ignore[no-any-return]


class PublishedOutput(NamedTuple):
    """What a `PublishedSegmentor` gives.

    Attributes:
        logits: (B, classes, H, W), at the size of the image.
        auxiliary: (B, classes, H, W) of the auxiliary head.
    """

    logits: Tensor
    auxiliary: Tensor


class PublishedSegmentor(Segmentor):
    """A `Segmentor` with the stem, the heads and the auxiliary head of a published network.

    (B, in_channels, H, W) -> (B, classes, H, W), or a `PublishedOutput` where the auxiliary head is
    evaluated, too, as torchvision's networks and their counts have it.

    Args:
        in_channels: channels of the image.
        input_size: see `Segmentor`, as whatever is not listed here.
        backbone: see there.
        backbone_arguments: see there.
        stem_channels: see `replace_stem`.
        context: see `Segmentor`; in the frame `head`.
        context_arguments: see there.
        fuse_channels: of a 3x3 CBR between context module and classifier, which torchvision's
            DeepLabV3 has (256).
        classes: categories.
        dropout: see `Segmentor`.
        auxiliary: see there.
        auxiliary_channels: inside of the auxiliary head; half of layer3's if absent. torchvision
            and mmsegmentation have a quarter, 256.
        auxiliary_evaluated: whether the auxiliary head takes part in evaluation.

    Raises:
        ValueError: as `Segmentor`, or an argument does not fit.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        input_size: tuple[int, int] | None = None,
        backbone: str = "resnet50",
        backbone_arguments: Mapping[str, Any] | None = None,
        stem_channels: Sequence[int] | None = None,
        context: str | None = None,
        context_arguments: Mapping[str, Any] | None = None,
        fuse_channels: int | None = None,
        classes: int = 21,
        dropout: float = 0.1,
        auxiliary: bool = True,
        auxiliary_channels: int | None = None,
        auxiliary_evaluated: bool = False,
    ) -> None:
        super().__init__(
            in_channels,
            input_size=input_size,
            backbone=backbone,
            backbone_arguments=backbone_arguments,
            context=context,
            context_arguments=context_arguments,
            classes=classes,
            auxiliary=auxiliary,
            dropout=dropout,
        )
        if not auxiliary and (auxiliary_channels is not None or auxiliary_evaluated):
            raise ValueError("auxiliary is false, and its channels or evaluation are asked for")
        if stem_channels is not None:
            replace_stem(_residual(self.backbone), in_channels, stem_channels)
        if fuse_channels is not None:
            self.after = ConvBNReLU(self.out_channels, fuse_channels, 3)
            self.out_channels = fuse_channels
            self.classifier = _classifier(fuse_channels, classes, dropout)
        if auxiliary_channels is not None:
            earlier = self.backbone.feature_channels[-2:][0]
            self.auxiliary = nn.Sequential(
                ConvBNReLU(earlier, auxiliary_channels, 3),
                *_classifier(auxiliary_channels, classes, dropout),
            )
        self.auxiliary_evaluated = auxiliary_evaluated

    def forward(self, x: Tensor) -> Any:
        """(B, in_channels, H, W) -> logits, with those of the auxiliary head where it counts."""
        if self.training or not self.auxiliary_evaluated:
            return super().forward(x)
        assert self.classifier is not None
        assert self.auxiliary is not None
        maps = self.backbone.features(x)
        logits = self.classifier(self.after(self.contextual(maps)[0]))
        auxiliary = self.auxiliary(maps[-2:][0])
        size = x.shape[-2:]
        return PublishedOutput(self._upsample(logits, size), self._upsample(auxiliary, size))


def _classifier(in_channels: int, classes: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(in_channels, classes, 1))
