"""Pictures of what a module holds inside: priors, regions, node activations, receptive fields."""

import importlib
from typing import TYPE_CHECKING, cast

from harness.messages import HarnessError

if TYPE_CHECKING:  # names are listed and completed without matplotlib
    from matplotlib.figure import Figure

PICTURES = {
    "context_prior": "harness.present.pictures.context_prior",
    "squeeze_reasoning": "harness.present.pictures.node_activations",
    "region_attention": "harness.present.pictures.regions",
    "graph_guided": "harness.present.pictures.receptive_field",
}

TRAINED = {
    "prior": "the context prior beside the ideal affinity map (CPNet)",
    "regions": "regions and representative pixels on the image (RANet)",
    "nodes": "what each graph node is active on (SRNet)",
    "relations": "how strongly pixels relate to all others (OCNet and other self-attention)",
    "receptive-field": "what the answer at a pixel depends on (any module)",
    "predictions": "images, labels, predictions and errors (any module)",
}
"""Pictures of trained networks by their names; see `harness.present.pictures.trained`."""


class PictureError(HarnessError):
    """There is no picture of a module."""


def demonstrate(module: str, seed: int = 0) -> "Figure":
    """Draw a module's inner maps on a made scene.

    Args:
        module: name of the catalog.
        seed: of the scene's features and of the module's parameters.

    Raises:
        PictureError: no picture belongs to this module.
    """
    if module not in PICTURES:
        raise PictureError(f"there is no picture of {module}; there are: {', '.join(PICTURES)}")
    drawn = importlib.import_module(PICTURES[module]).demonstrate(seed=seed)
    return cast("Figure", drawn)
