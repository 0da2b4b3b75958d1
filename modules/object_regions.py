"""Object-contextual representations (Yuan et al., "OCR", 2020)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.attention import AnyKernel, attend
from context_modules.layers import (
    ConvBNReLU,
    flatten_positions,
    one_of,
    positive,
    resize,
    unflatten_positions,
)

Scores = Literal["linear", "1x1", "3x3"]


class ObjectContext(nn.Module):
    """OCR's head: (B, in_channels, H, W) -> (B, channels, H, W).

    Yuan, Chen and Wang, "Object-Contextual Representations for Semantic Segmentation", ECCV 2020,
    Eq. 3 to 6 and Figure 3. A coarse segmentation into K categories makes K soft object regions;
    each position attends to their K representations, with x = CBR3x3(input), N = H * W:

        f_k = sum_i m_ki x_i                  m_k: softmax over the positions of category k's scores
        w_ik = softmax_k(phi(x_i) . psi(f_k) / sqrt(key_channels))
        y_i = rho(sum_k w_ik delta(f_k)),     z_i = g([y_i, x_i])

    phi and psi are two 1x1 CBR each, delta, rho and g one. Eq. 4 has no root; the published code
    divides by it (`scaled`).

    The scores come from the same map (as with HRNet in the paper) or, with `score_channels`, from a
    second input, a residual network's stage before the last: then `input` of a suite has two
    shapes. A training loss takes them from `forward_with_scores` as `categories`.

    Cost beside the convolutions: N K (channels + 2 key_channels) multiply-accumulates, linear in N.

    Args:
        in_channels: channels of the input.
        channels: of x and of the output; 512 in the paper.
        key_channels: of phi, psi and delta; 256 in the paper.
        categories: K.
        score_channels: channels of the second input; `None` takes the scores from the first.
        scores: layers of the coarse segmentation: `linear` is one 1x1 convolution, as the paper
            says; the published code has a CBR in front, 1x1 to as many channels with HRNet and 3x3
            to `channels` with ResNet.
        sharpness: factor on the scores in front of their softmax, `scale` in the published code.
        downsample: max-pool the queries by this factor, and upsample y.
        scaled: divide the logits by sqrt(key_channels).
        dropout: share of channels dropped behind g, in training; 0.05 in the published code.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.

    Raises:
        ValueError: for sizes below 1, a dropout outside of [0, 1], an unknown word, or in `forward`
            without the second map that `score_channels` asks for.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 512,
        key_channels: int = 256,
        categories: int = 19,
        score_channels: int | None = None,
        scores: Scores = "linear",
        sharpness: float = 1.0,
        downsample: int = 1,
        scaled: bool = True,
        dropout: float = 0.0,
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        source = in_channels if score_channels is None else score_channels
        positive(in_channels=in_channels, channels=channels, key_channels=key_channels)
        positive(categories=categories, score_channels=source, downsample=downsample)
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is {dropout}; it must lie in [0, 1]")
        self.out_channels = channels
        self.categories = categories
        self.two_maps = score_channels is not None
        self.sharpness, self.downsample = sharpness, downsample
        self.scale = None if scaled else 1.0
        self.kernel: AnyKernel = kernel
        self.scores = _scores(source, channels, categories, scores)
        self.pixels = ConvBNReLU(in_channels, channels, 3)
        self.query = _two(channels, key_channels)  # phi
        self.key = _two(channels, key_channels)  # psi
        self.value = ConvBNReLU(channels, key_channels)  # delta
        self.output = ConvBNReLU(key_channels, channels)  # rho
        self.fuse = ConvBNReLU(2 * channels, channels)  # g
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, score_map: Tensor | None = None) -> Tensor:
        """(B, in_channels, H, W) -> (B, channels, H, W)."""
        return self.forward_with_scores(x, score_map)[0]

    def forward_with_scores(
        self, x: Tensor, score_map: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Output, and `categories`: logits of the coarse segmentation, (B, K, H, W)."""
        if self.two_maps != (score_map is not None):
            raise ValueError(
                f"{1 + self.two_maps} maps are expected; score_channels asks for a second one"
            )
        scores = self.scores(x if score_map is None else score_map)
        pixels = self.pixels(x)
        regions = self.regions(pixels, resize(scores, *pixels.shape[-2:]))
        context = self._distribute(pixels, regions)
        y: Tensor = self.dropout(self.fuse(torch.cat([context, pixels], dim=1)))
        return y, {"categories": scores}

    def regions(self, pixels: Tensor, scores: Tensor) -> Tensor:
        """Representations f of the regions, Eq. 3: (B, C, H, W), (B, K, H, W) -> (B, C, K, 1)."""
        weights = (self.sharpness * scores).flatten(2).softmax(dim=-1)  # (B, K, N)
        return torch.matmul(pixels.flatten(2), weights.transpose(1, 2))[..., None]

    def _distribute(self, pixels: Tensor, regions: Tensor) -> Tensor:
        """The contexts y of all positions, Eq. 4 and 5: (B, channels, H, W)."""
        small = pixels if self.downsample == 1 else F.max_pool2d(pixels, self.downsample)
        rows = attend(
            flatten_positions(self.query(small)),
            flatten_positions(self.key(regions)),
            flatten_positions(self.value(regions)),
            scale=self.scale,
            kernel=self.kernel,
        )
        context = self.output(unflatten_positions(rows, *small.shape[-2:]))
        return resize(context, *pixels.shape[-2:])

    def affinity_elements(self, input_shape: tuple[int, ...]) -> int:
        """Elements of both relations between positions and regions, batch 1: 2 N K unpooled.

        Args:
            input_shape: (B, C, H, W).
        """
        height, width = input_shape[2:]
        queries = (height // self.downsample) * (width // self.downsample)
        attended = queries if self.kernel == "explicit" else 0
        return self.categories * (height * width + attended)


def _scores(in_channels: int, channels: int, categories: int, kind: Scores) -> nn.Module:
    one_of("scores", kind, ("linear", "1x1", "3x3"))
    if kind == "linear":
        return nn.Conv2d(in_channels, categories, 1)
    hidden = in_channels if kind == "1x1" else channels
    first = ConvBNReLU(in_channels, hidden, 1 if kind == "1x1" else 3)
    return nn.Sequential(first, nn.Conv2d(hidden, categories, 1))


def _two(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        ConvBNReLU(in_channels, out_channels), ConvBNReLU(out_channels, out_channels)
    )
