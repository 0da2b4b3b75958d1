"""The prior map of CPNet as what it is made of, its rows worked out block by block.

P = sigmoid(BN(X W^T)) has a row per query pixel, which its features X alone decide once the batch
norm is an affine of each column. In training the statistics of a column over all query pixels
follow from the mean and the covariance of X, C1 x C1, and no N x N map is made for them either.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.blocks import BLOCK, in_blocks
from context_modules.layers import flatten_positions
from context_modules.prior_operator import select_by_triton


class ImplicitPrior(NamedTuple):
    """P[b, i, j] = sigmoid(scale[j] * (features[b, i] . weight[j]) + bias[j]).

    Attributes:
        features: (B, N, C1), X.
        weight: (N, C1).
        bias: (N,).
        scale: (N,), of `kernel: triton`, whose kernels go through the prior in place of blocks;
            `None` of `kernel: fused`, which has it in the weight.
    """

    features: Tensor
    weight: Tensor
    bias: Tensor
    scale: Tensor | None = None

    @property
    def step(self) -> int:
        """Rows of P that are worked on at once, of all images together."""
        batch, pixels, _ = self.features.shape
        return max(1, BLOCK // (batch * pixels))

    def rows(self, features: Tensor) -> Tensor:
        """Rows of P from those of X: (B, n, C1) -> (B, n, N)."""
        weight = self.weight if self.scale is None else self.weight * self.scale.unsqueeze(1)
        return F.linear(features, weight, self.bias).sigmoid_()

    def means(self) -> tuple[Tensor, Tensor]:
        """P X / N, (B, N, C1), and 1 X / N, (B, 1, C1), whose difference is (1 - P) X / N."""
        features = self.features
        pixels = features.shape[1]
        total = features.mean(dim=1, keepdim=True)
        if self.scale is not None:
            return select_by_triton(features, self.weight, self.scale, self.bias), total

        def some(rows: Tensor) -> Tensor:
            return torch.bmm(self.rows(rows), features) / pixels

        return in_blocks(some, (features,), self.step), total


def implicit_prior(
    features: Tensor, predict: nn.Sequential, *, by_triton: bool = False
) -> ImplicitPrior:
    """What the prior of a map is made of, by the layers that predict it.

    Batch norm in training counts the batch in its running statistics, as it does by itself.

    Args:
        features: (B, C1, H, W).
        predict: 1x1 convolution to N channels and its batch norm.
        by_triton: whether kernels in Triton shall go through its rows.
    """
    convolution, norm = cast(nn.Conv2d, predict[0]), cast(nn.BatchNorm2d, predict[1])
    weight = convolution.weight.flatten(1)  # (N, C1)
    rows = flatten_positions(features)
    mean, variance = norm.running_mean, norm.running_var
    if norm.training or mean is None or variance is None:
        mean, variance = _statistics(rows.flatten(0, 1), weight)
        if norm.training:
            _count(norm, mean.detach(), variance.detach(), rows.shape[0] * rows.shape[1])
    gain = norm.weight * torch.rsqrt(variance + norm.eps)
    bias = (norm.bias - mean * gain).to(weight.dtype)
    gain = gain.to(weight.dtype)
    if by_triton:  # rows that lie in rows serve the contexts and the loss
        return ImplicitPrior(rows.contiguous(), weight, bias, gain)
    return ImplicitPrior(rows, weight * gain.unsqueeze(1), bias)


def _statistics(rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of every column of rows W^T, in float32 at least as batch norm's."""
    exact = torch.promote_types(rows.dtype, torch.float32)
    with torch.autocast(rows.device.type, enabled=False):
        rows, weight = rows.to(exact), weight.to(exact)
        centre = rows.mean(dim=0)
        centred = rows - centre
        covariance = centred.t() @ centred / len(rows)  # (C1, C1)
        return weight @ centre, ((weight @ covariance) * weight).sum(dim=1).clamp(min=0)


def _count(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, number: int) -> None:
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = norm.momentum
    if share is None:
        share = 1.0 / float(norm.num_batches_tracked)
    unbiased = variance * (number / max(number - 1, 1))
    with torch.no_grad():
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
        norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), share)
