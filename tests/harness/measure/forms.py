"""Modules that plain PyTorch runs and that were counted wrongly, or not at all."""

import copy
import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL = torch.ones(1, 1, 3, 3)


class Constant(nn.Module):
    """A tensor at module level (Sobel kernel, ImageNet mean)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, KERNEL)


@functools.lru_cache
def positions(n: int) -> Tensor:
    return torch.arange(n, dtype=torch.float32)


class Cached(nn.Module):
    """A grid that outlives the pass which made it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x + positions(x.shape[-1]))


class Clones(nn.Module):
    """copy.deepcopy in a constructor, as nn.TransformerEncoder, DETR and mean teachers do."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.Linear(8, 8)
        self.layers = nn.Sequential(layer, copy.deepcopy(layer))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


class Truncated(nn.Module):
    """trunc_normal_ calls .item(): it must not force counting on real tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)
        nn.init.trunc_normal_(self.mix.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)


@torch.library.custom_op("mine::fill", mutates_args=())
def fill(x: Tensor) -> Tensor:
    return x @ x.T


fill.register_fake(lambda x: x.new_empty(x.shape[0], x.shape[0]))


class Namesake(nn.Module):
    """A custom operator with the name of an ATen operator: never counted by that one's rule."""

    def forward(self, x: Tensor) -> Tensor:
        return fill(x)


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x[None])[0]


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(4, 4, dtype=x.dtype, device=x.device).addmm_(x, x.T)


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.LazyLinear(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.jit.script(nn.Linear(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)


class Flex(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        from torch.nn.attention.flex_attention import flex_attention

        q = x.view(1, 1, 4, 8)
        return flex_attention(q, q, q)


class Heads(nn.Module):
    """The fused evaluation kernel of MultiheadAttention holds its logits: live peak must say so."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class SparseBuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("a", torch.eye(4).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return self.a @ x


class Complex(nn.Module):
    """Complex parameters stay complex in a float32 case (Fourier layers)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5, 5, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x) @ self.weight, n=x.shape[-1])


class InPlaceFirst(nn.Module):
    """Trains behind a backbone, so `pass: training` must run it: the input is no leaf."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(in_channels, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class OwnDefault(nn.Module):
    """`input_size: int` is this module's own argument, not the (H, W) that is filled in."""

    def __init__(self, in_channels: int, input_size: int = 8) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, input_size // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Miscounted(nn.Module):
    """Fails while operators are counted, and runs otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise ValueError("not while it is counted")
        return self.mix(x)


class Fused(nn.MultiheadAttention):
    """Self-attention by PyTorch's own kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, x, x, need_weights=False)[0]


class Attribute(nn.Module):
    """A tensor that is neither parameter nor buffer keeps its type, and makes others of it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)
        self.scale = torch.ones(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x) * self.scale + torch.zeros(8)
