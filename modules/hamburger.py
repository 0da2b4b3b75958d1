"""Hamburger: global context by matrix decomposition (Geng et al., 2021)."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, one_of, positive, resize
from context_modules.levels import channels_of_levels, check_levels
from context_modules.matrix_decomposition import DECOMPOSITIONS

Ham = Literal["nmf", "vq", "cd"]
Gradient = Literal["one_step", "unrolled"]


class Hamburger(nn.Module):
    """A low-rank reconstruction between two linear layers: (B, C, H, W) -> (B, C, H, W).

    Geng et al., "Is Attention Better Than Matrix Decomposition?", ICLR 2021, Eq. 7 and 8, with
    N = H * W positions as columns of X, D channels and R bases:

        X = W_l x                           lower bread; with ReLU for NMF, which needs X >= 0
        bases, codes = T iterations of a matrix decomposition of X
        z = ReLU(x + BN(W_u (bases codes^T)))                                      upper bread

    `ham` names the decomposition, see `context_modules.matrix_decomposition`. Gradients flow
    through the last estimate of the codes alone (`one_step`, Section 3.2, the paper's way), or
    through all iterations (`unrolled`). The paper draws new bases at each pass; here training does,
    while evaluation starts from those drawn at construction, so that an image has one result.

    Cost beside the breads, of NMF: (2 T + 3) N D R + (2 T + 1) (N + D) R^2 multiply-accumulates; of
    VQ (2 T + 2) N D R; of CD that, (N + D) R^2 and an inverse of R x R. The published VQ and CD
    make one product more, whose result nothing uses. Memory: N R codes.

    The published second version has a `cheese`, a 1x1 CBR behind the ham, and no norm in the upper
    bread.

    Args:
        in_channels: C.
        ham: `nmf`, `vq` or `cd`.
        channels: D; `None` means C.
        bases: R.
        iterations: T in training.
        evaluation_iterations: T in evaluation; one more in the published code.
        gradient: what gradients flow through.
        cheese: the second version.

    Raises:
        ValueError: for sizes below 1 or an unknown word.
    """

    start: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        ham: Ham = "nmf",
        channels: int | None = None,
        bases: int = 64,
        iterations: int = 6,
        evaluation_iterations: int = 7,
        gradient: Gradient = "one_step",
        cheese: bool = False,
    ) -> None:
        super().__init__()
        width = in_channels if channels is None else channels
        positive(in_channels=in_channels, channels=width, bases=bases, iterations=iterations)
        positive(evaluation_iterations=evaluation_iterations)
        one_of("ham", ham, get_args(Ham))
        one_of("gradient", gradient, get_args(Gradient))
        self.ham: Ham = ham
        self.iterations, self.evaluation_iterations = iterations, evaluation_iterations
        self.gradient: Gradient = gradient
        self.lower = nn.Conv2d(in_channels, width, 1)
        self.cheese = ConvBNReLU(width, width) if cheese else None
        self.upper: nn.Module = (
            nn.Conv2d(width, in_channels, 1, bias=False)
            if cheese
            else ConvBNReLU(width, in_channels, relu=False)
        )
        self.register_buffer("start", self._draw(1, torch.empty(1, width, bases)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        lower = self.lower(x)
        if self.ham == "nmf":
            lower = F.relu(lower, inplace=True)
        found = self.reconstruct(lower.flatten(2)).view_as(lower)
        if self.cheese is not None:
            found = self.cheese(found)
        # In place: neither a norm nor a convolution in front needs its output again.
        return F.relu(self.upper(found).add_(x), inplace=True)

    def reconstruct(self, x: Tensor) -> Tensor:
        """bases codes^T of the decomposition: (B, D, N) -> (B, D, N)."""
        decomposition = DECOMPOSITIONS[self.ham]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient == "unrolled"):
            iterations = self.iterations if self.training else self.evaluation_iterations
            bases, codes = decomposition.iterate(x, self._bases(x.shape[0]), iterations)
        codes = decomposition.codes(x, bases, codes)
        return bases @ codes.transpose(1, 2)

    def _bases(self, batch: int) -> Tensor:
        """(B, D, R): new ones in training, else those of the construction."""
        return self._draw(batch, self.start) if self.training else self.start.expand(batch, -1, -1)

    def _draw(self, batch: int, like: Tensor) -> Tensor:
        """Random bases of unit length, non-negative for NMF."""
        drawn = like.new_empty(batch, *like.shape[1:])
        drawn = drawn.uniform_() if self.ham == "nmf" else drawn.normal_()
        return F.normalize(drawn, dim=1)


class LightHam(nn.Module):
    """Hamburger over several maps at the size of the finest, the first: SegNeXt's decoder.

    Guo et al., "SegNeXt", 2022, Section 3.2; published by Hamburger's authors before:

        x = CBR([x_1, up(x_2), ...]) to `channels`,   out = CBR(Hamburger(x)) to `out_channels`

    Both CBR are 1x1. (B, C_1, H_1, W_1), (B, C_2, H_2, W_2), ... -> (B, out_channels, H_1, W_1).

    Args:
        in_channels: C_1, channels of the first and finest map.
        level_channels: C_2, C_3, ... of the others; `None` means twice, four and eight times C_1.
            SegNeXt gives three maps, of the last stages.
        channels: of the Hamburger.
        out_channels: of the output.
        bases: see `Hamburger`, as all that follow.
        iterations: see there.
        evaluation_iterations: see there.
        gradient: see there; SegNeXt's code goes through all iterations.

    Raises:
        ValueError: as `Hamburger`, or in `forward` for another number of maps.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        level_channels: Sequence[int] | None = None,
        channels: int = 512,
        out_channels: int = 256,
        bases: int = 64,
        iterations: int = 6,
        evaluation_iterations: int = 7,
        gradient: Gradient = "unrolled",
    ) -> None:
        super().__init__()
        widths = channels_of_levels(in_channels, level_channels)
        positive(channels=channels, out_channels=out_channels)
        self.level_channels = widths
        self.out_channels = out_channels
        self.squeeze = ConvBNReLU(sum(widths), channels)
        self.context = Hamburger(
            channels,
            bases=bases,
            iterations=iterations,
            evaluation_iterations=evaluation_iterations,
            gradient=gradient,
        )
        self.align = ConvBNReLU(channels, out_channels)

    def forward(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        """Maps from fine to coarse -> (B, out_channels, H_1, W_1)."""
        maps = (finest, *coarser)
        check_levels(maps, self.level_channels)
        size = finest.shape[-2:]
        x = self.squeeze(torch.cat([resize(each, *size) for each in maps], dim=1))
        return self.align(self.context(x))  # type: ignore[no-any-return]
