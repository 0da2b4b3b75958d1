"""A segmentation network: backbone, context module, classifier, auxiliary head."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.context import build_context, forward_with_extras, output_channels
from context_modules.hrnet import HRNet
from context_modules.layers import ConvBNReLU, one_of
from context_modules.published import load_weights
from context_modules.resnet import ResNet
from context_modules.resnet_v1c import BACKBONES as V1C
from context_modules.small_backbone import SmallBackbone

Frame = Literal["head", "between", "beside"]
Output = Literal["logits", "features"]
Backbone = ResNet | HRNet | SmallBackbone

# Dilated residual networks with the deep stem are what the papers' tables were counted with.
_DILATED: dict[str, Any] = {"stem": "3x3", "output_stride": 8}
BACKBONES: dict[str, tuple[type[Backbone], dict[str, Any]]] = {
    "resnet18": (ResNet, {"depth": 18, **_DILATED}),
    "resnet34": (ResNet, {"depth": 34, **_DILATED}),
    "resnet50": (ResNet, {"depth": 50, **_DILATED}),
    "resnet101": (ResNet, {"depth": 101, **_DILATED}),
    "resnet152": (ResNet, {"depth": 152, **_DILATED}),
    "hrnetv2_w18": (HRNet, {"width": 18}),
    "hrnetv2_w32": (HRNet, {"width": 32}),
    "hrnetv2_w48": (HRNet, {"width": 48}),
    "small": (SmallBackbone, {}),
}
# What these are made of counts in the key of a training by their class alone.
BACKBONES.update(V1C)


class SegmentorOutput(NamedTuple):
    """What a `Segmentor` in training gives to its losses.

    Attributes:
        logits: (B, classes, H, W), at the size of the image.
        auxiliary: (B, classes, H, W) of the auxiliary head, or `None` without one.
        extras: what the context module offers beside its features, by name, at the size of its
            map; the prior of Context Prior is `extras["prior"]`, see its `forward_for_losses`.
    """

    logits: Tensor
    auxiliary: Tensor | None
    extras: dict[str, Any]


class Segmentor(nn.Module):
    """Backbone, context module and classifier, as the papers train and count them.

    Sources: the dilated network with an auxiliary head on layer3 is PSPNet's (Zhao et al. 2017),
    which OCNet (section 4.2), CPNet (section 4.1) and SRNet ("Network architecture") take over. On
    HRNetV2 the auxiliary head sits on the final map (OCNet, section 4.2).

    Shapes: (B, in_channels, H, W) -> in evaluation (B, classes, H, W), in training a
    `SegmentorOutput`. With `output="features"`: (B, C, H / stride, W / stride), both times.

    A context module is any class of the contract `(in_channels, *, ...)`, (B, C, h, w) -> (B, D, h,
    w); `in_channels`, and `input_size` where it takes one, are filled in here. Its width D is its
    `out_channels` where it has that attribute, else it is found by a pass without storage. A module
    that offers more than features to its losses has one method `forward_with_<name>(x) ->
    (features, value)`; in training the value arrives in `extras`: under its own names if it is a
    mapping or a named tuple, else under `<name>`. A module that also reads an earlier map of the
    backbone has a method `earlier_head(in_channels) -> nn.Module | None`: what the head makes of
    the last map but one, at the size of the last, is the module's second argument.

    Args:
        in_channels: channels of the image.
        input_size: (H, W) of the image, in pixels; only needed by a context module whose parameters
            depend on the size of its map.
        backbone: a key of `BACKBONES`.
        backbone_arguments: further arguments of the backbone; residual networks start from the deep
            stem and output stride 8.
        backbone_weights: a file for `context_modules.published.load_weights`.
        context: a name of the catalog, `package.file:Class`, or `None`.
        context_arguments: its keyword arguments.
        frame: `head` puts the context module on the backbone's map (OCNet, CPNet, RANet); `between`
            puts it between two 3x3 convolutions to `width` channels (SRNet, Table 3); `beside` puts
            its result beside the backbone's map and fuses both by a 1x1 convolution to `width`
            channels (OCNet, Figure 5 b, without its 3x3 convolution): a block that answers with
            context alone then needs to carry nothing else, and nothing but the block widens the
            view.
        width: channels of these convolutions.
        classes: categories, void left out.
        auxiliary: add the auxiliary head (3x3 to half the channels, dropout, classifier); it takes
            no part in evaluation.
        dropout: probability of dropping a channel in front of both classifiers.
        output: `logits`, or `features` without classifier, auxiliary head and upsampling, which is
            how the papers count costs.
        align_corners: of the upsampling to the image.

    Raises:
        ValueError: an argument is unknown, or the context module does not fit.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        input_size: tuple[int, int] | None = None,
        backbone: str = "resnet50",
        backbone_arguments: Mapping[str, Any] | None = None,
        backbone_weights: str | None = None,
        context: str | None = None,
        context_arguments: Mapping[str, Any] | None = None,
        frame: Frame = "head",
        width: int = 512,
        classes: int = 19,
        auxiliary: bool = True,
        dropout: float = 0.1,
        output: Output = "logits",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        one_of("frame", frame, get_args(Frame))
        one_of("output", output, ("logits", "features"))
        if context is None and context_arguments:
            raise ValueError("context_arguments: name the context that they belong to")
        self.backbone = build_backbone(backbone, in_channels, backbone_arguments)
        if backbone_weights is not None:
            load_weights(self.backbone, backbone_weights)
        channels = self.backbone.out_channels
        self.before: nn.Module = nn.Identity()
        self.context: nn.Module = nn.Identity()
        self.after: nn.Module = nn.Identity()
        self.earlier: nn.Module | None = None
        if frame == "between":
            self.before = ConvBNReLU(channels, width, 3)
            channels = width
        if context is not None:
            size = _map_size(input_size, self.backbone.output_stride)
            self.context = build_context(context, channels, size, context_arguments or {})
            if hasattr(self.context, "earlier_head"):
                self.earlier = self.context.earlier_head(  # type: ignore[operator]
                    self.backbone.feature_channels[-2:][0]
                )
            if self.earlier is None:
                channels = output_channels(self.context, channels, size)
            else:  # a pass would need what the head makes
                channels = self.context.out_channels
        if frame == "between":
            self.after = ConvBNReLU(channels, width, 3)
            channels = width
        self.beside = frame == "beside"
        if self.beside:
            self.after = ConvBNReLU(self.backbone.out_channels + channels, width)
            channels = width
        self.out_channels = channels
        self.align_corners = align_corners
        self.classifier: nn.Module | None = None
        self.auxiliary: nn.Module | None = None
        if output == "logits":
            self.classifier = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(channels, classes, 1))
            if auxiliary:
                self.auxiliary = _auxiliary_head(
                    self.backbone.feature_channels[-2:][0], classes, dropout
                )

    def forward(self, x: Tensor) -> Tensor | SegmentorOutput:
        """(B, in_channels, H, W) -> logits or features; `SegmentorOutput` in training."""
        size = x.shape[-2:]
        if self.classifier is None:
            return self._features(x)
        if not self.training:
            return self._upsample(self.classifier(self._features(x)), size)
        maps = self.backbone.features(x)
        features, extras = self.contextual(maps)
        if self.beside:
            features = torch.cat([maps[-1], features], dim=1)
        logits = self._upsample(self.classifier(self.after(features)), size)
        if self.auxiliary is None:
            return SegmentorOutput(logits, None, extras)
        # The last map but one: layer3 of a residual network; HRNet has one map only.
        auxiliary = self._upsample(self.auxiliary(maps[-2:][0]), size)
        return SegmentorOutput(logits, auxiliary, extras)

    def contextual(self, maps: Sequence[Tensor]) -> tuple[Tensor, dict[str, Any]]:
        """What the context module makes of the backbone's maps, and what it offers to losses."""
        x = self.before(maps[-1])
        if self.earlier is None:
            return forward_with_extras(self.context, x)
        # The last map but one; in a dilated residual network it has the size of the last.
        earlier = maps[-2:][0]
        if earlier.shape[-2:] != x.shape[-2:]:
            earlier = F.interpolate(
                earlier, size=x.shape[-2:], mode="bilinear", align_corners=self.align_corners
            )
        return forward_with_extras(self.context, x, self.earlier(earlier))

    def _features(self, x: Tensor) -> Tensor:
        y: Tensor
        if self.earlier is not None:
            maps = self.backbone.features(x)
            y = self.contextual(maps)[0]
            y = self.after(torch.cat([maps[-1], y], dim=1) if self.beside else y)
        elif self.beside:
            x = self.backbone(x)
            y = self.after(torch.cat([x, self.context(x)], dim=1))
        else:  # in one expression: no name keeps a map alive while the next one is made
            y = self.after(self.context(self.before(self.backbone(x))))
        return y

    def _upsample(self, logits: Tensor, size: Iterable[int]) -> Tensor:
        return F.interpolate(
            logits, size=tuple(size), mode="bilinear", align_corners=self.align_corners
        )


def build_backbone(
    name: str, in_channels: int, arguments: Mapping[str, Any] | None = None
) -> Backbone:
    """A backbone of `BACKBONES`.

    Raises:
        ValueError: `name` is unknown, or an argument does not fit.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone: {name!r} is unknown; take one of {', '.join(BACKBONES)}")
    kind, defaults = BACKBONES[name]
    try:
        return kind(in_channels, **{**defaults, **(arguments or {})})
    except TypeError as error:
        raise ValueError(f"backbone_arguments of {name}: {error}") from error


def _auxiliary_head(in_channels: int, classes: int, dropout: float) -> nn.Sequential:
    """3x3 to half the channels (1024 -> 512 on layer3 of ResNet-50), dropout, classifier."""
    hidden = in_channels // 2
    return nn.Sequential(
        ConvBNReLU(in_channels, hidden, 3), nn.Dropout2d(dropout), nn.Conv2d(hidden, classes, 1)
    )


def _map_size(image: tuple[int, int] | None, stride: int) -> tuple[int, int] | None:
    """Every layer of stride 2 rounds up, and so does their product."""
    return None if image is None else (-(-image[0] // stride), -(-image[1] // stride))
