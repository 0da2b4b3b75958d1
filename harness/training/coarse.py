"""The coarse segmentation that some modules make on the way to the final one."""

from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.context import forward_with_extras
from context_modules.segmentor import Segmentor
from harness.errors import HarnessError


class CoarseError(HarnessError):
    """A network without a coarse segmentation."""


class CoarseSegmentation(nn.Module):
    """The semantic score maps C of RANet as a segmentation of their own (Section 5.3, Table 4).

    (B, 3, H, W) -> (B, classes, H, W) logits, upsampled as the final ones are.

    Args:
        network: whose context module offers `categories` beside its features.
    """

    def __init__(self, network: Segmentor) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the coarse segmentation.

        Raises:
            CoarseError: the context module has none.
        """
        network = self.network
        _, extras = forward_with_extras(network.context, network.before(network.backbone(images)))
        categories = extras.get("categories")
        if not isinstance(categories, Tensor):
            raise CoarseError(
                f"{type(network.context).__name__} makes no coarse segmentation; remove "
                "evaluation: segmentation, or take a module with semantic score maps "
                "(region_attention)"
            )
        return F.interpolate(
            categories,
            size=tuple(images.shape[-2:]),
            mode="bilinear",
            align_corners=network.align_corners,
        )
