"""One key per scene decides all regions: what global pooling can tell."""

from harness.training.data.contexts.placing import place_keys, place_regions
from harness.training.data.contexts.rule import Thing
from harness.training.data.draw import Draw
from harness.training.data.parameters import SceneParameters


def place(parameters: SceneParameters, draw: Draw) -> list[Thing] | None:
    """A key anywhere, regions anywhere beyond the gap."""
    tint = draw.uniform()
    keys = place_keys([draw.below(parameters.variants)], [tint], parameters, draw)
    return None if keys is None else place_regions(keys, [tint], parameters, draw)
