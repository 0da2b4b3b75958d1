"""Region Attention Network (RANet): context between object regions instead of pixels.

Shen, Ji, Li, Wang, Lin, "RANet: Region Attention Network for Semantic Segmentation", NeurIPS 2020.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, flatten_positions, leak, unflatten_positions
from context_modules.region_construction import RegionConstruction, RegionKernel, Regions
from context_modules.region_interaction import RegionInteraction, nominal_representatives
from context_modules.region_maps import Context

# At the start a pixel is a boundary with this probability: boundaries are rare, and 0.5 everywhere
# would put one between all pixels (Lin et al. 2017, "Focal Loss", Section 3.3: the prior pi).
BOUNDARY_PRIOR = 0.01


class RegionScores(NamedTuple):
    """What the regions are made from, before sigmoid and softmax.

    Attributes:
        boundary: (B, H, W) logits of the boundary score map B.
        categories: (B, classes, H, W) logits of the semantic score maps C.
    """

    boundary: Tensor
    categories: Tensor


class ScorePrediction(nn.Module):
    """The two separate convolutions that read B and C (Section 3.1): (B, in, H, W) -> scores.

    Args:
        in_channels: of the features.
        categories: number of object categories.
    """

    def __init__(self, in_channels: int, *, categories: int = 19) -> None:
        super().__init__()
        self.boundary = nn.Conv2d(in_channels, 1, 1)
        self.categories = nn.Conv2d(in_channels, categories, 1)
        if self.boundary.bias is not None:
            nn.init.constant_(self.boundary.bias, math.log(BOUNDARY_PRIOR / (1 - BOUNDARY_PRIOR)))

    def forward(self, x: Tensor) -> RegionScores:
        """(B, in, H, W) -> (B, H, W) and (B, categories, H, W) logits."""
        return RegionScores(self.boundary(x).squeeze(1), self.categories(x))


class RegionAuxiliaryHead(nn.Module):
    """Auxiliary head on an earlier stage of the backbone that predicts B and C.

    3x3 in -> channels CBR, then the two convolutions of `ScorePrediction`.

    Args:
        in_channels: of the stage (1024 for res4 of ResNet-101).
        channels: between the two.
        categories: number of object categories.
    """

    def __init__(self, in_channels: int, *, channels: int = 512, categories: int = 19) -> None:
        super().__init__()
        self.features = ConvBNReLU(in_channels, channels, 3)
        self.scores = ScorePrediction(channels, categories=categories)

    def forward(self, x: Tensor) -> RegionScores:
        """(B, in_channels, H, W) -> (B, H, W) and (B, categories, H, W) logits."""
        scores: RegionScores = self.scores(self.features(x))
        return scores


class RegionAttention(nn.Module):
    """RANet's context head (Figure 1): (B, in, H, W) -> (B, out, H, W).

    x -> 3x3 reduce -> A -> B, C -> region construction -> regions, J
                       A, regions, J -> region interaction -> O
                       cat(A, O) -> 3x3 fuse -> output

    Eq. 6 to 8 write A for every role; the roles have a 3x3 convolution each (query: A(p) in Eq. 6;
    value: A_i of Eq. 6; receiver: A_i of Eq. 8), with which the head has the 21 M parameters of
    Table 3. By default B and C are read from A by two 1x1 convolutions, as Section 3.1 says; an
    auxiliary head (`RegionAuxiliaryHead`) may give them instead, and is then not counted here.

    Table 3 (97x97, 2048 channels in): 199.79 G multiply-accumulates of 3x3 convolutions, 0.10 of B
    and C, 1.85 collection, 0.04 interaction, 1.85 distribution with 24 regions of the mean size:
    203.62 G, printed 212. Two operations for each of the 3.92 G boundary-line samples (ordered
    pairs) on top give 211.5; the N x N maps hold no matrix product.

    R, and with it the cost, follows the image: an untrained head sees one region (R = 8), a map on
    which all pixels differ has R = N. A fake tensor takes regions of the mean size. With
    `max_regions=24` R is 192 at 97x97 for both, so executed, traced and timed costs are the same.

    One N x N map is alive (354 MB at 97x97), where the printed 1893 MB are five. The operators that
    fill and read it hold blocks, which a count of live tensors does not see: 2^21 elements at once
    on a CPU, and 2^26 on a GPU, which pays for each launch; a forward then holds up to 30 and
    600 MB (nine bytes an element: whether a pair is joined, and the number of a pixel). With
    `kernel="triton"` no such map is: of a pair a bit is kept (11 MB at 97x97), and after it each
    pixel's sums by tiles, as large, which a count of live tensors does not see.

    The public code is another function: the divergence is of one class against the rest, regions
    are found by first match, attention knows no mask of a region, and three more convolutions make
    25.96 M parameters where Table 3 prints 21 M. Its boundary kernel gives 0 on the last row and
    column. Weights of it do not fit here.

    Args:
        in_channels: of x.
        channels: M, of A and of all roles.
        out_channels: of the output.
        categories: number of object categories, of C.
        representatives: K, see `RegionInteraction`.
        context: what regions are made of (Table 1), see `RegionConstruction`.
        threshold: see `RegionConstruction`.
        end_points: see `RegionConstruction`.
        intra: with collection and distribution, see `RegionInteraction`.
        inter: with interaction, see `RegionInteraction`.
        joint_softmax: see `RegionInteraction`.
        max_regions: only so many regions exchange context, which fixes every shape; 0: all.
        own_scores: whether the head has convolutions for B and C of its own. Without,
            every forward needs `scores`, which a `Segmentor` takes from `earlier_head`.
        kernel: of the regions, see `RegionConstruction`, and of the interaction.
        negative_slope: of all ReLUs, see `context_modules.layers.leak`.

    Shape:
        x (B, in_channels, H, W) -> (B, out_channels, H, W), any H and W.

    Complexity: 9 HW (in M + 3 M^2 + 2 M out) for the convolutions, O(R N M) for the interaction,
    O(N^2 (max(H, W) + categories)) elementwise operations and one N x N map for the regions,
    of numbers or of bits.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 512,
        out_channels: int = 512,
        categories: int = 19,
        representatives: int = 8,
        context: Context = "both",
        threshold: float = 0.8,
        end_points: bool = False,
        intra: bool = True,
        inter: bool = True,
        joint_softmax: bool = False,
        max_regions: int = 0,
        own_scores: bool = True,
        kernel: RegionKernel = "explicit",
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        if categories < 2:
            raise ValueError(f"categories is {categories}; regions need at least 2 to differ by")
        self.channels = channels
        self.out_channels = out_channels
        self.categories = categories
        self.reduce = ConvBNReLU(in_channels, channels, 3)
        self.scores = ScorePrediction(channels, categories=categories) if own_scores else None
        self.construction = RegionConstruction(
            context=context, threshold=threshold, end_points=end_points, kernel=kernel
        )
        # Without collection nobody asks.
        self.query = ConvBNReLU(channels, channels, 3) if intra else nn.Identity()
        self.value = ConvBNReLU(channels, channels, 3)
        self.receiver = ConvBNReLU(channels, channels, 3)
        self.interaction = RegionInteraction(
            representatives=representatives,
            intra=intra,
            inter=inter,
            joint_softmax=joint_softmax,
            max_regions=max_regions,
            kernel=kernel,
        )
        self.fuse = ConvBNReLU(2 * channels, out_channels, 3)
        leak(self, negative_slope)

    def earlier_head(self, in_channels: int) -> RegionAuxiliaryHead | None:
        """The head on an earlier stage that gives B and C, where this one has not its own."""
        if self.scores is not None:
            return None
        return RegionAuxiliaryHead(
            in_channels, channels=in_channels // 2, categories=self.categories
        )

    def forward(self, x: Tensor, scores: RegionScores | None = None) -> Tensor:
        """Enhance x by the context of its regions.

        Args:
            x: (B, in_channels, H, W).
            scores: logits of B and C of the same H and W, from an auxiliary head; `None` reads
                them from x.

        Returns:
            (B, out_channels, H, W).
        """
        return self.forward_with_scores(x, scores)[0]

    def forward_with_scores(
        self, x: Tensor, scores: RegionScores | None = None
    ) -> tuple[Tensor, RegionScores]:
        """As `forward`, with the scores beside the output: their losses need them."""
        a = self.reduce(x)  # A (B, M, H, W)
        scores = self._scores_of(a, scores)
        regions = self.regions(scores)
        o = self.interaction(
            flatten_positions(self.query(a)),
            flatten_positions(self.value(a)),
            flatten_positions(self.receiver(a)),
            regions,
        )  # O (B, N, M)
        return self.fuse(torch.cat([a, unflatten_positions(o, *x.shape[2:])], dim=1)), scores

    def regions(self, scores: RegionScores) -> Regions:
        """The regions and representative scores (B, H*W) that logits of B and C give."""
        regions: Regions = self.construction(
            scores.boundary.sigmoid(), scores.categories.softmax(dim=1)
        )
        return regions

    def _scores_of(self, a: Tensor, scores: RegionScores | None) -> RegionScores:
        if scores is None:
            if self.scores is None:
                raise ValueError(
                    "scores is missing and own_scores is False; pass the auxiliary head's scores "
                    "or set own_scores to True"
                )
            own: RegionScores = self.scores(a)
            return own
        if scores.boundary.shape[1:] != a.shape[2:] or scores.categories.shape[2:] != a.shape[2:]:
            raise ValueError(
                f"scores are for {tuple(scores.categories.shape[2:])} positions, features have "
                f"{tuple(a.shape[2:])}; resize the scores first"
            )
        return scores

    def algorithmic_macs(self, input_shape: Sequence[int]) -> int:
        """Multiply-accumulates that the equations need, every edge of a relation counted once.

        A pixel meets its own region's K representatives only: 2 N K M each for collection and
        distribution, where the dense relation that is executed costs 2 N R M. Regions are taken of
        the paper's mean size, as for counting without data.

        Args:
            input_shape: (B, in_channels, H, W).
        """
        batch, _, height, width = input_shape
        pixels = height * width
        weights = sum(
            layer.weight.numel() for layer in self.modules() if isinstance(layer, nn.Conv2d)
        )
        k = self.interaction.representatives
        count = nominal_representatives(pixels, k, self.interaction.max_regions)
        edges = 0
        if self.interaction.intra:
            edges += 2 * pixels * min(k, pixels)
        if self.interaction.inter:
            edges += count * max(count - k, 0)
        return batch * (weights * pixels + 2 * edges * self.channels)
