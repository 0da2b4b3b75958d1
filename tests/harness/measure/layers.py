"""Layers of every family that PyTorch brings, each at a size that runs in milliseconds."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAP = (2, 16, 24, 24)
TOKENS = (2, 300, 64)
HEADS = (2, 4, 300, 16)
ROWS = (8, 100, 64)
SEQUENCE = (8, 12, 32)


class Function(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, *inputs):
        return self.call(*inputs)


class Heads(nn.Module):
    """Self-attention by `nn.MultiheadAttention`."""

    def __init__(self, need_weights, **arguments):
        super().__init__()
        self.attention = nn.MultiheadAttention(64, 4, batch_first=True, **arguments)
        self.need_weights = need_weights

    def forward(self, x: Tensor):
        return self.attention(x, x, x, need_weights=self.need_weights)


class Sequence(nn.Module):
    """A recurrent layer without its last states."""

    def __init__(self, kind, **arguments):
        super().__init__()
        self.layer = kind(32, 48, batch_first=True, **arguments)

    def forward(self, x: Tensor):
        return self.layer(x)[0]


class Pairs(nn.Bilinear):
    def forward(self, x: Tensor):
        return super().forward(x, x)


def encoder_layer(**arguments):
    return nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, **arguments)


def of(call):
    return lambda: Function(call)


def masked(x):
    keep = torch.ones(300, 300, dtype=torch.bool)
    return F.scaled_dot_product_attention(x, x, x, attn_mask=keep)


def sampled(x):
    theta = torch.eye(2, 3)[None].repeat(2, 1, 1)
    grid = F.affine_grid(theta, list(MAP), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def indices(*shape):
    return torch.zeros(shape, dtype=torch.long)


# Copies and scratchpads of oneDNN: only the operator run alone knows them.
LIBRARY = {
    "conv1d": (lambda: nn.Conv1d(32, 48, 5), (2, 32, 1000)),
    "conv2d": (lambda: nn.Conv2d(64, 64, 3, padding=1), (2, 64, 32, 32)),
    "conv2d, odd sizes": (lambda: nn.Conv2d(33, 17, 3, padding=1), (2, 33, 31, 29)),
    "conv2d, 1 x 1": (lambda: nn.Conv2d(64, 128, 1), (2, 64, 32, 32)),
    "conv3d": (lambda: nn.Conv3d(16, 16, 3), (1, 16, 12, 12, 12)),
    "depthwise": (lambda: nn.Conv2d(64, 64, 3, padding=1, groups=64), (2, 64, 32, 32)),
    "grouped": (lambda: nn.Conv2d(64, 64, 3, padding=1, groups=4), (2, 64, 32, 32)),
    "dilated": (lambda: nn.Conv2d(64, 64, 3, padding=4, dilation=4), (2, 64, 32, 32)),
    "transposed": (lambda: nn.ConvTranspose2d(64, 32, 4, 2, 1), (2, 64, 24, 24)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(64, 32, 4, 2, 1), (2, 64, 500)),
    "transposed 3d": (lambda: nn.ConvTranspose3d(16, 16, 2, 2), (1, 16, 10, 10, 10)),
    "lstm": (lambda: Sequence(nn.LSTM), SEQUENCE),
    "lstm, both ways": (lambda: Sequence(nn.LSTM, bidirectional=True, num_layers=2), SEQUENCE),
    "embedding bag": (of(lambda x: F.embedding_bag(indices(20, 100), x)), (50, 64)),
}

# What follows from shapes alone, on every machine.
SHAPES = {
    "linear": (lambda: nn.Linear(64, 256), (64, 64)),
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64)),
        (4, 100, 64),
    ),
    "batch norm": (lambda: nn.BatchNorm2d(32), (2, 32, 32, 32)),
    "norms in a row": (
        lambda: nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.BatchNorm2d(16), nn.ReLU()),
        MAP,
    ),
    "group norm": (lambda: nn.GroupNorm(4, 32), (2, 32, 32, 32)),
    "layer norm": (lambda: nn.LayerNorm(64), ROWS),
    "instance norm": (lambda: nn.InstanceNorm2d(32), (2, 32, 32, 32)),
    "root mean square norm": (lambda: nn.RMSNorm(64), ROWS),
    "max pooling": (lambda: nn.MaxPool2d(3, 2, 1), (2, 32, 32, 32)),
    "average pooling": (lambda: nn.AvgPool2d(2), (2, 32, 32, 32)),
    "max pooling 3d": (lambda: nn.MaxPool3d(2), (1, 16, 16, 16, 16)),
    "adaptive pooling": (lambda: nn.AdaptiveAvgPool2d(7), (2, 32, 33, 31)),
    "adaptive pooling to one": (lambda: nn.AdaptiveAvgPool2d(1), (2, 320, 33, 31)),
    "adaptive max pooling": (lambda: nn.AdaptiveMaxPool2d(5), (2, 32, 33, 31)),
    "heads": (lambda: Heads(False), TOKENS),
    "heads at 48 x 48": (lambda: Heads(False), (1, 48 * 48, 64)),
    "heads with weights": (lambda: Heads(True), TOKENS),
    "heads, slow path": (lambda: Heads(False, add_bias_kv=True), TOKENS),
    "encoder": (lambda: nn.TransformerEncoder(encoder_layer(), 2), TOKENS),
    "encoder, norm first": (lambda: encoder_layer(norm_first=True, activation="gelu"), TOKENS),
    "attention": (of(lambda x: F.scaled_dot_product_attention(x, x, x)), HEADS),
    "attention, masked": (of(masked), HEADS),
    "attention of one head": (of(lambda x: F.scaled_dot_product_attention(x, x, x)), (8, 300, 16)),
    "attention written out": (of(lambda x: (x @ x.mT).softmax(-1) @ x), (2, 200, 32)),
    "gru": (lambda: Sequence(nn.GRU), SEQUENCE),
    "rnn": (lambda: Sequence(nn.RNN, num_layers=2), SEQUENCE),
    "lstm, projected": (lambda: Sequence(nn.LSTM, proj_size=8), SEQUENCE),
    "softmax": (lambda: nn.Softmax(1), ROWS),
    "log softmax": (lambda: nn.LogSoftmax(-1), ROWS),
    "bilinear resizing": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), MAP),
    "nearest resizing": (lambda: nn.Upsample(scale_factor=2), MAP),
    "bicubic resizing": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), MAP),
    "large resizing": (lambda: nn.Upsample(scale_factor=4, mode="bilinear"), MAP),
    "smooth resizing": (
        of(lambda x: F.interpolate(x, size=(12, 12), mode="bilinear", antialias=True)),
        MAP,
    ),
    "nearest resizing 3d": (lambda: nn.Upsample(scale_factor=2), (1, 8, 12, 12, 12)),
    "sampling at a grid": (of(sampled), MAP),
    "fourier": (of(lambda x: torch.fft.fft2(x).abs()), MAP),
    "fourier there and back": (of(lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * 2)), MAP),
    "fourier over channels": (of(lambda x: torch.fft.fft(x, dim=1).real), (2, 17, 24, 24)),
    "distances": (of(lambda x: torch.cdist(x, x)), (2, 20, 16)),
    "many distances": (of(lambda x: torch.cdist(x, x)), (2, 100, 16)),
    "einsum": (of(lambda x: torch.einsum("bchw,bcvw->bhvw", x, x)), (2, 32, 24, 24)),
    "columns": (lambda: nn.Unfold(3, padding=1), MAP),
    "columns and back": (
        of(lambda x: F.fold(F.unfold(x, 3, padding=1), (24, 24), 3, padding=1)),
        MAP,
    ),
    "embedding": (of(lambda x: F.embedding(indices(2, 100), x)), (50, 64)),
    "in place": (of(lambda x: (x + 1).mul_(2).relu_()), MAP),
    "split and joined": (of(lambda x: torch.cat([a.sin() for a in x.split(4, 1)], 1)), MAP),
    "gates": (lambda: nn.GLU(1), MAP),
    "padding": (lambda: nn.ReflectionPad2d(2), MAP),
    "sorting": (of(lambda x: x.sort(1)[0]), MAP),
    "median": (of(lambda x: x.median(1)[0]), MAP),
    "sum of exponentials": (of(lambda x: x.logsumexp(1)), MAP),
    "gathered": (of(lambda x: x.gather(1, indices(2, 4, 24, 24))), MAP),
    "indexed": (of(lambda x: x[:, torch.tensor([0, 1, 2])]), MAP),
    "branches": (of(lambda x: (y := x * 2).relu() + y.sin() + y.cos()), MAP),
    "shuffled": (lambda: nn.PixelShuffle(2), MAP),
    "inverse": (of(lambda x: torch.linalg.inv(x @ x.mT + torch.eye(64))), (4, 64, 64)),
}

# Their backward has no rule of its own: the memory model measures it.
SHAPES_IN_INFERENCE = {
    "pairs": (lambda: Pairs(32, 32, 24), (64, 32)),
    "in place twice": (of(lambda x: (x + 1).relu_().mul_(2).sigmoid_()), MAP),
}
