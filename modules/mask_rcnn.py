"""Mask R-CNN with FPN, and its cascade, on fixed regions: what SRNet's Table 5 counted."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.boxes import canonical_boxes, refine_boxes, sample_regions
from context_modules.context import build_context, output_channels
from context_modules.resnet import ResNet

_WIDTH = 256  # channels of every pyramid level (Lin et al. 2017, section 3)
_ANCHORS = 3  # aspect ratios per position, one scale per level (Lin et al. 2017, section 4.1)
_BOX_SIDE, _MASK_SIDE = 7, 14  # of the sampled regions (He et al. 2017, Figure 4 right)
_HIDDEN = 1024  # of the box head's two linear layers (Lin et al. 2017, section 4.2)
# Regions of side 224 belong to level P4 (Lin et al. 2017, Eq. 1): 56, 112, 224, 448 for P2 to P5.
_SIDES = (56.0, 112.0, 224.0, 448.0)
_STAGES_OF_CASCADE = 3  # Cai and Vasconcelos 2018, section 4


class MaskRCNNOutput(NamedTuple):
    """What the heads give; A anchors over all levels, R proposals, M mask regions per image.

    Attributes:
        objectness: (B, A) logits of the region proposal network.
        proposals: (B, A, 4) offsets of its anchors.
        scores: (B, R, classes + 1) logits, the mean over the stages of a cascade.
        boxes: (B, R, D) offsets of the last stage; D is 4 per category, or 4 in a cascade.
        masks: (B, M, categories, 28, 28) logits, the mean over the stages.
    """

    objectness: Tensor
    proposals: Tensor
    scores: Tensor
    boxes: Tensor
    masks: Tensor


class MaskRCNN(nn.Module):
    """Mask R-CNN (He et al. 2017) on a feature pyramid (Lin et al. 2017), or its cascade.

    Every layer runs, on a fixed number of regions in fixed places: choosing regions by score
    (top-k, non-maximum suppression) is left out, since it holds no weights and its cost depends on
    the image. So the network is for costs and gradients, not for detection. Regions are sampled
    once per bin, bilinearly.

    Costs at 1280x800 (SRNet, Table 5, which prints 1200x800), conv and linear MACs in G:
    R-50 259.34, R-101 335.10, X-101 (32x4d, `background=False`) 338.52, its cascade 472.13.
    The printed 275.58, 351.65, 355.37 and 519.90 come from a counter that multiplies the weights of
    the transposed convolution by its output's positions instead of its input's (4 times too many,
    15.41 per mask head) and adds biases of convolutions, 2 per element of a batch norm, 1 per ReLU
    module and 1 per input element of a pooling module: that gives 275.58, 351.65, 355.37 and
    519.99. Functions (ReLU of the proposal head, pooling to P6, interpolation, sampling) are not
    counted there. X-101 is 32x4d: 64x4d would be 508.8.

    Args:
        in_channels: channels of the image.
        input_size: (H, W) of the image in pixels, for a `context` that needs the size of its map.
        depth: of the residual network; 101 with `groups` 32 and `width_per_group` 4 is X-101.
        groups: as in `ResNet`.
        width_per_group: as in `ResNet`.
        cascade: three stages of box and mask heads, boxes regressed for all categories alike (Cai
            and Vasconcelos 2018); each stage samples the boxes that the one before has refined.
        classes: categories of things.
        background: regress boxes and draw masks for the background too. Table 5's R-50 and R-101
            fit with it (early versions of its toolbox did so), its X-101 fits without.
        proposals: regions of the box head per image, a multiple of the 4 levels.
        mask_regions: regions of the mask head per image, a multiple of 4.
        context: a context module on layer4's output, by its name in the catalog.
        context_arguments: its keyword arguments.

    Raises:
        ValueError: an argument does not fit.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        input_size: tuple[int, int] | None = None,
        depth: int = 50,
        groups: int = 1,
        width_per_group: int = 64,
        cascade: bool = False,
        classes: int = 80,
        background: bool = True,
        proposals: int = 1000,
        mask_regions: int = 100,
        context: str | None = None,
        context_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        levels = len(_SIDES)
        for name, count in (("proposals", proposals), ("mask_regions", mask_regions)):
            if count < levels or count % levels:
                raise ValueError(f"{name}: {count} must be a positive multiple of {levels} levels")
        if context is None and context_arguments:
            raise ValueError("context_arguments: name the context that they belong to")
        self.proposals, self.mask_regions = proposals, mask_regions
        self.backbone = ResNet(
            in_channels, depth=depth, groups=groups, width_per_group=width_per_group
        )
        channels = list(self.backbone.feature_channels)
        self.context: nn.Module = nn.Identity()
        if context is not None:
            size = (
                None if input_size is None else (-(-input_size[0] // 32), -(-input_size[1] // 32))
            )
            self.context = build_context(context, channels[-1], size, context_arguments or {})
            channels[-1] = output_channels(self.context, channels[-1], size)
        self.neck = FeaturePyramid(channels)
        self.proposal_head = ProposalHead()
        categories = classes + 1 if background else classes
        stages = _STAGES_OF_CASCADE if cascade else 1
        offsets = 4 if cascade else 4 * categories
        self.box_heads = nn.ModuleList(BoxHead(classes + 1, offsets) for _ in range(stages))
        self.mask_heads = nn.ModuleList(MaskHead(categories) for _ in range(stages))

    def forward(self, x: Tensor) -> MaskRCNNOutput:
        """(B, in_channels, H, W) -> what all heads give."""
        image = (x.shape[-2], x.shape[-1])
        *maps, c5 = self.backbone.features(x)
        pyramid = self.neck([*maps, self.context(c5)])  # P2 to P6, (B, 256, H / stride, W / stride)
        del maps, c5
        objectness, proposals = self.proposal_head(pyramid)

        boxes = self._regions(self.proposals, image, x)  # (B, R, 4)
        scores: list[Tensor] = []
        offsets: Tensor | None = None
        for head in self.box_heads:
            if offsets is not None:
                # Gradients stop at the refined boxes (Cai and Vasconcelos 2018, section 3.3).
                boxes = refine_boxes(boxes, offsets.detach())
            logits, offsets = head(self._sample(pyramid, boxes, _BOX_SIDE, image))
            scores.append(logits)
        assert offsets is not None

        places = self._regions(self.mask_regions, image, x)
        features = self._sample(pyramid, places, _MASK_SIDE, image)
        masks = [head(features) for head in self.mask_heads]
        return MaskRCNNOutput(objectness, proposals, _mean(scores), offsets, _mean(masks))

    def _regions(self, count: int, image: tuple[int, int], like: Tensor) -> Tensor:
        """(B, count, 4): a quarter for each level, all over the image."""
        per_level = [canonical_boxes(count // len(_SIDES), side, image, like) for side in _SIDES]
        return torch.cat(per_level).expand(like.shape[0], -1, -1)

    @staticmethod
    def _sample(
        pyramid: Sequence[Tensor], boxes: Tensor, side: int, image: tuple[int, int]
    ) -> Tensor:
        """(B, R, 4) -> (B, R, 256, side, side); a box stays on the level that it began on."""
        chunks = boxes.chunk(len(_SIDES), dim=1)
        return torch.cat(
            [
                sample_regions(level, chunk, side, image)
                for level, chunk in zip(pyramid[: len(_SIDES)], chunks, strict=True)
            ],
            dim=1,
        )


class FeaturePyramid(nn.Module):
    """C2 to C5 -> P2 to P6, 256 channels each (Lin et al. 2017, Figure 3; P6 for anchors only)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, _WIDTH, 1) for c in channels)
        self.output = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1) for _ in channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps from fine to coarse -> as many levels and one more."""
        merged = [layer(x) for layer, x in zip(self.lateral, maps, strict=True)]
        for i in range(len(merged) - 1, 0, -1):
            size = merged[i - 1].shape[-2:]
            merged[i - 1] = merged[i - 1] + F.interpolate(merged[i], size=size, mode="nearest")
        levels = [layer(x) for layer, x in zip(self.output, merged, strict=True)]
        return [*levels, F.max_pool2d(levels[-1], 1, stride=2)]


class ProposalHead(nn.Module):
    """The region proposal network, shared by all levels (Ren et al. 2015, Figure 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.objectness = nn.Conv2d(_WIDTH, _ANCHORS, 1)
        self.offsets = nn.Conv2d(_WIDTH, 4 * _ANCHORS, 1)

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Levels of (B, 256, h, w) -> (B, A), (B, A, 4) with A = 3 * sum of h * w."""
        objectness, offsets = [], []
        for level in pyramid:
            hidden = F.relu(self.conv(level), inplace=True)
            objectness.append(self.objectness(hidden).permute(0, 2, 3, 1).flatten(1))
            offsets.append(self.offsets(hidden).permute(0, 2, 3, 1).flatten(1))
        boxes = torch.cat(offsets, 1)
        return torch.cat(objectness, 1), boxes.reshape(boxes.shape[0], -1, 4)


class BoxHead(nn.Module):
    """Two linear layers, category and offsets (Lin et al. 2017, section 4.2)."""

    def __init__(self, scores: int, offsets: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(_WIDTH * _BOX_SIDE**2, _HIDDEN)
        self.fc2 = nn.Linear(_HIDDEN, _HIDDEN)
        self.relu = nn.ReLU(inplace=True)
        self.scores = nn.Linear(_HIDDEN, scores)
        self.offsets = nn.Linear(_HIDDEN, offsets)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, R, 256, 7, 7) -> (B, R, scores), (B, R, offsets)."""
        # Rows of one matrix: a counter that reads (rows, features) then sees every region.
        rows = regions.flatten(2).flatten(0, 1)
        hidden = self.relu(self.fc2(self.relu(self.fc1(rows))))
        shape = regions.shape[:2]
        return self.scores(hidden).unflatten(0, shape), self.offsets(hidden).unflatten(0, shape)


class MaskHead(nn.Module):
    """Four 3x3 convolutions, one upsampling, one mask per category (He et al. 2017, Figure 4)."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        convolutions: list[nn.Module] = []
        for _ in range(4):
            convolutions += [nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1), nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*convolutions)
        self.upsample = nn.ConvTranspose2d(_WIDTH, _WIDTH, 2, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.masks = nn.Conv2d(_WIDTH, categories, 1)

    def forward(self, regions: Tensor) -> Tensor:
        """(B, M, 256, 14, 14) -> (B, M, categories, 28, 28)."""
        x = self.convolutions(regions.flatten(0, 1))
        x = self.masks(self.relu(self.upsample(x)))
        return x.unflatten(0, regions.shape[:2])  # type: ignore[no-any-return]


def _mean(stages: list[Tensor]) -> Tensor:
    return stages[0] if len(stages) == 1 else torch.stack(stages).mean(0)
