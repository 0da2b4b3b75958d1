"""Modules of a user, each with one habit that a measurement must cope with."""

import time
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@torch.library.custom_op("made_subjects::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return x * 2


@doubled.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("made_subjects::double_in_place", mutates_args=("x",))
def double_in_place(x: Tensor) -> None:
    x.mul_(2)


@torch.library.custom_op("made_subjects::real_only", mutates_args=())
def real_only(x: Tensor) -> Tensor:
    return x * 2


class Uncounted(nn.Module):
    """Half of what it writes is written by an operator that nobody knows."""

    def forward(self, x: Tensor) -> Tensor:
        return doubled(x) + x


class UncountedInPlace(nn.Module):
    """Changes a tensor through an operator that returns nothing."""

    def forward(self, x: Tensor) -> Tensor:
        y = x + 1
        double_in_place(y)
        return y


class RealOnly(nn.Module):
    """Calls an operator that has no implementation on fake tensors."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return real_only(self.conv(x))


class Branching(nn.Module):
    """Takes the convolution only where a value says so (it always does)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if (x * x).sum() >= 0 else x


class Selecting(nn.Module):
    """Its inner shape depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x[x == x].sum()


class ReadsInConstructor(nn.Module):
    """Reads values while it is built, as schedules of stochastic depth do."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        self.conv = nn.Conv2d(in_channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class OneSize(nn.Module):
    """Works at 64 x 64 only, and says so."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, in_channels, 64, 64))

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != (64, 64):
            raise ValueError("give a map of 64 x 64")
        return x * self.scale


class Assigned(nn.Module):
    """Pixels to 64 bases and back, as expectation maximisation attention writes it."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.bases = nn.Parameter(torch.ones(1, in_channels, 64))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(2)
        seen = torch.einsum("bcn,bck->bnk", pixels, self.bases.expand(len(x), -1, -1))
        return torch.einsum("bck,bnk->bcn", self.bases.expand(len(x), -1, -1), seen)


class Ramped(nn.Module):
    """Asks for values of a tensor while it is made, as rates of stochastic depth are."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        (self.rate,) = (each.item() for each in torch.linspace(0, 1, 1))
        self.mix = nn.Conv2d(in_channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)


def Configured(in_channels: int) -> nn.Module:
    """Makes a module and raises an error of its own where that fails, as hydra does."""
    try:
        return Ramped(in_channels)
    except Exception as error:
        raise LookupError("error in call to target") from error


class Checkpointed(nn.Module):
    """Runs its convolution once more in the backward pass."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(in_channels, 4, 1, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.block, x, use_reentrant=False)


class Sparse(nn.Module):
    """Multiplies with a sparse matrix."""

    def forward(self, x: Tensor) -> Tensor:
        eye = torch.eye(x.shape[-1]).to_sparse()
        return torch.sparse.mm(eye, x[0, 0])


class Tied(nn.Module):
    """One weight under two names, a buffer, a frozen scale."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, in_channels, 1, bias=False)
        self.second = nn.Conv2d(in_channels, in_channels, 1, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm2d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.second(self.first(x)))


class SharedReLU(nn.Module):
    """A residual block's habit: one ReLU for three places."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, 8, 1)
        self.second = nn.Conv2d(8, 4, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.relu(self.first(self.relu(x.clone())))))


class NotFinite(nn.Module):
    """Returns NaN and infinity among good numbers."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        bad = x.clone()
        bad.view(-1)[:2] = float("nan")
        bad.view(-1)[2] = float("inf")
        return {"labels": x.long(), "scores": bad}


class Indices(nn.Module):
    """Returns nothing that could be trained."""

    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(1)


class Temporary(nn.Module):
    """Needs 64 MiB for a moment."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.ones(16 * 2**20).sum()


class BusyWait(nn.Module):
    """Spins for two milliseconds and remembers how long that really took."""

    LENGTH = 2e-3

    def __init__(self) -> None:
        super().__init__()
        spins.clear()

    def forward(self, x: Tensor) -> Tensor:
        spins.append(spin(self.LENGTH))
        return x


spins: list[float] = []
"""What the spins of the last `BusyWait` took, in seconds: longer where the machine was busy."""


def spin(seconds: float) -> float:
    """Keep the processor busy; what that took."""
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        pass
    return now - start


class FusedAttention(nn.Module):
    """Attention of every position to every other, in one operator."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(2).mT
        return nn.functional.scaled_dot_product_attention(rows, rows, rows)


class UpAndDown(nn.Module):
    """A transposed convolution to twice the size, and a 1x1 convolution."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, 5, 2, stride=2)
        self.down = nn.Conv2d(5, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x))


class Traced(nn.Module):
    """Notes each time that one is built, and each pass."""

    noted: ClassVar[list[str]] = []

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(in_channels))
        self.noted.append("built")

    def forward(self, x: Tensor) -> Tensor:
        self.noted.append("pass")
        return x * 2
