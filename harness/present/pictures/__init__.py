"""Pictures of what a module holds inside: priors, regions, node activations, receptive fields."""

import importlib
from typing import cast

from matplotlib.figure import Figure

from harness.messages import HarnessError

PICTURES = {
    "context_prior": "harness.present.pictures.context_prior",
    "squeeze_reasoning": "harness.present.pictures.node_activations",
    "region_attention": "harness.present.pictures.regions",
    "graph_guided": "harness.present.pictures.receptive_field",
}


class PictureError(HarnessError):
    """There is no picture of a module."""


def demonstrate(module: str, seed: int = 0) -> Figure:
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
    return cast(Figure, drawn)
