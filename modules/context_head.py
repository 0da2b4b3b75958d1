"""The head that public toolboxes put around a block: convolutions before and behind it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from context_modules.context import build_context, output_channels
from context_modules.layers import ConvBNReLU, positive


class ContextHead(nn.Module):
    """A context block between 3x3 convolutions: (B, in_channels, H, W) -> (B, out_channels, H, W).

        y = block(CBR3x3(x))              1 convolution: the frame of OCNet's Table 4
        y = CBR3x3(block(CBR3x3(x)))      2: the frame of DANet, CCNet, HamNet and EANet
        y = CBR3x3([x, CBR3x3(...)])      2 and concatenated: mmsegmentation's heads of non-local,
                                          disentangled, global context and other blocks

    So blocks that come without a head are compared on a backbone's map as they are used. Without a
    block it is the plain head of the same frame. Costs 9 N channels (in_channels + ...)
    multiply-accumulates, which often is more than the block.

    Args:
        in_channels: channels of the input.
        input_size: (H, W) of the map, for a block that needs it. Filled in from the input.
        context: a block's name in the catalog, or `None`.
        context_arguments: its keyword arguments.
        channels: behind the first convolution, of the block's input.
        out_channels: behind the others; `None` means `channels`. With one convolution the block's
            own.
        convolutions: 1 or 2.
        concatenated: fuse the input with the result by one more convolution.

    Raises:
        ValueError: an argument does not fit, or the block's does not.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        input_size: tuple[int, int] | None = None,
        context: str | None = None,
        context_arguments: Mapping[str, Any] | None = None,
        channels: int = 512,
        out_channels: int | None = None,
        convolutions: int = 2,
        concatenated: bool = False,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, channels=channels)
        if convolutions not in (1, 2):
            raise ValueError(f"convolutions is {convolutions}; it must be 1 or 2")
        if convolutions == 1 and (concatenated or out_channels is not None):
            raise ValueError("concatenated and out_channels go with convolutions: 2")
        if context is None and context_arguments:
            raise ValueError("context_arguments: name the context that they belong to")
        self.before = ConvBNReLU(in_channels, channels, 3)
        self.context: nn.Module = nn.Identity()
        width = channels
        if context is not None:
            self.context = build_context(context, channels, input_size, context_arguments or {})
            width = output_channels(self.context, channels, input_size)
        self.out_channels = out_channels or (width if convolutions == 1 else channels)
        positive(out_channels=self.out_channels)
        self.after = ConvBNReLU(width, self.out_channels, 3) if convolutions == 2 else nn.Identity()
        self.fuse = (
            ConvBNReLU(in_channels + self.out_channels, self.out_channels, 3)
            if concatenated
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        # In one expression: no name keeps a map alive while the next one is made.
        if self.fuse is None:
            return self.after(self.context(self.before(x)))  # type: ignore[no-any-return]
        joined = torch.cat([x, self.after(self.context(self.before(x)))], dim=1)
        return self.fuse(joined)  # type: ignore[no-any-return]
