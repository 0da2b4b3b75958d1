"""Semantic FPN: the segmentation branch of Panoptic FPN (Kirillov et al., 2019)."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from context_modules.layers import BatchNorm, one_of, positive, resize
from context_modules.levels import Upsampling, channels_of_levels, check_levels, top_down

Norm = Literal["group", "batch"]
_GROUPS = 32  # of group norm (Wu and He, 2018), the paper's


class SemanticFPN(nn.Module):
    """A feature pyramid and a light branch over it: maps -> (B, channels, H_1, W_1).

    Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, Section 3.1 and Figure 3, on
    FPN (Lin et al., 2017). Maps x_1 (fine) to x_L (coarse) become levels of one width, top down;
    each level is upsampled to the finest size in steps of two, with a 3x3 convolution, norm and
    ReLU in each; all are summed:

        p_l = conv3x3(conv1x1(x_l) + up(p'_{l+1}))         p': before its 3x3
        y = sum_l up(... CNR3x3(p_l) ...)                  l - 1 steps, one without upsampling for 1

    Args:
        in_channels: C_1, channels of the first and finest map.
        level_channels: C_2 to C_L; `None` means twice, four and eight times C_1.
        width: channels of the pyramid; 256 in the paper.
        channels: of the branch and of the output; 128 in the paper.
        norm: `group` in the branch as in the paper, or `batch` as in mmsegmentation.
        upsampling: of the pyramid; the branch's is bilinear.

    Raises:
        ValueError: for sizes below 1, an unknown word, channels that group norm cannot divide, or
            in `forward` for another number of maps.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        level_channels: Sequence[int] | None = None,
        width: int = 256,
        channels: int = 128,
        norm: Norm = "group",
        upsampling: Upsampling = "nearest",
    ) -> None:
        super().__init__()
        self.level_channels = channels_of_levels(in_channels, level_channels)
        positive(width=width, channels=channels)
        one_of("norm", norm, ("group", "batch"))
        one_of("upsampling", upsampling, ("nearest", "bilinear"))
        if norm == "group" and channels % min(_GROUPS, channels):
            raise ValueError(f"channels is {channels}; group norm needs a multiple of {_GROUPS}")
        self.out_channels = channels
        self.upsampling: Upsampling = upsampling
        self.lateral = nn.ModuleList(nn.Conv2d(each, width, 1) for each in self.level_channels)
        self.smooth = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) for _ in self.level_channels
        )
        self.steps = nn.ModuleList(
            nn.ModuleList(
                _step(width if step == 0 else channels, channels, norm)
                for step in range(max(level, 1))
            )
            for level in range(len(self.level_channels))
        )

    def forward(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        """Maps from fine to coarse -> (B, channels, H_1, W_1)."""
        maps = (finest, *coarser)
        check_levels(maps, self.level_channels)
        sizes = [each.shape[-2:] for each in maps]
        merged = top_down(
            [layer(x) for layer, x in zip(self.lateral, maps, strict=True)], self.upsampling
        )
        total: Tensor | None = None
        for level, (smooth, steps) in enumerate(zip(self.smooth, self.steps, strict=True)):
            x = smooth(merged[level])
            assert isinstance(steps, nn.ModuleList)
            for step, layer in enumerate(steps):
                x = resize(layer(x), *sizes[max(level - step - 1, 0)])
            total = x if total is None else total + x
        assert total is not None, "there are two levels at least"
        return total


def _step(in_channels: int, channels: int, norm: Norm) -> nn.Sequential:
    """3x3 convolution, norm, ReLU."""
    groups = min(_GROUPS, channels)
    normed = BatchNorm(channels) if norm == "batch" else nn.GroupNorm(groups, channels)
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), normed, nn.ReLU(inplace=True)
    )
