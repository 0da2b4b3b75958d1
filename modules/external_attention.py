"""External attention: keys and values are learned, not made of the map (Guo et al., 2021)."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, one_of, positive

SMALLEST = 1e-9  # added to the sums of the second normalisation, as in the published code

Normalization = Literal["double", "softmax"]


class ExternalAttention(nn.Module):
    """Attention to S learned vectors, shared by all images: (B, C, H, W) -> (B, C, H, W).

    Guo et al., "Beyond Self-attention: External Attention using Two Linear Layers for Visual
    Tasks", 2021, Eq. 5 to 9, with N = H * W positions as rows of F = conv(x):

        A~ = F M_k^T,   A^ = softmax of A~ over the positions,   A = A^ / its sum over the S vectors
        y = A M_v,      out = ReLU(x + BN(conv(y)))

    M_k and M_v are (S, C), two linear layers. The double normalisation (Eq. 7 to 9) keeps the
    attention from following the length of a position's features; `softmax` is the one over the
    vectors that self-attention would have. Convolution, norm and residual are those of the
    published segmentation network.

    With several heads F is cut into parts of C / heads channels that share M_k and M_v (Section
    3.3). The published image classifier: `heads: 32, slots: 64, expansion: 4, bias: true,
    residual: false`, for 8 heads of a transformer.

    Cost: 2 N E C S multiply-accumulates beside the two 1x1 convolutions of N E C^2, E the
    expansion: linear in N.

    Args:
        in_channels: C.
        slots: S, number of learned vectors; 64 in the paper.
        normalization: `double` or `softmax`.
        heads: parts of F; a divisor of E * C.
        expansion: E, channels of F over C.
        bias: give M_k and M_v a bias.
        residual: norm, residual and ReLU behind y; without it only a biased convolution.

    Raises:
        ValueError: for sizes below 1, or heads that do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        slots: int = 64,
        normalization: Normalization = "double",
        heads: int = 1,
        expansion: int = 1,
        bias: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, slots=slots, heads=heads, expansion=expansion)
        one_of("normalization", normalization, ("double", "softmax"))
        channels = expansion * in_channels
        if channels % heads:
            raise ValueError(f"heads is {heads}; it must divide expansion * channels ({channels})")
        self.normalization: Normalization = normalization
        self.heads, self.slots = heads, slots
        self.residual = residual
        self.features = nn.Conv2d(in_channels, channels, 1)
        self.keys = nn.Conv1d(channels // heads, slots, 1, bias=bias)  # M_k
        self.values = nn.Conv1d(slots, channels // heads, 1, bias=bias)  # M_v
        self.output: nn.Module = (
            ConvBNReLU(channels, in_channels, relu=False)
            if residual
            else nn.Conv2d(channels, in_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        features = self.features(x)  # (B, E C, H, W)
        parts = features.reshape(x.shape[0] * self.heads, -1, x.shape[2] * x.shape[3])
        attention = self.normalize(self.keys(parts))  # (B * heads, S, N)
        context = self.values(attention).reshape(features.shape)
        if not self.residual:
            return self.output(context)  # type: ignore[no-any-return]
        # In place: the norm in front does not need its output again.
        return F.relu(self.output(context).add_(x), inplace=True)

    def normalize(self, logits: Tensor) -> Tensor:
        """A~ -> A, (G, S, N) both."""
        if self.normalization == "softmax":
            return logits.softmax(dim=1)
        attention = logits.softmax(dim=2)
        return attention / (attention.sum(dim=1, keepdim=True) + SMALLEST)

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Elements of A, batch 1: heads * S * N.

        Args:
            input_shape: (B, C, H, W).
        """
        return self.heads * self.slots * input_shape[2] * input_shape[3]
